// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The results on the terminal: for each theorem its claims in one sentence each, then a table with one line per
// normalizer.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "limits/claims.hpp"
#include "limits/summary.hpp"
#include "report/number_text.hpp"
#include "report/terminal.hpp"

namespace basin::limits {

namespace detail {

using report::cell_of;

/// One line per normalizer; `cells` gives what follows its name.
template <class Cells> void print_lines(findings const& f, std::vector<std::string> head, Cells const& cells) {
  head.insert(head.begin(), "normalizer");
  report::text_table table(std::move(head));
  for (int n = 0; n < static_cast<int>(f.normalizers.size()); ++n) {
    std::vector<std::string> line = cells(n);
    line.insert(line.begin(), f.normalizers[static_cast<std::size_t>(n)]);
    table.row(std::move(line));
  }
  std::printf("%s", table.text().c_str());
}

inline void print_weights(findings const& f) {
  index_t const first = f.options.lengths.front(), last = f.options.longest();
  std::printf("Means over heads. b: the largest weight changes as n^b; H: entropy.\n");
  print_lines(f,
              {"b", message("n*max, n=", first), message("n*max, n=", last), message("H/log n, n=", first),
               message("H/log n, n=", last)},
              [&](int n) {
                auto const at = [&](index_t length, double monitor_figure::*which) {
                  return monitor_at(f, n, length, which).mean;
                };
                return std::vector{cell_of(weight_exponent(f, n), 2), cell_of(at(first, &monitor_figure::n_max_weight)),
                                   cell_of(at(last, &monitor_figure::n_max_weight)),
                                   cell_of(at(first, &monitor_figure::saturation), 3),
                                   cell_of(at(last, &monitor_figure::saturation), 3)};
              });
}

inline void print_distances(findings const& f) {
  index_t const last = f.options.longest(), count = f.options.fixed_top;
  std::printf("At %lld tokens and N = %lld, means over heads. drawn: expectation from random sets; E': E without the "
              "factor\nN/(L-1); above: largest share of a head's rows above the bound; b: exponents of the growth with "
              "the length.\n",
              static_cast<long long>(last), static_cast<long long>(count));
  print_lines(f, {"distance", "bound", "above, %", "E", "drawn", "E'", "b(distance)", "b(E)", "b(E')"}, [&](int n) {
    auto const at = [&](double distance_figure::*which) { return cell_of(distance_at(f, n, last, count, which).mean); };
    auto const exponent = [&](double distance_figure::*which) { return cell_of(distance_exponent(f, n, which), 2); };
    return std::vector{at(&distance_figure::true_a),
                       at(&distance_figure::bound),
                       cell_of(share_above_bound(f, n), 1, 100),
                       at(&distance_figure::formula),
                       at(&distance_figure::exact),
                       at(&distance_figure::printed),
                       exponent(&distance_figure::true_a),
                       exponent(&distance_figure::formula),
                       exponent(&distance_figure::printed)};
  });
}

inline void print_critical(findings const& f) {
  std::printf("Critical N in %% of the length, at 0.01 (-: no tried N passes).\n");
  std::vector<std::string> head;
  for (char const* const expected : {"E", "E'"}) head.push_back(message("against ", expected));
  print_lines(f, std::move(head), [&](int n) {
    return std::vector{cell_of(critical_share(f, n, "E"), 1), cell_of(critical_share(f, n, "E'"), 1)};
  });
}

inline void print_separations(findings const& f) {
  std::vector<index_t> counts;
  auto const all = counts_selected(f);
  for (index_t const n : {index_t{4}, plateau_count(f), all.back()})
    if (std::ranges::find(all, n) != all.end() && std::ranges::find(counts, n) == counts.end()) counts.push_back(n);
  std::printf(
      "N_s/N at %lld tokens, means over heads; above, below: largest share of a head's rows outside the paper's "
      "bounds.\n",
      static_cast<long long>(f.options.longest()));
  std::vector<std::string> head;
  for (index_t const n : counts) head.push_back(message("N=", n));
  for (char const* const h : {"bound, last N", "above, %", "below, %"}) head.emplace_back(h);
  print_lines(f, std::move(head), [&](int n) {
    std::vector<std::string> line;
    for (index_t const count : counts)
      line.push_back(cell_of(separation_at(f, n, count, &separation_figure::ratio).mean, 2));
    line.push_back(cell_of(separation_at(f, n, counts.back(), &separation_figure::upper).mean, 2));
    line.push_back(cell_of(share_outside(f, n, &separation_figure::over_upper), 1, 100));
    line.push_back(cell_of(share_outside(f, n, &separation_figure::under_lower), 1, 100));
    return line;
  });
}

inline void print_gains(findings const& f) {
  auto const& all = f.options.temperatures;
  auto const one = *std::ranges::min_element(all, {}, [](double t) { return std::abs(std::log(t)); });
  std::vector<double> temperatures;
  for (double const t : {all.front(), one, all.back()})
    if (temperatures.empty() || temperatures.back() != t) temperatures.push_back(t);
  double const epsilon = f.options.epsilons.front();
  std::printf(
      "Largest mean g of a head at eps = %g; then the largest g of a row over the bounds, over all T and eps.\n",
      epsilon);
  std::vector<std::string> head;
  for (double const t : temperatures) head.push_back(message("T=", t));
  for (char const* const h : {"over paper's", "over corrected"}) head.emplace_back(h);
  print_lines(f, std::move(head), [&](int n) {
    std::vector<std::string> line;
    for (double const t : temperatures)
      line.push_back(cell_of(sensitivity_at(f, n, t, epsilon, &sensitivity_figure::mean)));
    line.push_back(cell_of(gain_over_paper(f, n)));
    line.push_back(cell_of(gain_over_proved(f, n)));
    return line;
  });
}

}  // namespace detail

/// Warnings, then theorem by theorem.
inline void print_results(findings const& f, std::vector<claim_result> const& claims) {
  for (auto const& w : f.warnings) std::printf("%s\n", report::wrapped(w.what + " " + w.remedy).c_str());
  std::string section;
  auto const print_table = [&] {
    std::printf("\n");
    if (section == "lemma-1") detail::print_weights(f);
    if (section == "theorem-1") detail::print_distances(f);
    if (section == "critical") detail::print_critical(f);
    if (section == "theorem-2") detail::print_separations(f);
    if (section == "corollary-3") detail::print_gains(f);
    std::printf("\n");
  };
  for (auto const& c : claims) {
    if (!section.empty() && c.section != section) print_table();
    section = c.section;
    std::printf("%s\n%s", c.name.c_str(), report::wrapped(sentence_of(c), 2).c_str());
  }
  print_table();
  std::printf("All lengths, N, T and heads are in the report and the CSV files.\n");
}

}  // namespace basin::limits
