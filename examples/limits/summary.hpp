// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Means over heads, used by the terminal tables, the report and the claims.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "basin/lm/evaluation/statistics.hpp"
#include "basin/theory/decay.hpp"
#include "limits/figures.hpp"
#include "limits/options.hpp"
#include "report/terminal.hpp"

namespace basin::limits {

using lm::estimate, lm::running_mean;

/// The content of a report.
struct findings {
  limits_options options;
  std::string command, model;
  index_t trained = 0, layers = 0, heads = 0, dim = 0;
  std::vector<std::string> normalizers;
  std::vector<std::string> own;                                  // those of list_your_own.cpp
  std::vector<report::warning> warnings;
  figures found;
};

/// Which heads of which figures: those for which `holds` says so.
template <class Figure, class Holds>
estimate over_heads(std::vector<Figure> const& all, double Figure::*which, Holds const& holds) {
  running_mean sum;
  for (auto const& f : all)
    if (holds(f)) sum.add(f.*which);
  return sum.result();
}

template <class Figure, class Holds>
double most_of_heads(std::vector<Figure> const& all, double Figure::*which, Holds const& holds) {
  double most = NAN;
  for (auto const& f : all)
    if (holds(f)) most = std::fmax(most, f.*which);
  return most;
}

/// Mean over heads of a distance, at one length and N.
inline estimate distance_at(findings const& f, int normalizer, index_t length, index_t n,
                            double distance_figure::*which) {
  return over_heads(f.found.distances, which, [&](distance_figure const& d) {
    return d.index.normalizer == normalizer && d.length == length && d.n == n;
  });
}
inline estimate separation_at(findings const& f, int normalizer, index_t n, double separation_figure::*which) {
  return over_heads(f.found.separations, which,
                    [&](separation_figure const& d) { return d.index.normalizer == normalizer && d.n == n; });
}
inline estimate monitor_at(findings const& f, int normalizer, index_t length, double monitor_figure::*which) {
  return over_heads(f.found.monitors, which,
                    [&](monitor_figure const& d) { return d.index.normalizer == normalizer && d.length == length; });
}
/// The largest over heads: of means over rows, or of single rows.
inline double sensitivity_at(findings const& f, int normalizer, double temperature, double epsilon,
                             double sensitivity_figure::*which) {
  return most_of_heads(f.found.sensitivities, which, [&](sensitivity_figure const& d) {
    return d.index.normalizer == normalizer && d.temperature == temperature && d.epsilon == epsilon;
  });
}

/// The exponent b of L^b that a mean over heads follows as L grows.
template <class At>
theory::line growth(std::vector<index_t> const& lengths, At const& at) {
  std::vector<double> x, y;
  for (index_t const length : lengths)
    if (double const value = at(length).mean; value > 0) x.push_back(static_cast<double>(length)), y.push_back(value);
  return x.size() < 2 ? theory::line{NAN, NAN, NAN} : theory::fit_power_law(x, y);
}

/// N that were measured for theorem 1 at the longest length.
inline std::vector<index_t> counts_at_longest(findings const& f) {
  std::vector<index_t> counts;
  for (auto const& d : f.found.distances)
    if (d.length == f.options.longest() && d.rows > 0) counts.push_back(d.n);
  std::ranges::sort(counts);
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  return counts;
}

/// N that were measured for theorem 2.
inline std::vector<index_t> counts_selected(findings const& f) {
  std::vector<index_t> counts;
  for (index_t const n : f.options.selected)
    if (std::ranges::any_of(f.found.separations, [n](separation_figure const& s) { return s.n == n && s.rows > 0; }))
      counts.push_back(n);
  return counts;
}

}  // namespace basin::limits
