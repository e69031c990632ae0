// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The findings as sentences with their numbers: where a bound holds, where it is loose, where it is broken.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "basin/theory/sensitivity.hpp"
#include "limits/summary.hpp"
#include "report/words.hpp"

namespace basin::limits {

namespace detail {

inline std::string plain(double x, int digits) { return report::text_of({x, NAN, 1}, digits); }

/// "softmax 1.2, ssmax 3.4": a number for each normalizer, those without one left out.
template <class Number>
std::string for_each_normalizer(findings const& f, int digits, Number const& number) {
  std::string out;
  for (int who = 0; who < static_cast<int>(f.normalizers.size()); ++who)
    if (double const x = number(who); !std::isnan(x))
      out += message(out.empty() ? "" : ", ", f.normalizers[static_cast<std::size_t>(who)], " ", plain(x, digits));
  return out.empty() ? "none" : out;
}

/// "softmax, ssmax", of those for which `holds`; "none", "all", or "all but ssmax" where that is shorter; and how many.
template <class Holds>
std::pair<std::string, int> names_where(findings const& f, Holds const& holds) {
  std::string with, without;
  int count = 0, others = 0;
  for (int who = 0; who < static_cast<int>(f.normalizers.size()); ++who) {
    bool const is = holds(who);
    (is ? with : without) += message((is ? count : others) ? ", " : "", f.normalizers[static_cast<std::size_t>(who)]);
    ++(is ? count : others);
  }
  if (count == 0) return {"none", 0};
  if (others == 0) return {count == 1 ? with : message("all ", count), count};
  return {others <= 3 && count > 4 ? "all but " + without : with, count};
}

inline std::string of_all(findings const& f, int count) {
  return message(count, " of ", f.normalizers.size(), " normalizers");
}

inline report::finding decay_words(findings const& f) {
  auto const exponent = [&](int who) {
    return growth(f.options.lengths, [&](index_t l) { return monitor_at(f, who, l, &monitor_figure::max_weight); })
        .slope;
  };
  auto const level = names_where(f, [&](int who) { return exponent(who) < -0.9; });
  auto const kept = names_where(f, [&](int who) { return exponent(who) > -0.1; });
  return {
      message("Lemma 1: from ", f.options.lengths.front(), " to ", f.options.longest(),
              " tokens the largest weight falls about as 1/n under ", level.first, ", and hardly or not at all under ",
              kept.first, "."),
      message(
          "Exponent b of n^b for the mean largest weight (1/n is -1; the lemma says -1 in the end for every F that "
          "does not know n, and strong scores delay it): ",
          for_each_normalizer(f, 2, exponent), ". Entropy over log n at ", f.options.longest(),
          " tokens (weights that do not sum to 1 can leave [0, 1]): ",
          for_each_normalizer(
              f, 2, [&](int who) { return monitor_at(f, who, f.options.longest(), &monitor_figure::saturation).mean; }),
          ".")};
}

/// The largest share, over lengths and N, of rows whose distance lies above the bound.
inline double broken_share(findings const& f, int who) {
  return most_of_heads(f.found.distances, &distance_figure::broken,
                       [&](distance_figure const& d) { return d.at.normalizer == who; });
}

inline report::finding bound_words(findings const& f) {
  auto const broken = names_where(f, [&](int who) { return broken_share(f, who) > 0; });
  auto const ratio = [&](index_t n) {
    return [&f, n](int who) {
      auto const at = [&](double distance_figure::*which) {
        return distance_at(f, who, f.options.longest(), n, which).mean;
      };
      return at(&distance_figure::bound) / at(&distance_figure::true_a);
    };
  };
  auto const counts = counts_at_longest(f);
  std::string detail =
      broken.second
          ? message("Largest share of rows of a head above it, %: ",
                    for_each_normalizer(
                        f, 1, [&](int who) { return broken_share(f, who) > 0 ? 100 * broken_share(f, who) : NAN; }),
                    " (the proof needs weights of at least 0). ")
          : "";
  if (!counts.empty())
    detail += message("Bound over true distance at ", f.options.longest(), " tokens, N = ", counts.front(), ": ",
                      for_each_normalizer(f, 2, ratio(counts.front())), "; N = ", counts.back(), ": ",
                      for_each_normalizer(f, 2, ratio(counts.back())), ".");
  return {message("Theorem 1, upper bound: holds in every row for ",
                  of_all(f, static_cast<int>(f.normalizers.size()) - broken.second), "; broken for ", broken.first,
                  "."),
          detail};
}

inline report::finding growth_words(findings const& f) {
  auto const exponent = [&](double distance_figure::*which) {
    return [&f, which](int who) {
      return growth(f.options.lengths, [&](index_t l) { return distance_at(f, who, l, f.options.fixed_top, which); })
          .slope;
    };
  };
  auto const a = exponent(&distance_figure::true_a), e = exponent(&distance_figure::formula),
             printed = exponent(&distance_figure::printed);
  auto const linear = names_where(f, [&](int who) { return a(who) > 0.85 && a(who) < 1.15; });
  auto const expected = names_where(f, [&](int who) { return e(who) > 0.85 && e(who) < 1.15; });
  return {message("Figure 2a: at N = ", f.options.fixed_top,
                  " the true distance grows about linearly (n^0.85 to n^1.15) for ", of_all(f, linear.second),
                  "; the expectation E does for ", expected.first, "."),
          message("The paper says that both do. Exponents of the true distance: ", for_each_normalizer(f, 2, a),
                  "; of E: ", for_each_normalizer(f, 2, e),
                  "; of E' (without the share N/(L-1)): ", for_each_normalizer(f, 2, printed), ".")};
}

inline report::finding expectation_words(findings const& f) {
  auto const at = [&](int who, double distance_figure::*which) {
    return distance_at(f, who, f.options.longest(), f.options.fixed_top, which).mean;
  };
  auto const gap = [&](int who) {
    return 100 * (at(who, &distance_figure::exact) / at(who, &distance_figure::formula_there) - 1);
  };
  auto const outside = names_where(f, [&](int who) {
    double const exact = at(who, &distance_figure::exact);
    return exact < 0.98 * at(who, &distance_figure::formula_there) ||
           exact > 1.02 * at(who, &distance_figure::proved_there);
  });
  std::string detail = message("By drawing, the expectation at N = ", f.options.fixed_top,
                               " lies above E by, %: ", for_each_normalizer(f, 0, gap),
                               ". Outside [E, proved bound] by over 2 %: ", outside.first, ".");
  if (auto const counts = counts_at_longest(f); !counts.empty())
    detail +=
        message(" True distance over E' at N = ", counts.back(), " (the paper: they meet): ",
                for_each_normalizer(
                    f, 2,
                    [&](int who) {
                      return distance_at(f, who, f.options.longest(), counts.back(), &distance_figure::true_a).mean /
                             distance_at(f, who, f.options.longest(), counts.back(), &distance_figure::printed).mean;
                    }),
                ".");
  auto const times = [&](int who) { return at(who, &distance_figure::true_a) / at(who, &distance_figure::formula); };
  std::string const first =
      std::isfinite(times(0))
          ? message("the strongest tokens lie ", plain(times(0), 0), " times as far from the rest under ",
                    f.normalizers.front(), " as a random choice (E) says")
          : message("the distance that a random choice has (E) is 0 under ", f.normalizers.front());
  return {message("Theorem 1, expectation: at ", f.options.longest(), " tokens and N = ", f.options.fixed_top, " ",
                  first, "; E misses the true expectation by what Jensen's inequality leaves."),
          detail};
}

inline report::finding critical_words(findings const& f) {
  auto const share = [&](char const* expected) {
    return [&f, expected](int who) {
      for (auto const& c : f.found.criticals)
        if (c.normalizer == who && c.length == f.options.longest() && c.expected == expected &&
            c.level == critical_levels[0])
          return c.n ? 100.0 * static_cast<double>(*c.n) / static_cast<double>(c.length) : NAN;
      return static_cast<double>(NAN);
    };
  };
  auto const said = [&](char const* expected) {
    double const percent = share(expected)(0);
    return std::isnan(percent) ? "above every N that was tried" : plain(percent, 1) + " % of the length";
  };
  return {message("Figure 2c: at ", f.options.longest(), " tokens the critical N is ", said("E'"), " against E' and ",
                  said("E"), " against E under ", f.normalizers.front(), "; the paper says fewer than 6 %."),
          message("Level 0.01, ", f.layers * f.heads,
                  " heads (few heads make a test that rejects little). Against E', % of the length: ",
                  for_each_normalizer(f, 1, share("E'")), "; against E: ", for_each_normalizer(f, 1, share("E")), ".")};
}

inline report::finding separation_words(findings const& f) {
  auto const counts = counts_selected(f);
  auto const wide = std::ranges::find_if(counts, [](index_t n) { return n >= 16; });
  index_t const n = wide == counts.end() ? counts.back() : *wide;
  auto const ratio = [&](int who) { return separation_at(f, who, n, &separation_figure::ratio).mean; };
  auto const plateau = names_where(f, [&](int who) { return ratio(who) >= 0.7 && ratio(who) <= 0.85; });
  auto const rows = [&](double separation_figure::*which) {
    return [&f, which](int who) {
      return 100 * most_of_heads(f.found.separations, which,
                                 [&](separation_figure const& s) { return s.at.normalizer == who; });
    };
  };
  auto const over = rows(&separation_figure::over_upper), under = rows(&separation_figure::under_lower);
  auto const over_names = names_where(f, [&](int who) { return over(who) > 0; });
  auto const under_names = names_where(f, [&](int who) { return under(who) > 0; });
  return {
      message("Theorem 2: of N = ", n, " selected tokens ", f.normalizers.front(), " keeps ", plain(100 * ratio(0), 0),
              " % apart (the paper, on GPT-2: 70 to 85 %; in that range here: ", plateau.first,
              "). Rows lie above the paper's upper bound for ", over_names.first, "; below its lower bound for ",
              under_names.first, "."),
      message("Share told apart at N = ", n, ": ", for_each_normalizer(f, 2, ratio), "; at N = ", counts.back(), ": ",
              for_each_normalizer(
                  f, 2, [&](int who) { return separation_at(f, who, counts.back(), &separation_figure::ratio).mean; }),
              " (a normalizer with weights of 0 keeps all tokens beyond its support: they lie as far as the ball "
              "reaches). Most rows of one head above the upper bound at one N, %: ",
              for_each_normalizer(f, 0, over), ".")};
}

/// Whether a row's g exceeds a bound anywhere.
template <class Bound>
bool exceeds(findings const& f, int who, Bound const& bound) {
  return std::ranges::any_of(f.found.sensitivities, [&](sensitivity_figure const& s) {
    return s.at.normalizer == who && s.most > bound(s.temperature, s.epsilon) * (1 + 1e-9);
  });
}

inline report::finding sensitivity_words(findings const& f) {
  auto const printed = names_where(
      f, [&](int who) { return exceeds(f, who, [](double t, double) { return theory::printed_gain_bound(t); }); });
  auto const tight = names_where(
      f, [&](int who) { return exceeds(f, who, [](double t, double e) { return theory::gain_bound(t, e); }); });
  double const cold = f.options.temperatures.front(), hot = f.options.temperatures.back(),
               step = f.options.epsilons.front();
  auto const drop = [&](int who) {
    return sensitivity_at(f, who, cold, step, &sensitivity_figure::mean) /
           sensitivity_at(f, who, hot, step, &sensitivity_figure::mean);
  };
  return {message("Corollary 3: rows exceed the paper's min(1/4T, sqrt 2) under ", printed.first,
                  "; min(1/2T, sqrt(2)/eps), which is proved for softmax, under ", tight.first, "."),
          message("Along random directions; the worst direction is steeper. Largest mean g of a head at eps = ", step,
                  ", T = ", cold, ": ",
                  for_each_normalizer(
                      f, 2, [&](int who) { return sensitivity_at(f, who, cold, step, &sensitivity_figure::mean); }),
                  "; times as much as at T = ", hot, ": ", for_each_normalizer(f, 1, drop),
                  " (below 1: T makes scores so equal that the choice of keys jumps).")};
}

}  // namespace detail

inline std::vector<report::finding> put_in_words(findings const& f) {
  std::vector<report::finding> out = f.warnings;
  auto const lengths_above = [&](index_t n) {
    return std::ranges::count_if(f.options.lengths, [n](index_t l) { return l > n; });
  };
  if (lengths_above(0) > 1) out.push_back(detail::decay_words(f));
  out.push_back(detail::bound_words(f));
  if (lengths_above(f.options.fixed_top) > 1) out.push_back(detail::growth_words(f));  // a slope needs two lengths
  out.push_back(detail::expectation_words(f));
  if (!f.found.criticals.empty()) out.push_back(detail::critical_words(f));
  if (!counts_selected(f).empty()) out.push_back(detail::separation_words(f));
  out.push_back(detail::sensitivity_words(f));
  return out;
}

}  // namespace basin::limits
