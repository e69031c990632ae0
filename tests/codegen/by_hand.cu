// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The kernel that empty_policy.cu is compared with: the same algorithm on the same tiles, products and copies, with
// softmax written directly into the loop, without policies or slots for them.

#include <cmath>

#include "basin/core/math.hpp"
#include "basin/core/problem.hpp"
#include "basin/cuda/detail/products.hpp"
#include "basin/cuda/detail/rows.hpp"
#include "basin/cuda/device.cuh"
#include "basin/cuda/tuning.hpp"

namespace {

namespace gpu = basin::gpu;
namespace math = basin::math;
using namespace basin::gpu::detail;
using basin::index_t, basin::view, basin::problem;
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
  float slope;                                                   // log2(e) / sqrt(dim)
};

__device__ float sum_over_row(gpu::device const& m, float x) {
  for (int mask = 1; mask < 4; mask *= 2) x += __uint_as_float(m.from_lane_xor(__float_as_uint(x), mask));
  return x;
}

__global__ void __launch_bounds__(threads) kernel_by_hand(arguments c) {
  gpu::device const m;
  problem const& p = c.p;
  index_t const group = p.heads / p.kv_heads, all = p.queries * group, blocks = (all + rows - 1) / rows;
  index_t const head_of_keys = m.block() / blocks, first = (blocks - 1 - m.block() % blocks) * rows;
  index_t const kv_head = head_of_keys % p.kv_heads;
  int const batch = static_cast<int>(head_of_keys / p.kv_heads), warp_row = m.thread() / 32 * 16;
  index_t const low = first / group;                             // the query of the first row
  unsigned const count = static_cast<unsigned>(all - first < rows ? all - first : rows);
  unsigned const heads = static_cast<unsigned>(group), before = static_cast<unsigned>(first % group);
  auto const query = [&](unsigned n) { return low + (before + n) / heads; };
  auto const head = [&](unsigned n) {
    return static_cast<int>(static_cast<unsigned>(kv_head) * heads + (before + n) % heads);
  };
  auto const tile_at = [&](int row) { return tile_type{reinterpret_cast<E*>(m.shared()) + row * tile_type::step}; };
  auto const fetch = [&](index_t at, int stage) {
    int const left = static_cast<int>(p.keys - at < columns ? p.keys - at : columns);
    auto const one = [&](view<E const, 4> const& from, tile_type to) {
      auto* const start = &from(batch, kv_head, at, 0);
      index_t const step = from.stride(2);
      copy_rows<threads, columns, dim>(m, from, to, [&](int r) { return r < left; },
                                       [&](int r) { return start + static_cast<unsigned>(r) * step; });
    };
    one(c.k, tile_at(rows + stage * columns));
    one(c.v, tile_at(rows + (2 + stage) * columns));
  };

  copy_rows<threads, rows, dim>(m, c.q, tile_at(0), [&](unsigned r) { return r < count; },
                                [&](unsigned r) { return &c.q(batch, head(r), query(r), 0); });
  float top[2] = {math::lowest<float>(), math::lowest<float>()};
  float offset[2] = {}, sum[2] = {};                             // offset = slope * top
  sums_of_warp<dim / 8> out;
  int stage = 0;
  fetch(0, stage);
  m.commit();
  for (index_t at = 0; at < p.keys; at += columns, stage = 1 - stage) {
    if (at + columns < p.keys) fetch(at + columns, 1 - stage);
    m.commit();
    m.wait_for_all_but<1>();
    m.sync();
    scores_type s{};
    multiply_rows<E, tiles>(m, tile_at(0), warp_row, tile_at(rows + stage * columns), s);
    if (at + columns > p.keys) {
      BASIN_UNROLL
      for (int n = 0; n < tiles; ++n) {
        BASIN_UNROLL
        for (int e = 0; e < 4; ++e)
          if (at + 8 * n + 2 * (m.thread() % 4) + e % 2 >= p.keys) s[n][e] = math::minus_inf<float>();
      }
    }
    float highest[2] = {math::minus_inf<float>(), math::minus_inf<float>()};
    BASIN_UNROLL
    for (int n = 0; n < tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) highest[e / 2] = fmaxf(highest[e / 2], s[n][e]);
    }
    highest[0] = largest_over_row(m, highest[0]), highest[1] = largest_over_row(m, highest[1]);
    bool const rises = m.any_of_warp(highest[0] > top[0] || highest[1] > top[1]);
    float by[2] = {1.0f, 1.0f};
    if (rises) {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        float const now = fmaxf(top[i], highest[i]);
        by[i] = math::exp2(c.slope * (top[i] - now));
        top[i] = now, offset[i] = c.slope * now, sum[i] *= by[i];
      }
    }
    BASIN_UNROLL
    for (int n = 0; n < tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) {
        s[n][e] = math::exp2(math::fma(c.slope, s[n][e], -offset[e / 2]));
        sum[e / 2] += s[n][e];
      }
    }
    if (rises) {
      BASIN_UNROLL
      for (int n = 0; n < dim / 8; ++n) {
        BASIN_UNROLL
        for (int e = 0; e < 4; ++e) out[n][e] *= by[e / 2];
      }
    }
    mix_rows<E, steps::all>(m, s, tile_at(rows + (2 + stage) * columns), out);
    m.sync();
  }
  m.wait_for_all_but<0>();
  BASIN_UNROLL
  for (int i = 0; i < 2; ++i) {
    float const total = sum_over_row(m, sum[i]);
    unsigned const n = static_cast<unsigned>(warp_row + m.thread() % 32 / 4 + 8 * i);
    float const factor = total == 0.0f ? 0.0f : 1.0f / total;
    if (n < count) write_row(m, out, i, p.value_dim, factor, &c.out(batch, head(n), query(n), 0), c.out.stride(3));
  }
}

}  // namespace

void launch_by_hand(arguments const& c, cudaStream_t stream) {
  int const group = static_cast<int>(c.p.heads / c.p.kv_heads);
  auto const blocks = c.p.batch * c.p.kv_heads * ((c.p.queries * group + rows - 1) / rows);
  kernel_by_hand<<<static_cast<unsigned>(blocks), threads, tile_type::bytes(rows + 4 * columns), stream>>>(c);
}
