// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The operations that layers need from a device, and the four shapes of their work: elements, rows, sums down columns,
// sums in blocks. A layer on a device has the name of its host counterpart and takes the device as its first argument.
// Its views and spans are device memory, and it does not wait for the device. The bodies run over a machine
// (cuda/machine.hpp), so tests run them on the host.

#include <concepts>
#include <cstring>

#include "basin/config.hpp"
#include "basin/core/math.hpp"
#include "basin/cuda/machine.hpp"
#include "basin/nn/rows.hpp"

namespace basin::nn {
namespace detail {

/// The smallest grid. A grid gives its number of blocks, their number of threads, and the work of one thread.
struct empty_grid {
  static constexpr int threads = 32, shared_bytes = 0;
  index_t blocks() const { return 0; }
  template <class M>
  BASIN_DEVICE void operator()(M const&) const {}
};

}  // namespace detail

/// A device on which layers run.
///
/// Requires  launch(function, grid): runs a grid after all earlier launches; multiply(a, b, c, update): the product of
///           nn/matmul.hpp; read(number): returns a number from device memory after all earlier launches have run.
///           launch and multiply do not wait
/// Laws      the same calls give the same bits
/// Models    nn/device/cuda.cuh
template <class D>
concept device = requires(D& on, detail::empty_grid const& grid, view<float const, 2> a, view<float, 2> c,
                          double const* number) {
  on.launch("name", grid);
  on.multiply(a, a, c, update::add);
  { on.read(number) } -> std::same_as<double>;
};

namespace detail {

/// f(i) for every i below `count`, one thread each.
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

/// The 32 threads that share a row. Each processes every 32nd element; sums have the same bits in all of them.
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

/// f(lanes, i) for every row i, one warp each.
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

/// f.add(d, sum_i f.term(i, d)) for every column d. A block processes 32 columns. Its warps take rows in turn; their
/// sums are added in order.
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

/// out[b] = the sum of f(i) over block b of the indices below `count`, in double; 0 if count is 0.
template <class F>
struct block_sums {
  static constexpr int threads = 256, shared_bytes = threads * sizeof(double);
  index_t count, each;                                           // number of indices; indices per block
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
