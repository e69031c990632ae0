// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What observers receive from a query tile: its weights key by key, its finished rows, and whole rows.

#include "basin/cpu/detail/tasks.hpp"
#include "basin/cpu/detail/weigh.hpp"

namespace basin::cpu::detail {

/// Adds what `count` keys receive, one key in each lane, to their totals, Step numbers apart.
template <std::size_t Step, class T>
BASIN_INLINE void add_to_totals(simd<T> sums, index_t count, double* totals) {
  alignas(64) T values[lanes<T>];
  sums.store_aligned(values);
  if (count == lanes<T>)
    for (std::size_t i = 0; i < simd<T>::size; ++i) totals[i * Step] += static_cast<double>(values[i]);
  else
    for (index_t i = 0; i < count; ++i) totals[static_cast<std::size_t>(i) * Step] += static_cast<double>(values[i]);
}

/// The sum of weight(u, term) over all queries, for each key of a block.
template <int Vectors, class T, class Attention, class Weight>
void add_weights(panel<T, Vectors, Attention> const& tile, key_block block, T const* terms, double* totals,
                 Weight const& weight) {
  using batch = simd<T>;
  using watch_type = typename panel<T, Vectors, Attention>::watch_type;
  constexpr auto count = watch_type::key_values;
  for (index_t first = 0; first < block.count; first += lanes<T>) {
    std::array<batch, simd<T>::size> given[count];
    for (index_t i = 0; i < lanes<T>; ++i) {
      auto const key = static_cast<std::size_t>(i);
      for (std::size_t n = 0; n < count; ++n) given[n][key] = batch(T(0));
      if (first + i >= block.count) continue;
      BASIN_UNROLL
      for (int u = 0; u < Vectors; ++u) {
        auto const gives =
            tile.watch.gives(weight(u, batch::load_aligned(terms + (first + i) * tile.width + u * lanes<T>)));
        for (std::size_t n = 0; n < count; ++n) given[n][key] = given[n][key] + gives[n];
      }
    }
    for (std::size_t n = 0; n < count; ++n)
      add_to_totals<numbers_per_key<watch_type>>(
          sums_of<T>(given[n]), std::min(lanes<T>, block.count - first),
          totals + static_cast<std::size_t>(block.first + first) * numbers_per_key<watch_type> + n);
  }
}

/// What each key of a block receives, for key observers: weights are factor * term, and 0 if the term is 0 or the query
/// is not observed.
template <int Vectors, class T, class Attention>
void give_keys(panel<T, Vectors, Attention> const& tile, key_block block, T const* terms, simd<T> const* factor,
               double* totals) {
  using batch = simd<T>;
  if constexpr (panel<T, Vectors, Attention>::watch_type::key_values > 0) {
    batch const zero(T(0));
    typename batch::batch_bool_type absent[Vectors];
    batch own[Vectors];  // stays in registers, as `factor` might alias other memory
    std::copy_n(factor, Vectors, own);
    auto plain = has_terms<decltype(Attention::normalize)> && tile.at.count == tile.width;
    for (int u = 0; u < Vectors; ++u) {
      absent[u] = lane_numbers<T>() >= batch(static_cast<T>(tile.at.count - u * lanes<T>));
      plain = plain && !math::any(!(factor[u] * zero == zero));
    }
    if (plain) return add_weights(tile, block, terms, totals, [&](int u, batch term) { return own[u] * term; });
    add_weights(tile, block, terms, totals,
                [&](int u, batch term) {  // also a product last, so that both are contracted or neither
                  auto const nothing_given = absent[u] || term == zero;
                  return math::select(nothing_given, zero, own[u]) * math::select(nothing_given, zero, term);
                });
  }
}

template <int Vectors, class T, class Attention, class States, class Fit>
void report_rows(panel<T, Vectors, Attention> const& tile, States const& states, Fit const& fit) {
  using watch_type = typename panel<T, Vectors, Attention>::watch_type;
  constexpr std::size_t count = watch_type::row_values;
  if constexpr (count > 0) {
    for (int v = 0; v < Vectors; ++v) {
      simd<T> log_sum(T(0));
      if constexpr (watch_type::needs_log_sum) log_sum = fit.log_sum(tile, v);
      auto const reported = tile.watch.report(states[v], fit.factor[v], log_sum, fit.totals(tile, v, states[v]));
      alignas(64) T lane_values[count][lanes<T>];
      for (std::size_t n = 0; n < count; ++n) reported[n].store_aligned(lane_values[n]);
      for (index_t lane = 0; lane < lanes<T> && v * lanes<T> + lane < tile.at.count; ++lane) {
        std::array<T, count> values{};
        for (std::size_t n = 0; n < count; ++n) values[n] = lane_values[n][lane];
        tile.watch.sees_row({tile.at.batch, tile.at.head, tile.at.first + v * lanes<T> + lane}, values);
      }
    }
  }
}

/// Passes every row of the tile with all its weights and scores to the whole-row observers, from `scores` and `terms`.
template <int Vectors, class T, class Attention, class Buffers>
void show_whole_rows(panel<T, Vectors, Attention> const& tile, std::span<key_block const> blocks, T const* all_scores,
                     T const* all_terms, simd<T> const* factor, Buffers const& buffers) {
  constexpr index_t width = panel<T, Vectors, Attention>::width;
  alignas(64) T scale[width];
  for (int v = 0; v < Vectors; ++v) factor[v].store_aligned(scale + v * lanes<T>);
  auto const keys = static_cast<std::size_t>(tile.p.keys);
  std::span const weights(buffers.row_weights, keys), scores(buffers.row_scores, keys);
  std::fill(weights.begin(), weights.end(), 0.0);                // keys outside all blocks are hidden
  std::fill(scores.begin(), scores.end(), -math::infinity);
  for (index_t lane = 0; lane < tile.at.count; ++lane) {
    for (key_block const block : blocks)
      for (index_t r = 0; r < block.count; ++r) {
        T const term = all_terms[(block.row + r) * width + lane];
        buffers.row_weights[block.first + r] = term == T(0) ? 0.0 : static_cast<double>(scale[lane] * term);
        buffers.row_scores[block.first + r] = static_cast<double>(all_scores[(block.row + r) * width + lane]);
      }
    tile.watch.sees_whole_row({tile.at.batch, tile.at.head, tile.at.first + lane},
                             {weights, scores, static_cast<double>(tile.visible[lane])});
  }
}

}  // namespace basin::cpu::detail
