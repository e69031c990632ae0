// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The two products of decode, with lanes along the head's dim: every number of k and v is read once for all query rows
// that share it. The result of a row does not depend on neighbouring rows or keys, so neither pages nor groups change a
// bit.

#include <cstdint>
#include <type_traits>

#include "basin/cpu/detail/decode_source.hpp"

namespace basin::cpu::detail {

/// The sum of each of as many batches as a batch has lanes, in its lane; every one is added up in the same order.
/// (xsimd 8 returns the sums of 16 floats in another order.)
template <class T>
BASIN_INLINE simd<T> sums_of(simd<T> const (&of)[static_cast<std::size_t>(lanes<T>)]) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>) {
    using half = xsimd::batch<float, xsimd::avx2>;
    half folded[16];
    BASIN_UNROLL
    for (int i = 0; i < 16; ++i)
      folded[i] = half(_mm512_castps512_ps256(of[i])) +
                  half(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(of[i]), 1)));
    half const low = xsimd::haddp(folded), high = xsimd::haddp(folded + 8);
    return simd<T>(
        _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1)));
  }
#endif
  return xsimd::haddp(of);
}

/// The even and the odd numbers of two vectors.
template <class T>
struct pair_of {
  simd<T> even, odd;
};
template <class T, class Storage>
BASIN_INLINE pair_of<T> load_pair(Storage const* from) {
  if constexpr (reads_pairs<T, Storage>) {
    using words = simd<std::uint32_t>;
    words const both = words::load_unaligned(reinterpret_cast<std::uint32_t const*>(from));
    return {xsimd::bitwise_cast<simd<float>>(both << 16), xsimd::bitwise_cast<simd<float>>(both & words(0xffff0000u))};
  } else {
    return {};                                                   // never called
  }
}

/// Prefetch distance in rows. Measured on a Sapphire Rapids core at 12 GB/s: 8 to 64 take the same time; without
/// prefetching, bfloat16 takes a fifth longer.
inline constexpr index_t rows_ahead = 16;

/// Prefetches vector `i` of a later row, once a cache line.
template <class T, class Storage>
BASIN_INLINE void look_ahead(Storage const* from, index_t i, index_t step) {
  constexpr index_t vectors_of_a_line = std::max<index_t>(1, 64 / (lanes<T> * static_cast<index_t>(sizeof(Storage))));
  if (i % vectors_of_a_line == 0) BASIN_PREFETCH(from + rows_ahead * step, 3);
}

/// scores[r, j] = <q_r, k_j>, as many keys at once as make one vector of sums. q is [Rows, cut.vectors * lanes].
template <int Rows, class T, class Storage>
void dots_of_rows(T const* q, key_chunk<Storage> keys, row_cut cut, T* scores, index_t score_step) {
  using batch = simd<T>;
  constexpr int together = static_cast<int>(lanes<T>) / Rows;
  index_t const q_step = cut.vectors * lanes<T>;
  auto const is_new = lane_numbers<T>() >= batch(static_cast<T>(cut.again));
  for (index_t j = 0; j < keys.count; j += together) {
    Storage const* at[together];
    for (int c = 0; c < together; ++c) at[c] = keys.data + std::min(j + c, keys.count - 1) * keys.step;
    batch sum[Rows * together];
    for (batch& s : sum) s = batch(T(0));
    auto const add = [&](index_t i, int c, batch key) {
      BASIN_UNROLL
      for (int r = 0; r < Rows; ++r)
        sum[r * together + c] =
            math::fma(batch::load_aligned(q + r * q_step + i * lanes<T>), key, sum[r * together + c]);
    };
    index_t i = 0;
    for (; i < 2 * cut.pairs; i += 2) {
      BASIN_UNROLL
      for (int c = 0; c < together; ++c) {
        look_ahead<T>(at[c] + i * lanes<T>, i, keys.step);
        pair_of<T> const both = load_pair<T>(at[c] + i * lanes<T>);
        add(i, c, both.even), add(i + 1, c, both.odd);
      }
    }
    for (; i + 1 < cut.vectors; ++i) {
      BASIN_UNROLL
      for (int c = 0; c < together; ++c) {
        look_ahead<T>(at[c] + i * lanes<T>, i, keys.step);
        add(i, c, load_as<T>(at[c] + i * lanes<T>));
      }
    }
    if (i < cut.vectors) {
      BASIN_UNROLL
      for (int c = 0; c < together; ++c) {
        add(i, c, math::select(is_new, load_as<T>(at[c] + cut.last), batch(T(0))));
      }
    }
    alignas(64) T dots[lanes<T>];
    sums_of<T>(sum).store_aligned(dots);
    for (int r = 0; r < Rows; ++r)
      std::copy_n(dots + r * together, std::min<index_t>(together, keys.count - j), scores + r * score_step + j);
  }
}

