// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Which rows are measured, at which N, and where each number of a row is kept until the rows of its head are averaged.

#include <algorithm>
#include <set>
#include <vector>

#include "limits/options.hpp"

namespace basin::limits {

enum class distance_column {
  true_a,
  true_b,
  true_c,
  formula,
  printed,
  proved,
  bound,
  broken,
  exact,
  formula_there,
  proved_there,
  count
};
enum class separation_column {
  ratio,
  lower,
  lower_count,
  upper,
  upper_range,
  upper_tight,
  over_upper,
  under_lower,
  count
};
enum class monitor_column { entropy, saturation, max_weight, n_max_weight, active, mass, count };
enum class critical_column { true_a, formula, printed, count };

/// `count` of `total` places, spread evenly, the last one among them.
inline std::vector<index_t> spread_evenly(index_t total, index_t count) {
  std::vector<index_t> places;
  for (index_t i = 1; i <= std::min(count, total); ++i) places.push_back(i * total / std::min(count, total) - 1);
  return places;
}

/// Rows and columns of the numbers of one head.
class row_plan {
 public:
  explicit row_plan(limits_options const& o);

  /// The place of a row among those that are measured; -1 where it is not.
  index_t slot_of(index_t row) const { return slot[static_cast<std::size_t>(row)]; }
  std::vector<index_t> rows;                                     // measured ones, rising
  std::vector<char> exact, sensitive;                            // [rows]: drawn expectations; gains
  std::vector<index_t> counts;                                   // N of theorem 1, rising
  std::vector<index_t> selected;                                 // N of theorem 2, rising
  std::vector<index_t> searched;                                 // N of the critical search, rising
  std::vector<std::vector<index_t>> critical;                    // [lengths]: slots of the search
  std::vector<char> critical_anywhere;                           // [rows]
  std::size_t temperatures = 0, epsilons = 0;

  std::size_t columns() const { return gain_column(temperatures, 0); }
  std::size_t column(monitor_column c) const { return static_cast<std::size_t>(c); }
  std::size_t column(std::size_t n, distance_column c) const {
    return size_of<monitor_column>() + n * size_of<distance_column>() + static_cast<std::size_t>(c);
  }
  std::size_t column(std::size_t n, separation_column c) const {
    return column(counts.size(), distance_column{}) + n * size_of<separation_column>() + static_cast<std::size_t>(c);
  }
  std::size_t column(std::size_t n, critical_column c) const {
    return column(selected.size(), separation_column{}) + n * size_of<critical_column>() + static_cast<std::size_t>(c);
  }
  std::size_t gain_column(std::size_t temperature, std::size_t epsilon) const {
    return column(searched.size(), critical_column{}) + temperature * epsilons + epsilon;
  }

 private:
  template <class Column>
  static constexpr std::size_t size_of() { return static_cast<std::size_t>(Column::count); }
  void choose_critical(limits_options const& o);

  std::vector<index_t> slot;
};

inline row_plan::row_plan(limits_options const& o)
    : temperatures(o.temperatures.size()), epsilons(o.epsilons.size()),
      slot(static_cast<std::size_t>(o.longest()), -1) {
  for (index_t t = o.every - 1; t < o.longest(); t += o.every)
    slot[static_cast<std::size_t>(t)] = std::ssize(rows), rows.push_back(t);
  if (rows.empty()) slot.back() = 0, rows.push_back(o.longest() - 1);
  exact.resize(rows.size());
  sensitive.resize(rows.size());
  for (index_t const s : spread_evenly(std::ssize(rows), o.exact_rows)) exact[static_cast<std::size_t>(s)] = 1;
  for (index_t const s : spread_evenly(std::ssize(rows), o.sensitivity_rows))
    sensitive[static_cast<std::size_t>(s)] = 1;
  std::set<index_t> all(o.top.begin(), o.top.end());
  all.insert(o.fixed_top);
  std::ranges::copy_if(all, std::back_inserter(counts), [&](index_t n) { return n < o.longest(); });
  std::ranges::copy_if(o.selected, std::back_inserter(selected), [&](index_t n) { return n < o.longest(); });
  choose_critical(o);
}

/// The search goes up in steps of a quarter, from 1 on: N* is known to that.
inline void row_plan::choose_critical(limits_options const& o) {
  critical_anywhere.resize(rows.size());
  critical.resize(o.lengths.size());
  if (o.critical == critical_search::off) return;
  for (index_t n = 1; n < o.longest(); n += std::max<index_t>(1, n / 4)) searched.push_back(n);
  for (std::size_t l = 0; l < o.lengths.size(); ++l) {
    index_t const there = std::ranges::lower_bound(rows, o.lengths[l]) - rows.begin();
    critical[l] = spread_evenly(there, o.critical_rows);
    for (index_t const s : critical[l]) critical_anywhere[static_cast<std::size_t>(s)] = 1;
  }
}

}  // namespace basin::limits
