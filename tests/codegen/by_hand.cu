// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What empty_policy.cu is compared with: the same algorithm on the same tiles, products and copies, with softmax written straight
// into the loop, and neither policies nor a place for them.

#include <cmath>

#include "basin/core/math.hpp"
#include "basin/core/problem.hpp"
#include "basin/cuda/detail/products.hpp"
#include "basin/cuda/device.cuh"
#include "basin/cuda/tuning.hpp"

namespace {

namespace gpu = basin::gpu;
namespace math = basin::math;
using namespace basin::gpu::detail;
using basin::index, basin::view, basin::problem;
using E = basin::bfloat16;

constexpr int dim = 64;
constexpr gpu::tuning cut = gpu::default_tuning::of(sizeof(E), dim);
constexpr int threads = 32 * cut.warps, rows = 16 * cut.warps, columns = cut.columns, tiles = columns / 8;
using tile_type = shared_tile<E, dim>;
using scores_type = sums_of_warp<tiles>;

struct arguments {
  problem p;
  view<E const, 4> q, k, v;
  view<E, 4> out;
  float scale;
};

/// The lanes of a row: 4 t, ..., 4 t + 3.
__device__ float from_other(gpu::device const& m, float x, int mask) { return __uint_as_float(m.from_lane_xor(__float_as_uint(x), mask)); }
__device__ float max_over_row(gpu::device const& m, float x) {
  x = fmaxf(x, from_other(m, x, 1));
  return fmaxf(x, from_other(m, x, 2));
}
__device__ float sum_over_row(gpu::device const& m, float x) {
  x += from_other(m, x, 1);
  return x + from_other(m, x, 2);
}

__global__ void __launch_bounds__(threads) kernel_by_hand(arguments c) {
  gpu::device const m;
  problem const& p = c.p;
  index const group = p.heads / p.kv_heads, all = p.queries * group, blocks = (all + rows - 1) / rows;
  index const head_of_keys = m.block() / blocks, first = (blocks - 1 - m.block() % blocks) * rows, kv_head = head_of_keys % p.kv_heads;
  int const batch = static_cast<int>(head_of_keys / p.kv_heads), warp_row = m.thread() / 32 * 16;
  index const count = all - first < rows ? all - first : rows;
  auto const query = [&](index n) { return (first + n) / group; };
  auto const head = [&](index n) { return static_cast<int>(kv_head * group + (first + n) % group); };
  auto const tile_at = [&](int row) { return tile_type{reinterpret_cast<E*>(m.shared()) + row * tile_type::step}; };
  auto const fetch = [&](index at, int stage) {
    auto const one = [&](view<E const, 4> const& from, tile_type to) {
      copy_rows(m, threads, columns, dim, static_cast<int>(from.extent(3)), from.stride(3), to,
                [&](int r) { return at + r < p.keys ? &from(batch, kv_head, at + r, 0) : nullptr; });
    };
    one(c.k, tile_at(rows + stage * columns));
    one(c.v, tile_at(rows + (2 + stage) * columns));
  };

  copy_rows(m, threads, rows, dim, static_cast<int>(c.q.extent(3)), c.q.stride(3), tile_at(0),
            [&](int r) { return r < count ? &c.q(batch, head(r), query(r), 0) : nullptr; });
  float max[2] = {math::lowest<float>(), math::lowest<float>()}, sum[2] = {};
  sums_of_warp<dim / 8> out{};
  int stage = 0;
  fetch(0, stage);
  m.commit();
  for (index at = 0; at < p.keys; at += columns, stage = 1 - stage) {
    if (at + columns < p.keys) fetch(at + columns, 1 - stage);
    m.commit();
    m.wait_for_all_but<1>();
    m.sync();
    scores_type s{};
    multiply_rows<tiles>(m, tile_at(0), warp_row, tile_at(rows + stage * columns), s);
    bool const whole = at + columns <= p.keys;
    float highest[2] = {math::lowest<float>(), math::lowest<float>()};
    BASIN_UNROLL
    for (int n = 0; n < tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) {
        index const key = at + 8 * n + 2 * (m.thread() % 4) + e % 2;
        s[n][e] = whole || key < p.keys ? s[n][e] * c.scale : math::minus_inf<float>();
        highest[e / 2] = fmaxf(highest[e / 2], s[n][e]);
      }
    }
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      float const now = fmaxf(max[i], max_over_row(m, highest[i])), by = math::exp(max[i] - now);
      max[i] = now, sum[i] *= by;
      BASIN_UNROLL
      for (int n = 0; n < dim / 8; ++n) out[n][2 * i] *= by, out[n][2 * i + 1] *= by;
    }
    BASIN_UNROLL
    for (int n = 0; n < tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) {
        s[n][e] = math::exp(s[n][e] - max[e / 2]);
        sum[e / 2] += s[n][e];
      }
    }
    mix_rows<E>(m, s, tile_at(rows + (2 + stage) * columns), out);
    m.sync();
  }
  m.wait_for_all_but<0>();
  BASIN_UNROLL
  for (int i = 0; i < 2; ++i) {
    float const total = sum_over_row(m, sum[i]);
    index const n = warp_row + m.thread() % 32 / 4 + 8 * i;
    if (n < count)
      write_row(out, i, m.thread() % 4, p.value_dim, total == 0.0f ? 0.0f : 1.0f / total,
                [&](index d) -> E& { return c.out(batch, head(n), query(n), d); });
  }
}

}  // namespace

void launch_by_hand(arguments const& c, cudaStream_t stream) {
  int const group = static_cast<int>(c.p.heads / c.p.kv_heads);
  auto const blocks = c.p.batch * c.p.kv_heads * ((c.p.queries * group + rows - 1) / rows);
  kernel_by_hand<<<static_cast<unsigned>(blocks), threads, tile_type::bytes(rows + 4 * columns), stream>>>(c);
}
