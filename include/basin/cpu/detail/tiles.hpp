// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Products of bf16 numbers with sums in fp32, on the matrix tiles of x86 (AMX): scores S = K Q^T and outputs O^T += V^T
// P of a query tile as in product.hpp, 16 x 32 by 32 x 16 at a time. k is read in place; q is packed once per query
// tile, v once per group. Unnormalised weights are rounded to bf16 before they multiply the values, as on the tensor
// cores of a GPU; row sums are computed before the rounding.

#include <cstdint>

#include "basin/cpu/detail/lanes.hpp"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__linux__)
#define BASIN_HAS_TILES 1
#include <sys/syscall.h>
#include <unistd.h>
#else
#define BASIN_HAS_TILES 0
#endif

namespace basin::cpu::detail::tiles {

inline constexpr bool compiled = BASIN_HAS_TILES;
inline constexpr index_t side = 16, depth = 32,
                         numbers = side * depth;  // of one tile: rows, bf16 numbers a row, numbers in all

/// n rounded up to whole tiles of this size.
constexpr index_t whole(index_t n, index_t size) { return (n + size - 1) / size * size; }

/// Keys or values of one block, in tiles.
struct block {
  bfloat16 const* keys = nullptr;       // [count in whole tiles, dim in whole tiles]; nullptr: there are no tiles
  index_t key_step = 0;
  bfloat16 const* values = nullptr;     // [dim / 16][count / 32] tiles of [16 of dim, 32 keys]
  index_t value_steps = 0;              // tiles from one 16 of dim to the next

  block from(index_t key) const {
    return {keys == nullptr ? keys : keys + key * key_step, key_step,
            values == nullptr ? values : values + key / depth * numbers, value_steps};
  }
};

#if BASIN_HAS_TILES

/// Whether the operating system allows this process to use the tiles; tested once.
inline bool ready() {
  static bool const granted = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0;
  return granted;
}

/// Configures the tiles of this thread, and releases them.
class session {
 public:
  session() {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const shape;
    _tile_loadconfig(&shape);
  }
  session(session const&) = delete;
  session& operator=(session const&) = delete;
  ~session() { _tile_release(); }
};

/// 32 numbers of a row of bf16 from column `first` on; zeros after the end of the row or for a missing row.
template <class View>
BASIN_INLINE __m512 load_depth(View const& from, int b, index_t head, index_t row, index_t last_row, index_t first) {
  index_t const count = from.extent(3) - first;
  if (row >= last_row) return _mm512_setzero_ps();
  auto const* const start = &from(b, head, row, first);
  if (from.stride(3) == 1 && count >= depth) return _mm512_loadu_ps(start);
  alignas(64) std::uint16_t some[depth] = {};
  for (index_t d = 0; d < std::min(count, depth); ++d) some[d] = start[d * from.stride(3)].bits;
  return _mm512_load_ps(some);
}

/// Queries of a panel: [dim / 32][Vectors] tiles of [16 pairs of dim, 16 queries] pairs.
template <int Vectors, class View>
void pack_queries(View const& q, panel_at at, bfloat16* to) {
  std::array<simd<float>, 16> square;
  for (index_t d = 0; d < q.extent(3); d += depth)
    for (index_t v = 0; v < Vectors; ++v, to += numbers) {
      for (index_t i = 0; i < side; ++i)
        square[static_cast<std::size_t>(i)] =
            load_depth(q, at.batch, at.head, at.first + v * side + i, at.first + at.count, d);
      transpose<float>(square);
      for (index_t i = 0; i < side; ++i) _mm512_storeu_ps(to + i * depth, square[static_cast<std::size_t>(i)]);
    }
}

/// Keys [first, first + count) of a head: in place if they fill whole tiles, else copied and padded with zeros.
template <class View>
block read_keys(View const& k, int b, index_t head, index_t first, index_t count, bfloat16* copy) {
  index_t const dim = k.extent(3), step = whole(dim, depth);
  if (k.stride(3) == 1 && dim == step && count % side == 0) return {&k(b, head, first, 0), k.stride(2)};
  for (index_t r = 0; r < whole(count, side); ++r)
    for (index_t d = 0; d < dim; d += depth)
      _mm512_storeu_ps(copy + r * step + d, load_depth(k, b, head, first + r, first + count, d));
  return {copy, step};
}

/// 16 numbers of a row of bf16, each in the lower half of 32 bits.
template <class View>
BASIN_INLINE __m512i load_side(View const& from, int b, index_t head, index_t row, index_t last_row, index_t first) {
  if (row >= last_row) return _mm512_setzero_si512();
  index_t const count = from.extent(3) - first;
  auto const* const start = &from(b, head, row, first);
  if (from.stride(3) == 1 && count >= side)
    return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(start)));
  alignas(32) std::uint16_t some[side] = {};
  for (index_t d = 0; d < std::min(count, side); ++d) some[d] = start[d * from.stride(3)].bits;
  return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_load_si256(reinterpret_cast<__m256i const*>(some)));
}

