// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Means over the rows of a head.

#include <algorithm>
#include <cmath>
#include <vector>

#include "basin/lm/evaluation/statistics.hpp"
#include "limits/row_measures.hpp"

namespace basin::limits {

namespace {

/// The numbers of one head, [rows, columns].
struct head_numbers {
  row_plan const& plan;
  double const* values;

  double at(index_t slot, std::size_t column) const {
    return values[static_cast<std::size_t>(slot) * plan.columns() + column];
  }
  /// Over the first `slots` rows.
  lm::estimate mean(std::size_t column, index_t slots) const {
    lm::running_mean all;
    for (index_t s = 0; s < slots; ++s) all.add(at(s, column));
    return all.result();
  }
  double most(std::size_t column, index_t slots) const {
    double most = NAN;
    for (index_t s = 0; s < slots; ++s) most = std::fmax(most, at(s, column));
    return most;
  }
};

monitor_figure monitor_of(head_numbers const& numbers, head_index at, index_t length, index_t slots) {
  auto const mean = [&](monitor_column c) { return numbers.mean(numbers.plan.column(c), slots).mean; };
  return {at,
          length,
          mean(monitor_column::entropy),
          mean(monitor_column::saturation),
          mean(monitor_column::max_weight),
          mean(monitor_column::n_max_weight),
          mean(monitor_column::active),
          mean(monitor_column::mass),
          slots};
}

distance_figure distance_of(head_numbers const& numbers, head_index at, index_t length, std::size_t n, index_t slots) {
  auto const mean = [&](distance_column c) { return numbers.mean(numbers.plan.column(n, c), slots).mean; };
  auto const rows = [&](distance_column c) { return numbers.mean(numbers.plan.column(n, c), slots).count; };
  return {at,
          length,
          numbers.plan.counts[n],
          mean(distance_column::true_a),
          mean(distance_column::true_b),
          mean(distance_column::true_c),
          mean(distance_column::formula),
          mean(distance_column::printed),
          mean(distance_column::proved),
          mean(distance_column::bound),
          mean(distance_column::broken),
          mean(distance_column::exact),
          mean(distance_column::formula_there),
          mean(distance_column::proved_there),
          rows(distance_column::true_a),
          rows(distance_column::exact)};
}

separation_figure separation_of(head_numbers const& numbers, head_index at, std::size_t n, index_t slots) {
  auto const mean = [&](separation_column c) { return numbers.mean(numbers.plan.column(n, c), slots).mean; };
  return {at,
          numbers.plan.selected[n],
          mean(separation_column::ratio),
          mean(separation_column::lower),
          mean(separation_column::lower_count),
          mean(separation_column::upper),
          mean(separation_column::upper_range),
          mean(separation_column::upper_tight),
          mean(separation_column::over_upper),
          mean(separation_column::under_lower),
          numbers.mean(numbers.plan.column(n, separation_column::ratio), slots).count};
}

}  // namespace

/// A text of length L has the first L rows of a longer one: under a causal mask no row depends on later tokens.
void row_measures::add_head_means(head_index at, figures& to) const {
  head_numbers const numbers{plan,
                             values.data() + static_cast<std::size_t>(at.head) * plan.rows.size() * plan.columns()};
  index_t const all = std::ssize(plan.rows);
  for (index_t const length : o.lengths) {
    index_t const slots = std::ranges::lower_bound(plan.rows, length) - plan.rows.begin();
    if (slots == 0) continue;
    to.monitors.push_back(monitor_of(numbers, at, length, slots));
    for (std::size_t n = 0; n < plan.counts.size(); ++n)
      if (plan.counts[n] == o.fixed_top || length == o.longest())
        to.distances.push_back(distance_of(numbers, at, length, n, slots));
  }
  for (std::size_t n = 0; n < plan.selected.size(); ++n) to.separations.push_back(separation_of(numbers, at, n, all));
  for (std::size_t t = 0; t < plan.temperatures; ++t)
    for (std::size_t e = 0; e < plan.epsilons; ++e) {
      auto const g = numbers.mean(plan.gain_column(t, e), all);
      to.sensitivities.push_back(
          {at, o.temperatures[t], o.epsilons[e], g.mean, numbers.most(plan.gain_column(t, e), all), g.count});
    }
  add_critical_means(at, to);
}

/// For every length and N tried, the mean over the rows of that length.
void row_measures::add_critical_means(head_index at, figures& to) const {
  head_numbers const numbers{plan,
                             values.data() + static_cast<std::size_t>(at.head) * plan.rows.size() * plan.columns()};
  for (std::size_t l = 0; l < plan.critical.size(); ++l)
    for (std::size_t n = 0; n < plan.searched.size(); ++n) {
      auto const mean = [&](critical_column c) {
        lm::running_mean sum;
        for (index_t const s : plan.critical[l]) sum.add(numbers.at(s, plan.column(n, c)));
        return sum.result().mean;
      };
      double const measured = mean(critical_column::true_a);
      if (!std::isnan(measured))
        to.searched.push_back({at, o.lengths[l], plan.searched[n], measured, mean(critical_column::formula),
                               mean(critical_column::printed)});
    }
}

}  // namespace basin::limits
