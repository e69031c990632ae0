// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "limits/row_measures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "basin/theory/distance.hpp"
#include "basin/theory/distinguish.hpp"
#include "basin/theory/expectation.hpp"
#include "basin/theory/sensitivity.hpp"
#include "report/statistics.hpp"

namespace basin::limits {

/// A row and what several measures need of it.
struct row_measures::seen_row {
  row_at at;
  std::span<double const> weights, scores;                       // of the visible keys
  theory::seen_gram<double> gram;
  std::vector<index> order;                                      // strongest first, as many as any N asks for
  double separation;                                             // delta
  index slot;

  index keys() const { return std::ssize(weights); }
  std::span<index const> strongest(index n) const { return std::span(order).first(static_cast<std::size_t>(n)); }
};

row_measures::row_measures(limits_options const& options, row_plan const& rows, embeddings_seen const& of, candidate const& who, index in_layer, index head_count)
    : o(options), plan(rows), seen(of), normalizer(who), layer(in_layer), heads(head_count), values(static_cast<std::size_t>(heads) * plan.rows.size() * plan.columns(), NAN) {}

std::span<double> row_measures::numbers(index head, index slot) const {
  std::size_t const line = static_cast<std::size_t>(head) * plan.rows.size() + static_cast<std::size_t>(slot);
  return std::span(values).subspan(line * plan.columns(), plan.columns());
}

/// Nothing may be thrown through the engine's threads.
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
  index const group = at.head / (heads / seen.groups), slot = plan.slot_of(at.query);
  index deepest = 1;
  for (auto const* list : {&plan.counts, &plan.selected})
    if (!list->empty()) deepest = std::max(deepest, list->back());
  if (plan.critical_anywhere[static_cast<std::size_t>(slot)] && !plan.searched.empty()) deepest = std::max(deepest, plan.searched.back());
  auto const weights = row.weights.first(keys);
  seen_row const r{at, weights, row.scores.first(keys), theory::seen_gram<double>{seen.of_group(group), {}}, theory::strongest(weights, deepest),
                   seen.least_distance[static_cast<std::size_t>(group)], slot};
  auto const out = numbers(at.head, slot);
  monitor(r, out);
  measure_distances(r, out);
  measure_separation(r, out);
  if (plan.critical_anywhere[static_cast<std::size_t>(slot)]) measure_critical(r, out);
  if (plan.sensitive[static_cast<std::size_t>(slot)]) measure_gains(r, out);
}

void row_measures::monitor(seen_row const& r, std::span<double> out) const {
  double entropy = 0, most = 0, active = 0, mass = 0;
  for (double const w : r.weights) {
    if (w > 0) entropy -= w * std::log(w);
    most = std::max(most, w);
    active += w != 0;
    mass += w;
  }
  double const n = static_cast<double>(r.keys());
  out[plan.column(monitor_column::entropy)] = entropy;
  if (n > 1) out[plan.column(monitor_column::saturation)] = entropy / std::log(n);
  out[plan.column(monitor_column::max_weight)] = most;
  out[plan.column(monitor_column::n_max_weight)] = n * most;
  out[plan.column(monitor_column::active)] = active;
  out[plan.column(monitor_column::mass)] = mass;
}

namespace {

/// Reading b, |sum_O w x - s| = |sum_all w x - 2 s|, from what the expectation has already computed.
double reading_b(theory::random_selection const& all, double context, std::span<index const> selected) {
  double with = 0;
  for (index const i : selected) with += all.shares()[static_cast<std::size_t>(i)];
  return std::sqrt(std::max(0.0, all.output_square() - 4 * with + 4 * context * context));
}

bool above(double value, double bound) { return value > bound + 1e-9 * (std::abs(value) + std::abs(bound)); }

}  // namespace