/// Values of the same keys, transposed: pairs of keys first, then squares of pairs.
template <class View>
void pack_values(View const& v, int b, index_t head, index_t first, index_t count, bfloat16* to, block& into) {
  std::array<simd<float>, 16> square;
  into.values = to;
  into.value_steps = whole(count, depth) / depth;
  for (index_t d = 0; d < v.extent(3); d += side)
    for (index_t key = 0; key < count; key += depth, to += numbers) {
      for (index_t t = 0; t < side; ++t) {
        __m512i const even = load_side(v, b, head, first + key + 2 * t, first + count, d),
                      odd = load_side(v, b, head, first + key + 2 * t + 1, first + count, d);
        square[static_cast<std::size_t>(t)] =
            _mm512_castsi512_ps(_mm512_or_si512(even, _mm512_maskz_slli_epi32(0xffff, odd, 16)));
      }
      transpose<float>(square);
      for (index_t i = 0; i < side; ++i) _mm512_storeu_ps(to + i * depth, square[static_cast<std::size_t>(i)]);
    }
}

/// Terms of a panel [count, Vectors * 16]: [count / 32][Vectors] tiles of [16 pairs of keys, 16 queries] pairs.
template <int Vectors>
void pack_terms(float const* terms, index_t count, bfloat16* to) {
  alignas(64) static constexpr std::uint16_t turns[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i const interleave = _mm512_load_si512(turns);
  for (index_t r = 0; r < whole(count, depth); r += 2)
    for (index_t v = 0; v < Vectors; ++v) {
      auto const row = [&](index_t key) {
        return key < count ? _mm512_load_ps(terms + key * Vectors * side + v * side) : _mm512_setzero_ps();
      };
      auto const both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(row(r + 1), row(r)));
      _mm512_store_si512(to + (r / depth * Vectors + v) * numbers + r % depth / 2 * depth,
                         _mm512_permutexvar_epi16(interleave, both));
    }
}

// Tile numbers are part of the instructions and cannot be function arguments. Tile `to` += A B, with B read into tile
// 7; and three adjacent tiles.
#define BASIN_TILE_STEP(to, a, from) { _tile_loadd(7, from, 64); _tile_dpbf16ps(to, a, 7); }
#define BASIN_THREE_TILES(what, x, y, z, at, bytes)                                                                    \
  {                                                                                                                    \
    what(x, at, bytes);                                                                                                \
    what(y, (at) + side, bytes);                                                                                       \
    what(z, (at) + 2 * side, bytes);                                                                                   \
  }

/// scores [count in whole tiles, 3 * 16] = K Q^T: six tiles of sums, so that no product waits for the one before.
inline void multiply_wide(block keys, index_t count, index_t dim, bfloat16 const* queries, float* scores) {
  constexpr index_t width = 3 * side, bytes = width * static_cast<index_t>(sizeof(float));
  auto const key_bytes = static_cast<std::size_t>(keys.key_step) * sizeof(bfloat16);
  for (index_t r = 0; r < count; r += 2 * side) {
    auto const two = r + side < count;
    bfloat16 const* q = queries;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (index_t d = 0; d < dim; d += depth, q += 3 * numbers) {
      _tile_loadd(6, keys.keys + r * keys.key_step + d, key_bytes);
      BASIN_TILE_STEP(0, 6, q)
      BASIN_TILE_STEP(1, 6, q + numbers)
      BASIN_TILE_STEP(2, 6, q + 2 * numbers)
      if (!two) continue;
      _tile_loadd(6, keys.keys + (r + side) * keys.key_step + d, key_bytes);
      BASIN_TILE_STEP(5, 6, q + 2 * numbers)
      BASIN_TILE_STEP(3, 6, q)
      BASIN_TILE_STEP(4, 6, q + numbers)
    }
    float* const to = scores + r * width;
    BASIN_THREE_TILES(_tile_stored, 0, 1, 2, to, bytes)
    if (two) BASIN_THREE_TILES(_tile_stored, 3, 4, 5, to + side * width, bytes)
  }
}

