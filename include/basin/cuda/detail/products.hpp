// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Tiles in shared memory, and the two products of attention on matrix units: rows of A by rows of B (scores), and
// weighted sums of rows (outputs).

#include <cstring>
#include <cuda/std/bit>

#include "basin/core/half.hpp"
#include "basin/cuda/machine.hpp"

namespace basin::gpu::detail {

/// Rows of Dim numbers in shared memory, padded by 16 bytes, so that eight rows that are read together use different
/// banks.
template <class E, int Dim>
struct shared_tile {
  static constexpr int step = Dim + 16 / static_cast<int>(sizeof(E));
  E* start;
  BASIN_DEVICE E* row(int r) const { return start + r * step; }
  BASIN_DEVICE E* chunk(int r, int column) const { return row(r) + column; }
  static constexpr int bytes(int rows) { return rows * step * static_cast<int>(sizeof(E)); }
};

/// Selects uninitialised sums, for products that overwrite them.
struct no_numbers {};

/// Sums of a warp: 16 rows, 8 columns in each of Tiles.
template <int Tiles>
struct sums_of_warp {
  cuda::std::array<float, 4> of[Tiles];
  BASIN_DEVICE sums_of_warp() : of{} {}
  BASIN_DEVICE explicit sums_of_warp(no_numbers) {}
  BASIN_DEVICE cuda::std::array<float, 4>& operator[](int tile) { return of[tile]; }
  BASIN_DEVICE cuda::std::array<float, 4> const& operator[](int tile) const { return of[tile]; }
};

template <class E>
BASIN_DEVICE std::byte const* bytes_at(E const* p) {
  return reinterpret_cast<std::byte const*>(p);
}

/// sums[n] += A B^T: rows [row, row + 16) of `a` by rows [8 n, 8 n + 8) of `b`.
template <class Arithmetic, int Tiles, class E, int Dim, class M>
BASIN_DEVICE void multiply_rows(M const& m, shared_tile<E, Dim> a, int row, shared_tile<E, Dim> b,
                                sums_of_warp<Tiles>& sums) {
  constexpr int depth = product_depth<E>, half = depth / 2;
  constexpr int steps = Dim / depth;
  [[maybe_unused]] constexpr int at_once = std::is_same_v<Arithmetic, float> ? 1 : steps;  // exact products are long
  int const lane = m.thread() % 32, r = lane % 8, part = lane / 8;
  BASIN_UNROLL_BY(at_once)
  for (int k = 0; k < Dim; k += depth) {
    auto const left = m.load_matrices(bytes_at(a.row(row + part % 2 * 8 + r) + k + part / 2 * half));
    BASIN_UNROLL
    for (int n = 0; n < Tiles; n += 2) {
      auto const right = m.load_matrices(bytes_at(b.row(8 * n + part / 2 * 8 + r) + k + part % 2 * half));
      m.template multiply_add<Arithmetic>(sums[n], left, words2{right[0], right[1]});
      m.template multiply_add<Arithmetic>(sums[n + 1], left, words2{right[2], right[3]});
    }
  }
}

/// Operand A of step k, from the sums of an earlier product: columns from k * depth on.
template <class E, int Tiles, class M>
BASIN_DEVICE words4 as_operand(M const& m, sums_of_warp<Tiles> const& w, int k) {
  if constexpr (sizeof(E) == 2) {
    auto const &x = w[2 * k], &y = w[2 * k + 1];
    return {m.template pack<E>(x[0], x[1]), m.template pack<E>(x[2], x[3]), m.template pack<E>(y[0], y[1]),
            m.template pack<E>(y[2], y[3])};
  } else {                                                       // column 2 t is at depth t, column 2 t + 1 at t + 4
    auto const bits = [&](int n) { return cuda::std::bit_cast<word>(w[k][n]); };
    return {bits(0), bits(2), bits(1), bits(3)};
  }
}

/// Which steps of a product are computed: all, or only those with a weight other than 0 in the warp.
enum class steps { all, with_weights };

/// out[n] += W B: weights [16, 8 Tiles], held as sums of a product, by columns [8 n, 8 n + 8) of the rows of `b`.
template <class Arithmetic, steps Made, int Tiles, class E, int Dim, class M>
BASIN_DEVICE void mix_rows(M const& m, sums_of_warp<Tiles> const& w, shared_tile<E, Dim> b,
                           sums_of_warp<Dim / 8>& out) {
  constexpr int depth = product_depth<E>;
  int const lane = m.thread() % 32, r = lane % 8, part = lane / 8;
  BASIN_UNROLL
  for (int k = 0; k < 8 * Tiles / depth; ++k) {
    auto const left = as_operand<E>(m, w, k);
    if constexpr (Made == steps::with_weights) {
      constexpr word all_but_signs = sizeof(E) == 2 ? 0x7fff7fffu : 0x7fffffffu;
      if (!m.any_of_warp(((left[0] | left[1] | left[2] | left[3]) & all_but_signs) != 0)) continue;
    }
    BASIN_UNROLL
    for (int n = 0; n < Dim / 8; n += 2) {
      words4 right;
      if constexpr (sizeof(E) == 2) {
        right = m.load_matrices_transposed(bytes_at(b.row(depth * k + part % 2 * 8 + r) + 8 * n + part / 2 * 8));
      } else {
        int const g = lane / 4, t = lane % 4;
        auto const at = [&](int key, int column) {
          return cuda::std::bit_cast<word>(b.row(depth * k + key)[8 * n + column]);
        };
        right = {at(2 * t, g), at(2 * t + 1, g), at(2 * t, 8 + g), at(2 * t + 1, 8 + g)};
      }
      m.template multiply_add<Arithmetic>(out[n], left, words2{right[0], right[1]});
      m.template multiply_add<Arithmetic>(out[n + 1], left, words2{right[2], right[3]});
    }
  }
}

/// Writes two neighbouring numbers in one store.
template <class M, class To>
BASIN_DEVICE void write_pair(M const& m, To* to, float first, float second) {
  struct alignas(2 * sizeof(To)) pair {
    To first, second;
  };
  pair& both = *reinterpret_cast<pair*>(to);
  if constexpr (sizeof(To) == 2) both = cuda::std::bit_cast<pair>(m.template pack<To>(first, second));
  else both = {To(first), To(second)};
}

/// Writes row i of the two rows of a lane, times `factor`, to a row of `columns` numbers at a distance of `step`.
template <int Tiles, class M, class To>
BASIN_DEVICE void write_row(M const& m, sums_of_warp<Tiles> const& sums, int i, index_t columns, float factor, To* row,
                            index_t step) {
  int const t = m.thread() % 4, count = static_cast<int>(columns);
  if (sizeof(To) <= 4 && step == 1 && count % 2 == 0 && reinterpret_cast<std::uintptr_t>(row) % (2 * sizeof(To)) == 0) {
    BASIN_UNROLL
    for (int tile = 0; tile < Tiles; ++tile)
      if (int const d = 8 * tile + 2 * t; d < count)
        write_pair(m, row + d, factor * sums[tile][2 * i], factor * sums[tile][2 * i + 1]);
    return;
  }
  BASIN_UNROLL
  for (int tile = 0; tile < Tiles; ++tile) {
    BASIN_UNROLL
    for (int e = 0; e < 2; ++e)
      if (int const d = 8 * tile + 2 * t + e; d < count) row[d * step] = To(factor * sums[tile][2 * i + e]);
  }
}

/// Whether all rows of a tensor can be copied 16 bytes at a time.
template <class E>
BASIN_DEVICE bool copies_whole(view<E, 4> const& from) {
  constexpr index_t chunk = 16 / static_cast<index_t>(sizeof(E));
  return from.stride(3) == 1 && (from.extent(3) | from.stride(0) | from.stride(1) | from.stride(2)) % chunk == 0 &&
         reinterpret_cast<std::uintptr_t>(from.data_handle()) % 16 == 0;
}

/// Copies rows of a tensor asynchronously into a tile of `Width` columns. row(r) is the address of row r if there(r).
/// Missing rows and columns become zeros.
template <int Threads, int Rows, int Width, class E, class M, class Tile, class There, class Row>
BASIN_DEVICE void copy_rows(M const& m, view<E, 4> const& from, Tile to, There const& there, Row const& row) {
  constexpr int chunk = 16 / static_cast<int>(sizeof(E)), chunks = Width / chunk;
  int const dim = static_cast<int>(from.extent(3));
  // 1 if whole. Both paths use it, so that they share the computation of addresses.
  index_t const step = from.stride(3);
  if (copies_whole(from)) {
    constexpr int at_once = Threads / chunks;                    // rows that the threads copy together
    if constexpr (Threads % chunks == 0 && Rows % at_once == 0) {
      int const column = m.thread() % chunks * chunk;
      BASIN_UNROLL
      for (int first = 0; first < Rows; first += at_once) {
        int const r = first + m.thread() / chunks;
        m.copy_async(reinterpret_cast<std::byte*>(to.chunk(r, column)), bytes_at(row(r) + column * step),
                     there(r) && column < dim);
      }
    } else {
      for (int n = m.thread(); n < Rows * chunks; n += Threads) {
        int const r = n / chunks, column = n % chunks * chunk;
        m.copy_async(reinterpret_cast<std::byte*>(to.chunk(r, column)), bytes_at(row(r) + column * step),
                     there(r) && column < dim);
      }
    }
  } else {
    for (int n = m.thread(); n < Rows * Width; n += Threads) {
      int const r = n / Width, column = n % Width;
      to.chunk(r, column / chunk * chunk)[column % chunk] =
          there(r) && column < dim ? row(r)[column * step] : std::remove_const_t<E>(0.0f);
    }
  }
}

}  // namespace basin::gpu::detail
