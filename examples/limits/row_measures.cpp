// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "limits/row_measures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "basin/theory/row_limits.hpp"
#include "basin/theory/saturation.hpp"
#include "basin/theory/sensitivity.hpp"

namespace basin::limits {

/// A row, and values that several measures use.
struct row_measures::visible_row {
  row_at at;
  std::span<double const> weights, scores;                       // of the visible keys
  theory::seen_gram<float> gram;
  double separation;                                             // delta
  index_t slot;

  index_t keys() const { return std::ssize(weights); }
};

row_measures::row_measures(limits_options const& options, row_plan const& rows, embedding_geometry const& of,
                           candidate const& measured, index_t in_layer, index_t head_count)
    : o(options), plan(rows), embeddings(of), normalizer(measured), layer(in_layer), heads(head_count),
      values(static_cast<std::size_t>(heads) * plan.rows.size() * plan.columns(), NAN) {}

std::span<double> row_measures::numbers(index_t head, index_t slot) const {
  std::size_t const line = static_cast<std::size_t>(head) * plan.rows.size() + static_cast<std::size_t>(slot);
  return std::span(values).subspan(line * plan.columns(), plan.columns());
}

/// An exception must not leave a thread of the engine: it is stored and thrown by measure().
void row_measures::read(row_at at, whole_row const& row) const {
  try {
    if (plan.slot_of(at.query) >= 0) measure_row(at, row);
  } catch (...) {
    std::scoped_lock const lock(guard);
    if (!thrown) thrown = std::current_exception();
  }
}

void row_measures::measure_row(row_at at, whole_row const& row) const {
  auto const keys = static_cast<std::size_t>(at.query) + 1;      // causal, with as many queries as keys
  index_t const group = at.head / (heads / embeddings.groups), slot = plan.slot_of(at.query);
  auto const weights = row.weights.first(keys);
  visible_row const r{at,
                   weights,
                   row.scores.first(keys),
                   theory::seen_gram<float>{embeddings.of_group(group), {}},
                   embeddings.least_distance[static_cast<std::size_t>(group)],
                   slot};
  auto const out = numbers(at.head, slot);
  monitor(r, out);
  measure_distances(r, out);
  measure_separation(r, out);
  if (plan.critical_anywhere[static_cast<std::size_t>(slot)]) measure_critical(r, out);
  if (plan.sensitive[static_cast<std::size_t>(slot)]) measure_gains(r, out);
}

void row_measures::monitor(visible_row const& r, std::span<double> out) const {
  double most = 0, active = 0, mass = 0;
  for (double const w : r.weights) {
    most = std::max(most, w);
    active += w != 0;
    mass += w;
  }
  auto const spread = theory::spread_of(r.weights);
  double const n = static_cast<double>(r.keys());
  out[plan.column(monitor_column::entropy)] = spread.nats;
  if (n > 1) out[plan.column(monitor_column::saturation)] = spread.share;
  out[plan.column(monitor_column::max_weight)] = most;
  out[plan.column(monitor_column::n_max_weight)] = n * most;
  out[plan.column(monitor_column::active)] = active;
  out[plan.column(monitor_column::mass)] = mass;
}

namespace {

bool above(double value, double bound) { return value > bound + 1e-9 * (std::abs(value) + std::abs(bound)); }

}  // namespace

/// A row with at most N visible keys has no key outside the selection, and is left out.
void row_measures::measure_distances(visible_row const& r, std::span<double> out) const {
  std::vector<theory::row_distance> found(plan.counts.size());
  theory::row_distances(r.weights, r.gram, plan.counts, std::span(found));
  for (std::size_t i = 0; i < found.size() && plan.counts[i] < r.keys(); ++i) {
    auto const at = [&](distance_column c) -> double& { return out[plan.column(i, c)]; };
    auto const& d = found[i];
    at(distance_column::true_a) = d.a;
    at(distance_column::true_b) = d.b;
    at(distance_column::true_c) = d.c;
    at(distance_column::formula) = d.expected.formula;
    at(distance_column::printed) = d.expected.printed;
    at(distance_column::proved) = d.expected.upper;
    at(distance_column::bound) = d.bound;
    at(distance_column::broken) = above(d.a, d.bound);
    if (!plan.exact[static_cast<std::size_t>(r.slot)]) continue;
    auto const seed = o.seed * 1000003 + row_number(r.at);
    at(distance_column::exact) =
        theory::drawn_distance(theory::reading::a, r.weights, r.gram, plan.counts[i], o.exact_draws, seed).mean;
    at(distance_column::formula_there) = d.expected.formula;
    at(distance_column::proved_there) = d.expected.upper;
  }
}

void row_measures::measure_separation(visible_row const& r, std::span<double> out) const {
  std::vector<theory::row_told_apart> found(plan.selected.size());
  theory::row_tell_apart(r.weights, r.gram, plan.selected, {1, r.separation, embeddings.dim}, std::span(found));
  for (std::size_t i = 0; i < found.size() && plan.selected[i] < r.keys(); ++i) {
    auto const at = [&](separation_column c) -> double& { return out[plan.column(i, c)]; };
    auto const& bounds = found[i].bounds;
    at(separation_column::ratio) = found[i].share;
    at(separation_column::lower) = std::max(0.0, bounds.lower);
    at(separation_column::lower_count) = bounds.lower_count;
    at(separation_column::upper) = bounds.upper;
    at(separation_column::upper_range) = bounds.upper_range;
    at(separation_column::upper_tight) = bounds.upper_tight;
    at(separation_column::over_upper) = above(found[i].share, bounds.upper);
    at(separation_column::under_lower) = above(bounds.lower, found[i].share);
  }
}

void row_measures::measure_critical(visible_row const& r, std::span<double> out) const {
  std::vector<theory::row_distance> found(plan.searched.size());
  theory::row_distances(r.weights, r.gram, plan.searched, std::span(found));
  for (std::size_t i = 0; i < found.size() && plan.searched[i] < r.keys(); ++i) {
    out[plan.column(i, critical_column::true_a)] = found[i].a;
    out[plan.column(i, critical_column::formula)] = found[i].expected.formula;
    out[plan.column(i, critical_column::printed)] = found[i].expected.printed;
  }
}

/// T divides the scores before the normalizer reads them.
void row_measures::measure_gains(visible_row const& r, std::span<double> out) const {
  auto const direction = theory::random_direction(r.weights.size(), o.seed, row_number(r.at));
  double const n = static_cast<double>(r.keys());
  row_context<double> const context{r.at.batch, r.at.head, n - 1, n};
  normalizer.gains(r.scores, direction, o.temperatures, o.epsilons, context,
                   contiguous(&out[plan.gain_column(0, 0)], static_cast<index_t>(plan.temperatures),
                              static_cast<index_t>(plan.epsilons)));
}

void row_measures::measure(view<float const, 4> q, view<float const, 4> k, int normalizer_index, figures& to) {
  normalizer.attend(q, k, *this);
  if (thrown) std::rethrow_exception(thrown);
  for (index_t h = 0; h < heads; ++h)
    add_head_means({normalizer_index, static_cast<int>(layer), static_cast<int>(h)}, to);
}

}  // namespace basin::limits
