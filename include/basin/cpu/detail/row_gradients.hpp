// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Row gradients of a query tile: from the gradients by its weights to those by its scores, through the Jacobian of the
// normalizer, and to those by the normalizer's learned numbers.

#include <array>
#include <utility>

#include "basin/cpu/detail/weigh.hpp"

namespace basin::cpu::detail {

/// What a query tile holds for each key and query, [keys, width] each. Before: unnormalised weights, dw. After:
/// weights, ds.
template <class T>
struct pair_numbers {
  T *weights, *dweights;
  T const* scores;  // aliases the weights if the normalizer's Jacobian does not read scores
};

/// Whether the backward pass keeps scores beside weights.
template <class Normalizer>
inline constexpr bool reads_scores_of_pairs = !has_jacobian_of_weights<Normalizer> || has_parameters<Normalizer>;

/// Whether a key is hidden from a query, in blocks where some are.
template <class Panel, class T>
auto is_hidden(pair_numbers<T> const& pairs, index_t n) {
  using batch = simd<T>;
  if constexpr (reads_scores_of_pairs<typename Panel::normalizer_type>)
    return batch::load_aligned(pairs.scores + n) == math::minus_inf<batch>();
  else return batch::load_aligned(pairs.weights + n) == batch(T(0));
}

/// The weights of one block, and what it adds to delta = sum_k carry_k dw_k of every row.
template <coverage Seen, class Panel, class T, class Fit, class Delta>
void gather_block(Panel const& tile, key_block block, Fit const& fit, pair_numbers<T> const& pairs, Delta& delta) {
  using batch = simd<T>;
  for (int v = 0; v < Panel::vectors; ++v) {
    auto mine = delta[v];
    for (index_t n = block.row * Panel::width + v * lanes<T>, end = (block.row + block.count) * Panel::width; n < end;
         n += Panel::width) {
      batch const term = batch::load_aligned(pairs.weights + n);
      batch weight = fit.factor[v] * term, dw = batch::load_aligned(pairs.dweights + n), score = weight;
      if constexpr (Seen == coverage::some)
        weight = math::select(term == batch(T(0)), term, weight);  // 0 for every factor
      weight.store_aligned(pairs.weights + n);
      if constexpr (reads_scores_of_pairs<typename Panel::normalizer_type>)
        score = batch::load_aligned(pairs.scores + n);
      else score = weight;
      if constexpr (Seen == coverage::some) {
        dw = math::select(is_hidden<Panel>(pairs, n), batch(T(0)), dw);
        dw.store_aligned(pairs.dweights + n);
      }
      gather(mine, fit.jacobian(tile, v, score, weight), dw);
    }
    delta[v] = mine;
  }
}

/// dweights dw_ij -> gradients of scores: ds_j = diag_j dw_j - outer_j delta.
template <coverage Seen, class Panel, class T, class Fit, class Delta, class Sums>
void differentiate_block(Panel const& tile, key_block block, Fit const& fit, pair_numbers<T> const& pairs,
                         Delta const& delta, Sums& dparameters) {
  using batch = simd<T>;
  using normalizer_type = typename Panel::normalizer_type;
  for (int v = 0; v < Panel::vectors; ++v)
    for (index_t n = block.row * Panel::width + v * lanes<T>, end = (block.row + block.count) * Panel::width; n < end;
         n += Panel::width) {
      batch const weight = batch::load_aligned(pairs.weights + n), dw = batch::load_aligned(pairs.dweights + n);
      batch score = weight;
      if constexpr (reads_scores_of_pairs<normalizer_type>) score = batch::load_aligned(pairs.scores + n);
      batch ds = score_gradient(fit.jacobian(tile, v, score, weight), dw, delta[v]);
      if constexpr (has_parameters<normalizer_type>) {
        auto const given = fit.parameter_gradient(tile, v, score, weight, dw, ds);
        for (std::size_t i = 0; i < given.size(); ++i) dparameters[v][i] = dparameters[v][i] + given[i];
      }
      if constexpr (Seen == coverage::some) ds = math::select(is_hidden<Panel>(pairs, n), batch(T(0)), ds);
      ds.store_aligned(pairs.dweights + n);
    }
}

/// Passes to the normalizer what each row of a query tile adds to the gradients of its numbers.
template <class Panel, class Sums>
void report_parameters(Panel const& tile, Sums const& sums) {
  using T = typename Panel::value_type;
  using normalizer_type = typename Panel::normalizer_type;
  if constexpr (has_parameters<normalizer_type>)
    for (int v = 0; v < Panel::vectors; ++v)
      for (int n = 0; n < normalizer_type::parameters; ++n) {
        alignas(64) T values[lanes<T>];
        sums[v][static_cast<std::size_t>(n)].store_aligned(values);
        for (index_t lane = 0; lane < lanes<T> && v * lanes<T> + lane < tile.at.count; ++lane)
          tile.use.normalize.sees_parameter_gradient(
              {tile.at.batch, tile.at.head, tile.at.first + v * lanes<T> + lane}, n, static_cast<double>(values[lane]));
      }
}

/// Calls f(block, sums) for all blocks of a query tile, and adds the results, one array of numbers for each of Vectors,
/// part by part.
template <int Vectors, class Numbers, class F>
auto sum_over_blocks(std::span<key_block const> blocks, index_t keys_per_part, F const& f) {
  using sums = std::array<Numbers, Vectors>;
  sums zero{};
  for (auto& numbers : zero)
    for (auto& one : numbers) one = std::remove_reference_t<decltype(one)>(0);
  sum_tree<sums> parts(zero);
  auto const add = [&](sums& into, sums& from) {
    for (std::size_t v = 0; v < Vectors; ++v)
      for (std::size_t n = 0; n < into[v].size(); ++n) into[v][n] = into[v][n] + from[v][n];
    from = zero;
  };
  auto const lift = [&](sums& to, sums& from) { to = std::exchange(from, zero); };
  for (key_block const block : blocks) {
    parts.move_to(block.first / keys_per_part, add, lift);
    f(block, parts.open());
  }
  return parts.total(add);
}

/// Unnormalised weights and dweights of a query tile -> its weights and the gradients by its scores.
template <class Panel, class Fit, class T>
void through_rows(Panel const& tile, std::span<key_block const> blocks, Fit const& fit, pair_numbers<T> const& pairs,
                  index_t part) {
  using normalizer_type = typename Panel::normalizer_type;
  constexpr int vectors = Panel::vectors;
  auto const delta = sum_over_blocks<vectors, cuda::std::array<simd<T>, jacobian_of<normalizer_type, T>::rank>>(
      blocks, part, [&](key_block block, auto& sums) {
        if (block.seen == coverage::all)
          gather_block<coverage::all>(tile, block, fit, pairs, sums);
        else
          gather_block<coverage::some>(tile, block, fit, pairs, sums);
      });
  auto const dparameters = sum_over_blocks<vectors, for_parameters<normalizer_type, simd<T>>>(
      blocks, part, [&](key_block block, auto& sums) {
        if (block.seen == coverage::all)
          differentiate_block<coverage::all>(tile, block, fit, pairs, delta, sums);
        else
          differentiate_block<coverage::some>(tile, block, fit, pairs, delta, sums);
      });
  report_parameters(tile, dparameters);
}

}  // namespace basin::cpu::detail