/// The same for any number of rows.
template <class T, class Storage>
void dots(T const* q, index_t rows, key_chunk<Storage> keys, row_cut cut, T* scores, index_t score_step) {
  index_t r = 0;
  auto const next = [&](auto count) {
    dots_of_rows<count>(q + r * cut.vectors * lanes<T>, keys, cut, scores + r * score_step, score_step);
    r += count;
  };
  if constexpr (lanes<T> >= 4)
    while (r + 4 <= rows) next(std::integral_constant<int, 4>{});
  while (r + 2 <= rows) next(std::integral_constant<int, 2>{});
  if (r < rows) next(std::integral_constant<int, 1>{});
}

/// Whether some terms are 0, so that their keys are skipped and 0 times a NaN or an infinity is 0.
enum class zeros { none, some };

/// How the vectors of some columns lie: in pairs, or each where `offsets` says.
enum class lie { in_pairs, apart };

/// o_r += sum_j terms[r, j] v_j for Columns vectors of the row, in registers over all keys of the chunk.
template <int Rows, int Columns, zeros Zeros, lie Lie, class T, class Storage>
void mix_columns(T const* terms, index_t term_step, key_chunk<Storage> values, index_t const* offsets, T* out,
                 index_t out_step) {
  using batch = simd<T>;
  batch sum[Rows][Columns];
  BASIN_UNROLL
  for (int r = 0; r < Rows; ++r) {
    BASIN_UNROLL
    for (int c = 0; c < Columns; ++c) sum[r][c] = batch::load_aligned(out + r * out_step + c * lanes<T>);
  }
  for (index_t j = 0; j < values.count; ++j) {
    if constexpr (Zeros == zeros::some) {
      bool unseen = true;
      for (int r = 0; r < Rows; ++r) unseen = unseen && terms[r * term_step + j] == T(0);
      if (unseen) continue;
    }
    Storage const* const at = values.data + j * values.step;
    if constexpr (Zeros == zeros::none) {
      BASIN_UNROLL
      for (int c = 0; c < Columns; ++c) look_ahead<T>(at + offsets[c], c, values.step);
    }
    batch weight[Rows];
    BASIN_UNROLL
    for (int r = 0; r < Rows; ++r) weight[r] = batch(terms[r * term_step + j]);
    auto const add = [&](int c, batch value) {
      BASIN_UNROLL
      for (int r = 0; r < Rows; ++r) {
        batch const more = math::fma(weight[r], value, sum[r][c]);
        if constexpr (Zeros == zeros::some && Rows > 1)
          sum[r][c] = math::select(weight[r] == batch(T(0)), sum[r][c], more);
        else sum[r][c] = more;
      }
    };
    BASIN_UNROLL
    for (int c = 0; c < Columns; c += Lie == lie::in_pairs ? 2 : 1) {
      if constexpr (Lie == lie::in_pairs) {
        pair_of<T> const both = load_pair<T>(at + offsets[c]);
        add(c, both.even), add(c + 1, both.odd);
      } else {
        add(c, load_as<T>(at + offsets[c]));
      }
    }
  }
  BASIN_UNROLL
  for (int r = 0; r < Rows; ++r) {
    BASIN_UNROLL
    for (int c = 0; c < Columns; ++c) sum[r][c].store_aligned(out + r * out_step + c * lanes<T>);
  }
}

