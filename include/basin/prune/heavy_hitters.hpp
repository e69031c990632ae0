// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Keeps selected keys and the last `recent` keys up to the query: kept_j or 0 <= i - j < recent.
/// update_heavy_hitters() selects.
///
/// Models    pruner
/// Source    Zhang et al. 2023, arXiv 2306.14048 (H2O)
/// Shapes    kept [batch, heads, keys], one byte a key, 0 = not selected; a stride of 0 shares one set among heads or
///           batches; it may be longer than the keys, for example for a growing cache
/// Edges     recent = 0 is keep_keys
/// Errors    shape_error from validate(): another batch or head count, fewer bytes than keys; value_error: recent < 0
struct heavy_hitters {
  view<std::uint8_t const, 3> kept{};
  index_t recent = 0;

  template <class T>
  BASIN_HD bool keeps(coord c, T) const {
    return kept(c.batch, c.head, c.key) != 0 || (c.key <= c.query && c.query - c.key < recent);
  }

  BASIN_HD coverage covers(tile t) const {
    bool any = false, every = true;
    for (index_t key = t.first_key; key < t.last_key && (every || !any); ++key) {
      bool const chosen = kept(t.batch, t.head, key) != 0;
      bool const near_some = key <= t.last_query - 1 && t.first_query - key < recent && recent > 0;
      bool const near_all = key <= t.first_query && t.last_query - 1 - key < recent;
      any = any || chosen || near_some;
      every = every && (chosen || near_all);
    }
    return !any ? coverage::none : every ? coverage::all : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::heavy_hitters", "kept", kept); }
  void validate(problem const& p) const {
    if (recent < 0) throw value_error(message("basin::heavy_hitters: recent is ", recent, "; it must be at least 0"));
    if (kept.data_handle() == nullptr || kept.extent(0) != p.batch || kept.extent(1) != p.heads ||
        kept.extent(2) < p.keys)
      throw shape_error(message("basin::heavy_hitters: the set is for [", kept.extent(0), ", ", kept.extent(1), ", ",
                                kept.extent(2), "] (batch, heads, keys) but the call has [", p.batch, ", ", p.heads,
                                ", ", p.keys,
                                "]; give one byte for every key of every query head (a stride of 0 may share them)"));
  }
};

static_assert(pruner<heavy_hitters>);

/// The number of keys that a head keeps: the `heavy` that received most attention, and the last `recent`.
struct heavy_budget {
  index_t heavy = 0, recent = 0;
};

namespace detail {

/// Updates one head: adds the attention that its keys received, and evicts the keys beyond the budget.
template <class Received, class Scores, class Kept>
void evict_light(Received const& received, heavy_budget budget, Scores const& scores, Kept const& kept, index_t keys) {
  std::vector<index_t> older;
  for (index_t j = 0; j < keys; ++j) {
    if (kept(j) == 0) continue;
    double const added = received(j);
    scores(j) += added == added ? added : 0.0;                   // a NaN counts as 0
    if (j < keys - budget.recent) older.push_back(j);
  }
  std::stable_sort(older.begin(), older.end(), [&](index_t a, index_t b) { return scores(a) > scores(b); });
  for (std::size_t n = static_cast<std::size_t>(budget.heavy); n < older.size(); ++n) {
    kept(older[n]) = 0;
    scores(older[n]) = 0.0;
  }
}

}  // namespace detail

/// One step of H2O. It adds to s_j the attention that key j received in the last call. Then, of the kept keys before
/// the last `recent`, the `heavy` with the largest s_j stay, and the others are evicted permanently (kept = 0, s = 0).
///
/// Source    Zhang et al. 2023, arXiv 2306.14048, algorithm 1, and the code of its authors, which sums over the batch;
///           here each batch element has its own set
/// Shapes    received [batch, heads, Nk], by received_attention; scores, kept [batch, heads, >= Nk], which the caller
///           keeps from step to step and initialises to 0 and 1
/// Edges     ties go to the earlier key; no key is evicted while all fit
/// Throws    shape_error, value_error; nothing is written before all checks have passed
template <class Received>
void update_heavy_hitters(Received const& received, heavy_budget budget, view<double, 3> const& scores,
                          view<std::uint8_t, 3> const& kept) {
  if (budget.heavy < 0 || budget.recent < 0 || budget.heavy + budget.recent < 1)
    throw value_error(message("basin::update_heavy_hitters: the budget is ", budget.heavy, " heavy and ", budget.recent,
                              " recent keys; neither may be negative, and at least one key must fit"));
  index_t const keys = received.extent(2);
  auto const require = [&](char const* name, auto const& v) {
    if (v.data_handle() == nullptr || v.extent(0) != received.extent(0) || v.extent(1) != received.extent(1) ||
        v.extent(2) < keys)
      throw shape_error(message("basin::update_heavy_hitters: ", name, " is [", v.extent(0), ", ", v.extent(1), ", ",
                                v.extent(2), "] but received is [", received.extent(0), ", ", received.extent(1), ", ",
                                keys, "]; it needs a number for every key"));
    detail::require_own_elements("basin::update_heavy_hitters", name, v);
  };
  require("scores", scores);
  require("kept", kept);
  for (index_t b = 0; b < received.extent(0); ++b)
    for (index_t h = 0; h < received.extent(1); ++h)
      detail::evict_light([&](index_t j) { return received(b, h, j); }, budget,
                          [&](index_t j) -> double& { return scores(b, h, j); },
                          [&](index_t j) -> std::uint8_t& { return kept(b, h, j); }, keys);
}

}  // namespace basin