/// scores [count in whole tiles, Vectors * 16] = K Q^T.
template <int Vectors>
void multiply(block keys, index_t count, index_t dim, bfloat16 const* queries, float* scores) {
  if constexpr (Vectors == 3) return multiply_wide(keys, count, dim, queries, scores);
  auto const key_bytes = static_cast<std::size_t>(keys.key_step) * sizeof(bfloat16);
  for (index_t r = 0; r < count; r += side) {
    _tile_zero(0);
    for (index_t d = 0; d < dim; d += depth) {
      _tile_loadd(6, keys.keys + r * keys.key_step + d, key_bytes);
      BASIN_TILE_STEP(0, 6, queries + d / depth * numbers)
    }
    _tile_stored(0, scores + r * side, 64);
  }
}

/// outputs [dim in whole tiles, 3 * 16] += V^T P, two rows of tiles at once.
inline void mix_wide(block values, index_t count, index_t dim, bfloat16 const* terms, float* outputs) {
  constexpr index_t width = 3 * side, bytes = width * static_cast<index_t>(sizeof(float));
  for (index_t d = 0; d < dim; d += 2 * side) {
    auto const two = d + side < dim;
    float *const o = outputs + d * width, *const below = o + (two ? side * width : 0);
    bfloat16 const *v = values.values + d / side * values.value_steps * numbers, *t = terms;
    BASIN_THREE_TILES(_tile_loadd, 0, 1, 2, o, bytes)
    BASIN_THREE_TILES(_tile_loadd, 3, 4, 5, below, bytes)
    for (index_t key = 0; key < count; key += depth, v += numbers, t += 3 * numbers) {
      _tile_loadd(6, v, 64);
      BASIN_TILE_STEP(0, 6, t)
      BASIN_TILE_STEP(1, 6, t + numbers)
      BASIN_TILE_STEP(2, 6, t + 2 * numbers)
      if (!two) continue;
      _tile_loadd(6, v + values.value_steps * numbers, 64);
      BASIN_TILE_STEP(5, 6, t + 2 * numbers)
      BASIN_TILE_STEP(3, 6, t)
      BASIN_TILE_STEP(4, 6, t + numbers)
    }
    BASIN_THREE_TILES(_tile_stored, 0, 1, 2, o, bytes)
    if (two) BASIN_THREE_TILES(_tile_stored, 3, 4, 5, below, bytes)
  }
}

/// outputs [dim in whole tiles, Vectors * 16] += V^T P.
template <int Vectors>
void mix(block values, index_t count, index_t dim, bfloat16 const* terms, float* outputs) {
  if constexpr (Vectors == 3) return mix_wide(values, count, dim, terms, outputs);
  for (index_t d = 0; d < dim; d += side) {
    bfloat16 const *v = values.values + d / side * values.value_steps * numbers, *t = terms;
    _tile_loadd(0, outputs + d * side, 64);
    for (index_t key = 0; key < count; key += depth, v += numbers, t += numbers) {
      _tile_loadd(6, v, 64);
      BASIN_TILE_STEP(0, 6, t)
    }
    _tile_stored(0, outputs + d * side, 64);
  }
}

#undef BASIN_TILE_STEP
#undef BASIN_THREE_TILES

#else

// Functions that a target lacks are never called there but must be declared; they are not defined.
inline bool ready() { return false; }
struct session {};
template <int, class... X>
void pack_queries(X const&...);
template <class... X>
block read_keys(X const&...);
template <class... X>
void pack_values(X const&...);
template <int, class... X>
void pack_terms(X const&...);
template <int, class... X>
void multiply(X const&...);
template <int, class... X>
void mix(X const&...);

#endif

}  // namespace basin::cpu::detail::tiles