/// A row that sees no more than N keys has nothing outside, and is left out.
void row_measures::measure_distances(seen_row const& r, std::span<double> out) const {
  theory::random_selection const random(r.weights, r.gram);
  for (std::size_t i = 0; i < plan.counts.size(); ++i) {
    index const n = plan.counts[i];
    if (n >= r.keys()) break;
    auto const chosen = r.strongest(n);
    auto const at = [&](distance_column c) -> double& { return out[plan.column(i, c)]; };
    auto const expected = random.of(n);
    at(distance_column::true_a) = theory::true_distance(theory::reading::a, r.weights, r.gram, chosen);
    at(distance_column::true_b) = reading_b(random, theory::context_norm(r.weights, r.gram, chosen), chosen);
    at(distance_column::true_c) = theory::true_distance(theory::reading::c, r.weights, r.gram, chosen);
    at(distance_column::formula) = expected.formula;
    at(distance_column::printed) = expected.printed;
    at(distance_column::proved) = expected.upper;
    at(distance_column::bound) = theory::distance_bound(theory::reading::a, r.weights, r.gram, chosen, theory::selection::top);
    at(distance_column::broken) = above(at(distance_column::true_a), at(distance_column::bound));
    if (!plan.exact[static_cast<std::size_t>(r.slot)]) continue;
    auto const seed = o.seed * 1000003 + static_cast<std::uint64_t>((layer * heads + r.at.head) * seen.length + r.at.query);
    at(distance_column::exact) = theory::drawn_distance(theory::reading::a, r.weights, r.gram, n, o.exact_draws, seed).mean;
    at(distance_column::formula_there) = expected.formula;
    at(distance_column::proved_there) = expected.upper;
  }
}

void row_measures::measure_separation(seen_row const& r, std::span<double> out) const {
  for (std::size_t i = 0; i < plan.selected.size(); ++i) {
    index const n = plan.selected[i];
    if (n >= r.keys()) break;
    auto const chosen = r.strongest(n);
    auto const apart = theory::tell_apart(r.weights, r.gram, chosen);
    std::vector<double> weights;
    for (index const j : chosen) weights.push_back(r.weights[static_cast<std::size_t>(j)]);
    auto const bounds = theory::bounds_of(weights, apart.radius, {1, r.separation, seen.dim});
    auto const at = [&](separation_column c) -> double& { return out[plan.column(i, c)]; };
    double const ratio = static_cast<double>(apart.count) / static_cast<double>(n);
    at(separation_column::ratio) = ratio;
    at(separation_column::lower) = std::max(0.0, bounds.lower);
    at(separation_column::lower_count) = bounds.lower_count;
    at(separation_column::upper) = bounds.upper;
    at(separation_column::upper_range) = bounds.upper_range;
    at(separation_column::upper_tight) = bounds.upper_tight;
    at(separation_column::over_upper) = above(ratio, bounds.upper);
    at(separation_column::under_lower) = above(bounds.lower, ratio);
  }
}

void row_measures::measure_critical(seen_row const& r, std::span<double> out) const {
  theory::random_selection const random(r.weights, r.gram);
  for (std::size_t i = 0; i < plan.searched.size(); ++i) {
    index const n = plan.searched[i];
    if (n >= r.keys()) break;
    auto const expected = random.of(n);
    out[plan.column(i, critical_column::true_a)] = theory::true_distance(theory::reading::a, r.weights, r.gram, r.strongest(n));
    out[plan.column(i, critical_column::formula)] = expected.formula;
    out[plan.column(i, critical_column::printed)] = expected.printed;
  }
}

/// T divides the scores before the normalizer has them, whatever it does with them.
void row_measures::measure_gains(seen_row const& r, std::span<double> out) const {
  auto const row = static_cast<std::uint64_t>((layer * heads + r.at.head) * seen.length + r.at.query);
  auto const direction = theory::random_direction(r.weights.size(), o.seed, row);
  double const n = static_cast<double>(r.keys());
  row_context<double> const context{r.at.batch, r.at.head, n - 1, n};
  normalizer.gains(r.scores, direction, o.temperatures, o.epsilons, context,
                   contiguous(&out[plan.gain_column(0, 0)], static_cast<index>(plan.temperatures), static_cast<index>(plan.epsilons)));
}

void row_measures::measure(view<float const, 4> q, view<float const, 4> k, int place, figures& to) {
  normalizer.attend(q, k, *this);
  if (thrown) std::rethrow_exception(thrown);
  for (index h = 0; h < heads; ++h) gather({place, static_cast<int>(layer), static_cast<int>(h)}, to);
}

}  // namespace basin::limits
