// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The row of one query, with its keys in lanes: each lane keeps a row for its own keys, and the lanes are merged like
// splits. Streamable normalizers are evaluated on batches; whole-row normalizers in scalars.

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <type_traits>
#include <utility>

#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/cpu/detail/sum_tree.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

// Value types that compute nothing: the size of a row of them says whether a row is values and nothing else.
struct one_byte {
  unsigned char byte;
};
struct many_bytes {
  unsigned char bytes[64];
};

}  // namespace basin::cpu::detail

template <>
struct basin::math::functions<basin::cpu::detail::many_bytes> {
  using scalar = basin::cpu::detail::one_byte;
  using mask = bool;
};

namespace basin::cpu::detail {

/// Whether a row of batches can be split into lanes: it consists of contiguous values of its type T, and nothing else.
template <class N, class T>
concept has_lanes = std::is_trivially_copyable_v<row_of<N, simd<T>>> && std::is_trivially_copyable_v<row_of<N, T>> &&
    (std::is_empty_v<row_of<N, T>> || (sizeof(row_of<N, many_bytes>) == 64 * sizeof(row_of<N, one_byte>) &&
                                       sizeof(row_of<N, simd<T>>) == sizeof(simd<T>) * sizeof(row_of<N, one_byte>) &&
                                       sizeof(row_of<N, T>) == sizeof(T) * sizeof(row_of<N, one_byte>)));

/// Whether a normalizer processes scores one by one, not whole rows.
template <class N>
inline constexpr bool streams = streamable_normalizer<N> || online_normalizer<N>;

template <class N, class T>
struct key_values {
  using type = T;
};
template <class N, class T>
  requires(streams<N> && has_lanes<N, T>)
struct key_values<N, T> {
  using type = simd<T>;
};
/// What a normalizer is evaluated on: a batch of keys if possible, else single keys.
template <class N, class T>
using key_values_t = typename key_values<N, T>::type;

template <class V>
inline constexpr index_t keys_in = 1;
template <class T, class Arch>
inline constexpr index_t keys_in<xsimd::batch<T, Arch>> = static_cast<index_t>(xsimd::batch<T, Arch>::size);

template <class V, class T>
BASIN_INLINE V load_keys(T const* from) {
  if constexpr (keys_in<V> == 1) return *from;
  else return V::load_unaligned(from);
}
template <class V, class T>
BASIN_INLINE void store_keys(V x, T* to) {
  if constexpr (keys_in<V> == 1) *to = x;
  else x.store_unaligned(to);
}

/// The values of a row of batches, and their lanes.
template <class N, class V>
using lanes_of_row =
    std::array<std::array<math::scalar_of<V>, static_cast<std::size_t>(keys_in<V>)>, sizeof(row_of<N, V>) / sizeof(V)>;

/// The same row in every lane.
template <class V, class N, class T>
row_of<N, V> spread_row(N const&, row_of<N, T> const& row) {
  if constexpr (std::is_same_v<V, T>) {
    return row;
  } else if constexpr (std::is_empty_v<row_of<N, T>>) {
    return {};
  } else {
    auto const one = std::bit_cast<std::array<T, sizeof(row) / sizeof(T)>>(row);
    lanes_of_row<N, V> all;
    for (std::size_t n = 0; n < one.size(); ++n) all[n].fill(one[n]);
    return std::bit_cast<row_of<N, V>>(all);
  }
}

/// The lanes of a row, merged pairwise.
template <class T, class V, class N>
row_of<N, T> merge_lanes(N const& n, row_of<N, V> row) {
  if constexpr (std::is_same_v<V, T>) {
    return row;
  } else if constexpr (std::is_empty_v<row_of<N, T>>) {
    return {};
  } else {
    for (std::size_t half = V::size / 2; half > 0; half /= 2) {
      auto upper = std::bit_cast<lanes_of_row<N, V>>(row);
      for (auto& value : upper) std::copy_n(value.begin() + half, half, value.begin());
      n.merge(row, std::bit_cast<row_of<N, V>>(upper));          // the values in the other lanes are no longer used
    }
    auto const all = std::bit_cast<lanes_of_row<N, V>>(row);
    std::array<T, std::tuple_size_v<lanes_of_row<N, V>>> one;
    for (std::size_t i = 0; i < one.size(); ++i) one[i] = all[i][0];
    return std::bit_cast<row_of<N, T>>(one);
  }
}

/// A finished row, w_j = factor * term_j.
template <class N, class T>
struct finished_row {
  row_of<N, T> row;
  T factor;
};

/// The term of one key or of a batch of keys: 0 if the score is -inf, even in a row that contains a NaN. In a row that
/// is fitted whole, the term is the weight.
template <class V, class N>
BASIN_INLINE V term_of(N const& n, row_of<N, V> const& row, V score) {
  V term;
  if constexpr (streams<N> && has_terms<N>) term = n.term(row, score);
  else term = n.weight(row, score);
  return math::select(score == math::minus_inf<V>(), V(0), term);
}

// Scores below come in whole vectors, padded with -inf after the last key.

/// Stage 1: the maximum or other reference that terms are relative to.
template <class V, class N, class T>
void measure_row(N const& n, row_of<N, T>& row, T const* scores, index_t count) {
  measure_scores(n, [&](auto const& step) {
    auto each = spread_row<V, N, T>(n, row);
    for (index_t j = 0; j < count; j += keys_in<V>) step(each, load_keys<V>(scores + j));
    row = merge_lanes<T, V>(n, each);
  });
}

/// The number of keys whose sums go into one accumulator; the lanes share it.
inline constexpr index_t keys_per_sum = 1024;

/// Updates a row by f(row of V, key) for all its keys, a vector at a time: sums are added as in sum_tree.hpp, then over
/// the lanes.
template <class V, class N, class T, class F>
row_of<N, T> over_row(N const& n, row_of<N, T> const& row, index_t count, F const& f) {
  auto const fresh = spread_row<V, N, T>(n, row);
  auto each = fresh;
  sum_tree<row_of<N, V>> parts(fresh);
  auto const add = [&](auto& into, auto& from) { n.merge(into, from), from = fresh; };
  auto const lift = [&](auto& to, auto& from) { to = std::exchange(from, fresh); };
  for (index_t first = 0; first < count; first += keys_per_sum) {
    parts.move_to(first / keys_per_sum, add, lift);
    each = fresh;
    for (index_t j = first, end = std::min(count, first + keys_per_sum); j < end; j += keys_in<V>) f(each, j);
    parts.open() = each;
  }
  return merge_lanes<T, V>(n, parts.total(add));
}

/// Stage 2: repeats passes until next() returns false.
template <class V, class N, class T>
void search_row(N const& n, row_of<N, T>& row, T const* scores, index_t count) {
  search_threshold(n, row, [&](auto const& step) {
    row = over_row<V, N, T>(n, row, count, [&](auto& each, index_t j) { step(each, load_keys<V>(scores + j)); });
  });
}

/// Stage 3: the sums of the terms, which are written to `terms` unless it is nullptr; it may alias `scores`.
template <class V, class N, class T>
void sum_row(N const& n, row_of<N, T>& row, T const* scores, index_t count, T* terms) {
  auto const now = spread_row<V, N, T>(n, row);  // terms do not depend on sums
  auto const all = over_row<V, N, T>(n, row, count, [&](auto& each, index_t j) {
    V const s = load_keys<V>(scores + j), term = term_of<V>(n, now, s);
    if constexpr (has_terms<N>) n.add(each, s, term);
    if (terms != nullptr) store_keys(term, terms + j);
  });
  if constexpr (has_terms<N>) row = all;
}

/// A whole row, for any tier of normalizer; `gathered` [count] is used by those that are fitted whole.
template <class T, class N>
finished_row<N, T> finish_row(N const& n, row_context<T> const& context, T const* scores, index_t count, T* gathered) {
  if constexpr (streams<N>) {
    using V = key_values_t<N, T>;
    auto row = start_row(n, context);
    measure_row<V, N, T>(n, row, scores, count);
    search_row<V, N, T>(n, row, scores, count);
    if constexpr (has_terms<N>) {
      sum_row<V, N, T>(n, row, scores, count, nullptr);
      return {row, n.factor(row)};
    } else {
      return {row, T(1)};
    }
  } else {
    T const* const end = std::copy_if(scores, scores + count, gathered, [](T s) { return s != math::minus_inf<T>(); });
    return {n.fit(std::span<T const>(gathered, end), context), T(1)};
  }
}

}  // namespace basin::cpu::detail
