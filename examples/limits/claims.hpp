// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The claims of the paper, each with what was measured and a verdict, as one sentence.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "basin/theory/sensitivity.hpp"
#include "limits/summary.hpp"
#include "report/number_text.hpp"

namespace basin::limits {

enum class verdict { holds, violated, not_applicable };

/// One claim. The parts complete "Claim: ...; measured: ...; verdict: ...".
struct claim_result {
  std::string section;  // of the report: "lemma-1", "theorem-1", "critical", "theorem-2" or "corollary-3"
  std::string name;     // "Theorem 1, upper bound"
  std::string claim, measured, conclusion;
  verdict judged = verdict::not_applicable;  // for the first normalizer of the list
};

inline std::string sentence_of(claim_result const& c) {
  return message("Claim: ", c.claim, "; measured: ", c.measured, "; verdict: ", c.conclusion, ".");
}

/// The exponent b of n^b for the mean largest weight.
inline double weight_exponent(findings const& f, int normalizer) {
  return growth(f.options.lengths, [&](index_t l) { return monitor_at(f, normalizer, l, &monitor_figure::max_weight); })
      .slope;
}

/// The same for a distance at the N of figure 2a.
inline double distance_exponent(findings const& f, int normalizer, double distance_figure::*which) {
  return growth(f.options.lengths, [&](index_t l) { return distance_at(f, normalizer, l, f.options.fixed_top, which); })
      .slope;
}

/// The largest ratio, over heads, T and eps, of a row's g to a bound of (T, eps).
template <class Bound> double gain_over(findings const& f, int normalizer, Bound const& bound) {
  double most = NAN;
  for (auto const& s : f.found.sensitivities)
    if (s.index.normalizer == normalizer) most = std::fmax(most, s.most / bound(s.temperature, s.epsilon));
  return most;
}
inline double gain_over_paper(findings const& f, int normalizer) {
  return gain_over(f, normalizer, [](double t, double) { return theory::printed_gain_bound(t); });
}
inline double gain_over_proved(findings const& f, int normalizer) {
  return gain_over(f, normalizer, [](double t, double e) { return theory::gain_bound(t, e); });
}

/// The largest share, over heads, lengths and N, of rows whose distance exceeds the bound of theorem 1.
inline double share_above_bound(findings const& f, int normalizer) {
  return most_of_heads(f.found.distances, &distance_figure::broken,
                       [&](distance_figure const& d) { return d.index.normalizer == normalizer; });
}

/// The largest share, over heads and N, of rows outside a bound of theorem 2.
inline double share_outside(findings const& f, int normalizer, double separation_figure::*which) {
  return most_of_heads(f.found.separations, which,
                       [&](separation_figure const& s) { return s.index.normalizer == normalizer; });
}

/// The critical N at the longest length and the paper's level, in per cent of the length; NaN where no N passed.
inline double critical_share(findings const& f, int normalizer, char const* expected) {
  for (auto const& c : f.found.criticals)
    if (c.normalizer == normalizer && c.length == f.options.longest() && c.expected == expected &&
        c.level == critical_levels[0] && c.n)
      return 100.0 * static_cast<double>(*c.n) / static_cast<double>(c.length);
  return NAN;
}

/// How far the drawn expectation lies above E, in per cent.
inline double expectation_gap(findings const& f, int normalizer) {
  auto const at = [&](double distance_figure::*which) {
    return distance_at(f, normalizer, f.options.longest(), f.options.fixed_top, which).mean;
  };
  return 100 * (at(&distance_figure::exact) / at(&distance_figure::formula_there) - 1);
}

namespace detail {

using report::text_of;

/// The normalizers for which a condition holds.
template <class Condition> std::vector<int> normalizers_where(findings const& f, Condition const& condition) {
  std::vector<int> found;
  for (int n = 0; n < static_cast<int>(f.normalizers.size()); ++n)
    if (condition(n)) found.push_back(n);
  return found;
}

/// "softmax and ssmax"; "no normalizer", "13 of 22 normalizers" or "all 22 normalizers" where names would be too many.
inline std::string names_of(findings const& f, std::vector<int> const& some) {
  std::size_t const all = f.normalizers.size();
  if (some.empty()) return all == 1 ? "not under " + f.normalizers[0] : "no normalizer";
  if (some.size() == all && all > 1) return message("all ", all, " normalizers");
  if (some.size() > 3) return message(some.size(), " of ", all, " normalizers");
  std::string out;
  for (std::size_t i = 0; i < some.size(); ++i)
    out += (i == 0 ? "" : i + 1 == some.size() ? " and " : ", ") + f.normalizers[static_cast<std::size_t>(some[i])];
  return out;
}

/// "holds for 21 of 22 normalizers and is violated under self_adjusted_plain".
inline std::string conclusion_of(findings const& f, std::vector<int> const& violated) {
  std::size_t const all = f.normalizers.size();
  if (violated.empty()) return all == 1 ? "holds" : message("holds for all ", all, " normalizers");
  if (violated.size() == all) return all == 1 ? "is violated" : message("is violated under all ", all, " normalizers");
  std::string const others = violated.size() > 3 ? message("the other ", violated.size()) : names_of(f, violated);
  return message("holds for ", all - violated.size(), " of ", all, " normalizers and is violated under ", others);
}

/// A claim that each normalizer obeys or not; the first one decides the verdict.
inline claim_result judged(findings const& f, claim_result c, std::vector<int> const& violated,
                           std::string const& because = "") {
  c.conclusion = conclusion_of(f, violated) + (violated.empty() ? "" : because);
  c.judged = !violated.empty() && violated.front() == 0 ? verdict::violated : verdict::holds;
  return c;
}

/// "no row exceeds it", or under which normalizers rows do, with the largest share of a head's rows.
template <class Share>
std::string rows_outside(findings const& f, std::vector<int> const& some, char const* verb, Share const& share) {
  if (some.empty()) return message("no row ", verb, " it");
  double most = 0;
  for (int const n : some) most = std::max(most, share(n));
  return message("single rows ", verb, " it under ", names_of(f, some), ", up to ", text_of(most, 1, 100),
                 " % of the rows of a head");
}

/// "n^-0.25".
inline std::string power(double exponent) { return "n^" + text_of(exponent, 2); }

inline claim_result decay_claim(findings const& f) {
  double const first = weight_exponent(f, 0);
  auto const fall = normalizers_where(f, [&](int n) { return weight_exponent(f, n) < -0.9; });
  bool const reached = first < -0.9;
  return {"lemma-1",
          "Lemma 1",
          "in a normalizer that does not depend on the number n of visible keys, the largest weight falls as 1/n for "
          "large n and bounded scores",
          message("from ", f.options.lengths.front(), " to ", f.options.longest(), " tokens it changes as ",
                  power(first), " under ", f.normalizers.front(), ", and falls about as 1/n under ",
                  fall.empty() ? "no normalizer" : names_of(f, fall)),
          reached ? "holds" : "not applicable at these lengths, where strong scores still delay the fall",
          reached ? verdict::holds : verdict::not_applicable};
}

inline claim_result bound_claim(findings const& f) {
  auto const share = [&](int n) { return share_above_bound(f, n); };
  auto const violated = normalizers_where(f, [&](int n) { return share(n) > 0; });
  auto const at = [&](double distance_figure::*which) {
    return distance_at(f, 0, f.options.longest(), f.options.fixed_top, which).mean;
  };
  double const loose = at(&distance_figure::bound) / at(&distance_figure::true_a);
  std::string measured = rows_outside(f, violated, "exceed", share);
  if (violated.empty()) measured = "no row exceeds it";
  if (std::isfinite(loose))
    measured += message("; at ", f.options.longest(), " tokens and N = ", f.options.fixed_top, " the bound is ",
                        text_of(loose, 2), " times the distance under ", f.normalizers.front());
  return judged(f,
                {"theorem-1",
                 "Theorem 1, upper bound",
                 "the distance between the N selected tokens and the others is at most the bound",
                 measured,
                 "",
                 {}},
                violated, " (the proof needs weights of at least 0)");
}

inline claim_result growth_claim(findings const& f) {
  auto const a = [&](int n) { return distance_exponent(f, n, &distance_figure::true_a); };
  auto const e = [&](int n) { return distance_exponent(f, n, &distance_figure::formula); };
  auto const linear = [](double exponent) { return exponent > 0.85 && exponent < 1.15; };
  auto const either = [&](auto const& exponent) {
    return names_of(f, normalizers_where(f, [&](int n) { return linear(exponent(n)); }));
  };
  claim_result c{"theorem-1",
                 "Theorem 1, growth (figure 2a)",
                 message("at N = ", f.options.fixed_top,
                         " the distance and E, its expectation for a random selection, grow linearly with the length"),
                 message("as ", power(a(0)), " and ", power(e(0)), " under ", f.normalizers.front()),
                 "",
                 {}};
  if (f.normalizers.size() > 1)
    c.measured += message("; within n^0.85 to n^1.15 is the distance under ", either(a), ", and E under ", either(e));
  return judged(f, std::move(c), normalizers_where(f, [&](int n) { return !linear(a(n)) || !linear(e(n)); }));
}

inline claim_result expectation_claim(findings const& f) {
  claim_result c{
      "theorem-1", "Theorem 1, expectation", "E is the expected distance of N tokens drawn at random", "", "", {}};
  std::vector<double> gaps;
  for (int n = 0; n < static_cast<int>(f.normalizers.size()); ++n)
    if (double const gap = expectation_gap(f, n); std::isfinite(gap)) gaps.push_back(gap);
  if (gaps.empty() || !std::isfinite(expectation_gap(f, 0))) {
    c.measured = "no expectation was drawn, or E is 0";
    c.conclusion = "not applicable";
    c.judged = verdict::not_applicable;
    return c;
  }
  auto const [least, most] = std::ranges::minmax(gaps);
  auto const at = [&](int n, double distance_figure::*which) {
    return distance_at(f, n, f.options.longest(), f.options.fixed_top, which).mean;
  };
  auto const outside = normalizers_where(f, [&](int n) {
    return at(n, &distance_figure::exact) < 0.98 * at(n, &distance_figure::formula_there) ||
           at(n, &distance_figure::exact) > 1.02 * at(n, &distance_figure::proved_there);
  });
  c.measured =
      message("at ", f.options.longest(), " tokens and N = ", f.options.fixed_top, " the drawn expectation lies ",
              text_of(expectation_gap(f, 0), 0), " % above E under ", f.normalizers.front());
  if (gaps.size() > 1)
    c.measured += message(" (", text_of(least, 0), " to ", text_of(most, 0), " % over the normalizers)");
  c.measured += outside.empty() ? ", and never above the proved upper bound"
                                : message(", and outside [E, proved upper bound] under ", names_of(f, outside));
  return judged(f, std::move(c), normalizers_where(f, [&](int n) { return std::abs(expectation_gap(f, n)) > 2; }),
                ": E is only a lower bound (Jensen's inequality)");
}

inline claim_result critical_claim(findings const& f) {
  auto const from = [&](char const* expected) {
    double const percent = critical_share(f, 0, expected);
    return std::isnan(percent) ? std::string("above every tried N") : text_of(percent, 1) + " % of the length";
  };
  return judged(
      f,
      {"critical",
       "Critical N (figure 2c)",
       "beyond N = 6 % of the length the distance cannot be distinguished from that of a random selection",
       message("at ", f.options.longest(), " tokens under ", f.normalizers.front(), " the critical N is ", from("E"),
               " with E and ", from("E'"), " with E' as the expectation (Kolmogorov-Smirnov test over ",
               f.layers * f.heads, " heads at 0.01)"),
       "",
       {}},
      normalizers_where(f, [&](int n) { return !(critical_share(f, n, "E") <= 6); }));
}

inline claim_result separation_claim(findings const& f, char const* name, char const* claim, char const* verb,
                                     double separation_figure::*which) {
  auto const share = [&](int n) { return share_outside(f, n, which); };
  auto const violated = normalizers_where(f, [&](int n) { return share(n) > 0; });
  std::string measured = rows_outside(f, violated, verb, share);
  if (violated.empty()) measured = message("no row ", std::string(verb) == "exceed" ? "exceeds" : "is below", " it");
  return judged(f, {"theorem-2", name, claim, measured, "", {}}, violated);
}

/// The N of the plateau: the first of at least 16.
inline index_t plateau_count(findings const& f) {
  auto const counts = counts_selected(f);
  auto const wide = std::ranges::find_if(counts, [](index_t n) { return n >= 16; });
  return wide == counts.end() ? counts.back() : *wide;
}

inline claim_result plateau_claim(findings const& f) {
  index_t const count = plateau_count(f);
  auto const ratio = [&](int n) { return separation_at(f, n, count, &separation_figure::ratio).mean; };
  auto const within = [&](int n) { return ratio(n) >= 0.7 && ratio(n) <= 0.85; };
  std::string measured =
      message("of N = ", count, " tokens, ", text_of(ratio(0), 0, 100), " % under ", f.normalizers.front());
  if (f.normalizers.size() > 1)
    measured += message("; in that range under ", names_of(f, normalizers_where(f, within)));
  return judged(f,
                {"theorem-2",
                 "Plateau (figure 3)",
                 "70 to 85 % of the selected tokens can be distinguished, as on GPT-2",
                 measured,
                 "",
                 {}},
                normalizers_where(f, [&](int n) { return !within(n); }));
}

inline claim_result gain_claim(findings const& f, char const* name, char const* claim,
                               double (*ratio)(findings const&, int)) {
  auto const violated = normalizers_where(f, [&](int n) { return ratio(f, n) > 1 + 1e-9; });
  std::string const largest = text_of(ratio(f, 0), 2);
  std::string measured =
      violated.empty() ? message("no row exceeds it") : message("single rows exceed it under ", names_of(f, violated));
  measured += message("; the largest g under ", f.normalizers.front(), " is ", largest, " times it");
  return judged(f, {"corollary-3", name, claim, measured, "", {}}, violated);
}

}  // namespace detail

/// All claims for which something was measured, in the order of the paper.
inline std::vector<claim_result> judge_claims(findings const& f) {
  std::vector<claim_result> out;
  auto const lengths_above = [&](index_t n) {
    return std::ranges::count_if(f.options.lengths, [n](index_t l) { return l > n; });
  };
  if (lengths_above(0) > 1) out.push_back(detail::decay_claim(f));
  out.push_back(detail::bound_claim(f));
  if (lengths_above(f.options.fixed_top) > 1) out.push_back(detail::growth_claim(f));  // a slope needs two lengths
  out.push_back(detail::expectation_claim(f));
  if (!f.found.criticals.empty()) out.push_back(detail::critical_claim(f));
  if (!counts_selected(f).empty()) {
    out.push_back(detail::separation_claim(
        f, "Theorem 2, upper bound",
        "N_s/N, the share of the N selected tokens that can be distinguished, is at most the paper's upper bound",
        "exceed", &separation_figure::over_upper));
    out.push_back(detail::separation_claim(f, "Theorem 2, lower bound", "N_s/N is at least the paper's lower bound",
                                           "are below", &separation_figure::under_lower));
    out.push_back(detail::plateau_claim(f));
  }
  out.push_back(detail::gain_claim(
      f, "Corollary 3",
      "g(T, eps), the change of the weights per change eps of the scores, is at most min(1/(4T), sqrt 2)",
      gain_over_paper));
  out.push_back(detail::gain_claim(f, "Corollary 3, corrected",
                                   "g(T, eps) is at most min(1/(2T), sqrt(2)/eps), which is proved for softmax",
                                   gain_over_proved));
  return out;
}

}  // namespace basin::limits
