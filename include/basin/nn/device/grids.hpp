// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What layers ask of a device, and the few shapes that their work has there: elements, rows, sums down columns, sums in blocks. A
// layer on a device has the name of that on the host and takes the device first; views and spans are then memory of the device, and
// nothing is waited for. The bodies run over a machine (cuda/machine.hpp), so tests run them on the host.

#include <concepts>
#include <cstring>

#include "basin/config.hpp"
#include "basin/core/math.hpp"
#include "basin/cuda/machine.hpp"
#include "basin/nn/rows.hpp"

namespace basin::nn {
namespace detail {

/// The least a grid is: it says how many blocks of how many threads run it, and what a thread of them does.
struct empty_grid {
  static constexpr int threads = 32, shared_bytes = 0;
  index_t blocks() const { return 0; }
  template <class M>
  BASIN_DEVICE void operator()(M const&) const {}
};

}  // namespace detail

/// Where layers run, other than here.
///
/// Requires  launch(who, grid): runs a grid, after all that was launched before; multiply(a, b, c, update): nn/matmul.hpp's product;
///           read(number): a number of the device's memory, once all that was launched has run. The first two wait for nothing
/// Laws      the same calls give the same bits
/// Models    nn/device/cuda.cuh
template <class D>
concept device = requires(D& on, detail::empty_grid const& grid, view<float const, 2> a, view<float, 2> c, double const* number) {
  on.launch("who", grid);
  on.multiply(a, a, c, update::add);
  { on.read(number) } -> std::same_as<double>;
};

namespace detail {

/// f(i) for every i below `count`, a thread each.
template <class F>
struct each_element {
  static constexpr int threads = 256, shared_bytes = 0;
  index_t count;
  F f;

  index_t blocks() const { return (count + threads - 1) / threads; }
  template <class M>
  BASIN_DEVICE void operator()(M const& m) const {
    index_t const i = m.block() * threads + m.thread();
    if (i < count) f(i);
  }
};

/// The 32 threads that share a row: each takes every 32nd element, and sums are the same bits in all.
template <class M>
struct row_lanes {
  static constexpr index_t width = 32;
  M const& machine;

  BASIN_DEVICE index_t lane() const { return machine.thread() % width; }
  template <class T>
  BASIN_DEVICE T sum(T mine) const {
    for (int mask = 1; mask < width; mask *= 2) mine += from(mine, mask);
    return mine;
  }
  template <class T>
  BASIN_DEVICE T max(T mine) const {
    for (int mask = 1; mask < width; mask *= 2) mine = math::max(mine, from(mine, mask));
    return mine;
  }

 private:
  template <class T>
  BASIN_DEVICE T from(T mine, int mask) const {
    basin::gpu::word words[sizeof(T) / sizeof(basin::gpu::word)];
    std::memcpy(words, &mine, sizeof(T));
    for (auto& w : words) w = machine.from_lane_xor(w, mask);
    std::memcpy(&mine, words, sizeof(T));
    return mine;
  }
};

/// f(lanes, i) for every row i, a warp each.
template <class F>
struct each_row {
  static constexpr int warps = 4, threads = 32 * warps, shared_bytes = 0;
  index_t rows;
  F f;

  index_t blocks() const { return (rows + warps - 1) / warps; }
  template <class M>
  BASIN_DEVICE void operator()(M const& m) const {
    index_t const i = m.block() * warps + m.thread() / 32;
    if (i < rows) f(row_lanes<M>{m}, i);
  }
};

/// f.add(d, sum_i f.term(i, d)) for every column d. A block takes 32 columns; its warps take rows in turn and are added in order.
template <class T, class F>
struct each_column {
  static constexpr int warps = 16, threads = 32 * warps, shared_bytes = threads * sizeof(T);
  index_t rows, columns;
  F f;

  index_t blocks() const { return (columns + 31) / 32; }
  template <class M>
  BASIN_DEVICE void operator()(M const& m) const {
    T* const sums = reinterpret_cast<T*>(m.shared());            // [warps, 32]
    index_t const column = m.block() * 32 + m.thread() % 32;
    T sum = 0;
    if (column < columns)
      for (index_t i = m.thread() / 32; i < rows; i += warps) sum += f.term(i, column);
    sums[m.thread()] = sum;
    m.sync();
    if (m.thread() >= 32 || column >= columns) return;
    for (int warp = 1; warp < warps; ++warp) sum += sums[32 * warp + m.thread()];
    f.add(column, sum);
  }
};

/// out[b] = sum of f(i) over block b of the indices below `count`, in double; an empty sum where there are none.
template <class F>
struct block_sums {
  static constexpr int threads = 256, shared_bytes = threads * sizeof(double);
  index_t count, each;                                           // indices; of a block
  double* out;
  F f;

  index_t blocks() const { return count > each ? (count + each - 1) / each : 1; }
  template <class M>
  BASIN_DEVICE void operator()(M const& m) const {
    double* const sums = reinterpret_cast<double*>(m.shared());  // [threads]
    index_t const end = (m.block() + 1) * each, last = end < count ? end : count;
    double sum = 0;
    for (index_t i = m.block() * each + m.thread(); i < last; i += threads) sum += f(i);
    sums[m.thread()] = sum;
    for (int half = threads / 2; half > 0; half /= 2) {
      m.sync();
      if (m.thread() < half) sums[m.thread()] += sums[m.thread() + half];
    }
    if (m.thread() == 0) out[m.block()] = sums[0];
  }
};

}  // namespace detail
}  // namespace basin::nn