/// Sums in registers: 16 of 32 (AVX-512), 8 of 16 elsewhere, and no more than a row of 8 vectors.
template <int Rows, class T>
inline constexpr int columns_at_once = std::min(8, (sizeof(simd<T>) >= 64 ? 16 : 8) / Rows);

/// The same for whole rows. out is [Rows, cut.vectors * lanes].
template <int Rows, zeros Zeros, class T, class Storage>
void mix_rows(T const* terms, index_t term_step, key_chunk<Storage> values, row_cut cut, T* out) {
  index_t column = 0, offsets[8];
  auto const next = [&](auto count, auto how) {
    for (index_t c = 0; c < count; ++c)
      offsets[c] = column + c + 1 < cut.vectors || column + c < 2 * cut.pairs ? (column + c) * lanes<T> : cut.last;
    mix_columns<Rows, count, Zeros, how>(terms, term_step, values, offsets, out + column * lanes<T>,
                                         cut.vectors * lanes<T>);
    column += count;
  };
  auto const up_to = [&](index_t end, auto how) {
    constexpr int most = columns_at_once<Rows, T>;
    while (column + most <= end) next(std::integral_constant<int, most>{}, how);
    if constexpr (most > 4)
      if (column + 4 <= end) next(std::integral_constant<int, 4>{}, how);
    if constexpr (most > 2)
      if (column + 2 <= end) next(std::integral_constant<int, 2>{}, how);
    if constexpr (how == lie::apart)
      while (column < end) next(std::integral_constant<int, 1>{}, how);
  };
  if constexpr (reads_pairs<T, Storage>) up_to(2 * cut.pairs, std::integral_constant<lie, lie::in_pairs>{});
  up_to(cut.vectors, std::integral_constant<lie, lie::apart>{});
}

/// Which of `count` numbers are 0; up to a vector behind them is read, and ignored.
struct zero_count {
  bool some = false, all = true;
};
template <class T>
BASIN_INLINE zero_count zeros_among(T const* x, index_t count) {
  zero_count found;
  simd<T> const lane = lane_numbers<T>(), zero(T(0));
  for (index_t j = 0; j < count; j += lanes<T>) {
    auto const here = lane < simd<T>(static_cast<T>(count - j)), is_zero = simd<T>::load_unaligned(x + j) == zero;
    found.some = found.some || xsimd::any(here && is_zero);
    found.all = found.all && !xsimd::any(here && !is_zero);
  }
  return found;
}

/// The same for any number of rows and any terms.
template <class T, class Storage>
void mix(T const* terms, index_t term_step, index_t rows, key_chunk<Storage> values, row_cut cut, T* out) {
  index_t r = 0;
  auto const next = [&](auto count) {
    zero_count found;
    for (index_t n = 0; n < count; ++n) {
      zero_count const of_row = zeros_among(terms + (r + n) * term_step, values.count);
      found = {found.some || of_row.some, found.all && of_row.all};
    }
    T* const to = out + r * cut.vectors * lanes<T>;
    if (!found.some) mix_rows<count, zeros::none>(terms + r * term_step, term_step, values, cut, to);
    else if (!found.all) mix_rows<count, zeros::some>(terms + r * term_step, term_step, values, cut, to);
    r += count;
  };
  while (r + 4 <= rows) next(std::integral_constant<int, 4>{});
  if (r + 2 <= rows) next(std::integral_constant<int, 2>{});
  if (r < rows) next(std::integral_constant<int, 1>{});
}

}  // namespace basin::cpu::detail
