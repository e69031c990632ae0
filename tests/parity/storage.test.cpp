// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/backward.hpp and cpu/detail/tiles.hpp with 16-bit storage, against the reference on the
// same numbers, under several tunings.
#include <omp.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "basin/basin.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace {

using basin::index_t;

struct sizes {
  index_t batch, heads, kv_heads, queries, keys, dim, value_dim;
};

/// Whole tiles, parts of tiles, one query, more queries than keys, grouped heads, dims that do not fill vectors.
constexpr sizes shapes[] = {{1, 1, 1, 48, 64, 32, 32},   {2, 4, 2, 130, 150, 64, 40}, {1, 2, 1, 97, 200, 24, 50},
                            {1, 2, 2, 1, 300, 128, 128}, {1, 4, 1, 17, 33, 96, 16},   {1, 1, 1, 300, 300, 8, 8},
                            {1, 1, 1, 70, 129, 33, 7},   {1, 3, 3, 64, 515, 256, 64}};

constexpr basin::cpu::tuning cuts[] = {
    {},
    {.keys_per_block = 32, .keys_per_step = 32, .panels_together = 1},
    {.keys_per_block = 64, .keys_per_step = 64, .panels_together = 3, .panel_bytes = 1},
    {.keys_per_block = 5, .keys_per_step = 2, .panels_together = 2, .panel_bytes = 1, .tasks = 3}};

/// A tensor [batch, heads, length, dim] with the memory layout [batch, length, heads, dim].
template <class S>
struct tensor {
  index_t batch, heads, length, dim;
  std::vector<S> memory;

  tensor(index_t b, index_t h, index_t l, index_t d)
      : batch(b),
        heads(h),
        length(l),
        dim(d),
        memory(static_cast<std::size_t>(b * h * l * d)) {}
  template <class View = S>
  basin::view<View, 4> view() {
    return basin::strided<View>(memory.data(), std::array<index_t, 4>{batch, heads, length, dim},
                                std::array<index_t, 4>{length * heads * dim, dim, heads * dim, 1});
  }
  basin::view<S const, 4> read() { return view<S const>(); }
  void draw(basin::philox& rng) {
    for (S& x : memory) x = S(static_cast<float>(4 * basin::uniform(rng) - 2));
  }
};

template <class S>
tensor<double> exact(tensor<S> const& t) {
  tensor<double> copy(t.batch, t.heads, t.length, t.dim);
  std::copy(t.memory.begin(), t.memory.end(), copy.memory.begin());
  return copy;
}

template <class S>
struct inputs {
  tensor<S> q, k, v, dout;
  explicit inputs(sizes const& s)
      : q(s.batch, s.heads, s.queries, s.dim),
        k(s.batch, s.kv_heads, s.keys, s.dim),
        v(s.batch, s.kv_heads, s.keys, s.value_dim),
        dout(s.batch, s.heads, s.queries, s.value_dim) {
    basin::philox rng(11);
    q.draw(rng), k.draw(rng), v.draw(rng), dout.draw(rng);
  }
};

/// Half the distance from 1 to the next number.
template <class S>
constexpr double unit_of() {
  return std::is_same_v<S, basin::bfloat16> ? 0x1p-8 : 0x1p-11;
}

/// |got - want| <= unit (|want| + extra): the rounding of the result, and `extra` for earlier roundings.
template <class S>
bool close(tensor<S> const& got, tensor<double> const& want, double extra) {
  for (std::size_t i = 0; i < want.memory.size(); ++i)
    if (!(std::fabs(static_cast<double>(static_cast<float>(got.memory[i])) - want.memory[i]) <=
          unit_of<S>() * (std::fabs(want.memory[i]) + extra)))
      return false;
  return true;
}

template <class F>
void for_each_policy(F&& f) {
  basin::attention<> const full;
  f("softmax", full);
  f("causal", full.with(basin::causal{}));
  f("window", full.with(basin::sliding_window{.left = 20}));
  f("soft cap", full.with(basin::soft_cap{3}).with(basin::causal{}));
  f("sparsemax", full.with(basin::sparsemax{}).with(basin::causal{}));
  f("entmax", full.with(basin::entmax15{}));
  f("ssmax", full.with(basin::length_scaled<basin::softmax>{}).with(basin::causal{}));
}

}  // namespace

TEMPLATE_TEST_CASE("16-bit forward agrees with the reference under every tuning", "[parity][cpu][half]",
                   basin::bfloat16, basin::float16) {
  for (sizes const& s : shapes) {
    inputs<TestType> in(s);
    auto q = exact(in.q), k = exact(in.k), v = exact(in.v);
    for_each_policy([&](char const* name, auto const& use) {
      CAPTURE(name, s.queries, s.keys, s.dim, s.value_dim);
      tensor<double> want(s.batch, s.heads, s.queries, s.value_dim);
      basin::reference::forward(use, q.read(), k.read(), v.read(), want.view());
      for (auto const& cut : cuts) {
        tensor<TestType> out(s.batch, s.heads, s.queries, s.value_dim);
        basin::cpu::forward(use, in.q.read(), in.k.read(), in.v.read(), out.view(), cut);
        CHECK(close(out, want, 2.0));  // weights are rounded once: unit times the largest value
      }
    });
  }
}

TEMPLATE_TEST_CASE("16-bit backward agrees with the reference under every tuning", "[parity][cpu][half]",
                   basin::bfloat16, basin::float16) {
  for (sizes const& s : shapes) {
    inputs<TestType> in(s);
    auto q = exact(in.q), k = exact(in.k), v = exact(in.v), dout = exact(in.dout);
    for_each_policy([&](char const* name, auto const& use) {
      CAPTURE(name, s.queries, s.keys, s.dim, s.value_dim);
      tensor<double> dq(s.batch, s.heads, s.queries, s.dim), dk(s.batch, s.kv_heads, s.keys, s.dim),
          dv(s.batch, s.kv_heads, s.keys, s.value_dim);
      basin::reference::backward(use, q.read(), k.read(), v.read(), dout.read(), dq.view(), dk.view(), dv.view());
      for (auto const& cut : cuts) {
        tensor<TestType> gq(s.batch, s.heads, s.queries, s.dim), gk(s.batch, s.kv_heads, s.keys, s.dim),
            gv(s.batch, s.kv_heads, s.keys, s.value_dim);
        basin::cpu::backward(use, in.q.read(), in.k.read(), in.v.read(), in.dout.read(), gq.view(), gk.view(),
                             gv.view(), cut);
        CHECK(close(gq, dq, 0.25));                              // computed in fp32: far below one unit
        CHECK(close(gk, dk, 0.25));
        CHECK(close(gv, dv, 0.25));
      }
    });
  }
}

TEST_CASE("bf16 outputs and received attention have the same bits for any number of threads and any tile group",
          "[parity][cpu][half]") {
  sizes const s{1, 4, 2, 201, 333, 64, 64};
  inputs<basin::bfloat16> in(s);
  std::vector<std::vector<basin::bfloat16>> outs;
  std::vector<std::vector<double>> sums;
  int const before = omp_get_max_threads();
  for (int const threads : {1, 2, 3})
    for (index_t const together : {1, 8}) {
      omp_set_num_threads(threads);
      tensor<basin::bfloat16> out(s.batch, s.heads, s.queries, s.value_dim);
      std::vector<double> received(static_cast<std::size_t>(s.heads * s.keys));
      auto const use =
          basin::attention<>{}
              .with(basin::causal{})
              .with(basin::received_attention{basin::contiguous(received.data(), s.batch, s.heads, s.keys)});
      basin::cpu::forward(use, in.q.read(), in.k.read(), in.v.read(), out.view(), {.panels_together = together});
      outs.push_back(out.memory);
      sums.push_back(received);
    }
  omp_set_num_threads(before);
  for (auto const& out : outs) CHECK(std::memcmp(out.data(), outs[0].data(), out.size() * sizeof(out[0])) == 0);
  for (auto const& sum : sums) CHECK(sum == sums[0]);
}

TEST_CASE("a NaN among bf16 values reaches only rows to which it is visible", "[parity][cpu][half]") {
  sizes const s{1, 1, 1, 100, 100, 32, 32};
  inputs<basin::bfloat16> in(s);
  auto const use = basin::attention<>{}.with(basin::causal{});
  tensor<basin::bfloat16> clean(1, 1, 100, 32), spoiled(1, 1, 100, 32);
  basin::cpu::forward(use, in.q.read(), in.k.read(), in.v.read(), clean.view());
  index_t const bad = 61;
  in.v.view()(0, 0, bad, 3) = basin::bfloat16(std::numeric_limits<float>::quiet_NaN());
  basin::cpu::forward(use, in.q.read(), in.k.read(), in.v.read(), spoiled.view());
  for (index_t i = 0; i < 100; ++i) {
    CAPTURE(i);
    CHECK(std::isnan(static_cast<float>(spoiled.view()(0, 0, i, 3))) == (i >= bad));
    if (i < bad / 32 * 32) CHECK(spoiled.view()(0, 0, i, 5).bits == clean.view()(0, 0, i, 5).bits);
  }
}

}  // namespace basin_test
