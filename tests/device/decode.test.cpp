// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/detail/split_block.hpp, keys.hpp: few queries and keys in parts and in pages, on the host.
#include "basin/basin.hpp"
#include "device/host_engine.hpp"
#include "parity/policies.hpp"

namespace basin_test {

TEST_CASE("decoding keys in parts of every size agrees with the reference, observers included", "[device]") {
  for (shape const& s : {shape{1, 4, 2, 1, 131, 16, 24, layout::length_first, layout::padded},
                         shape{2, 6, 2, 3, 70, 32, 8}, shape{1, 3, 1, 5, 3, 8, 8}})
    for (index_t const part : {16, 48, 200}) {
      INFO("parts of " << part);
      auto const engine = [&](auto const& use, auto& c) {
        host_decode(use, c.s, c.q.v, c.k.v, c.v.v, c.out.v, part);
      };
      basin::attention<> const full;
      auto const window = full.with(basin::sliding_window{.left = 20}).with(basin::softmax_n{});
      compare_observed<float>(full, s, numbers::normal, 1, engine);
      compare_observed<float>(full.with(basin::causal{}), s, numbers::normal, 1, engine);
      compare_observed<float>(window, s, numbers::normal, 1, engine);
    }
}

TEST_CASE("one warp decodes few rows", "[device]") {
  shape const s{2, 6, 2, 3, 70, 32, 8};
  auto const engine = [](auto const& use, auto& c) {
    host_decode_of<basin::gpu::few_rows_tuning>(use, c.s, c.q.v, c.k.v, c.v.v, c.out.v, 32);
  };
  compare_observed<float>(basin::attention<>{}.with(basin::causal{}), s, numbers::normal, 1, engine);
}

TEST_CASE("decoding sequences of different lengths in pages agrees with the CPU engine", "[device]") {
  basin::cpu::key_value_cache<float> cache({.kv_heads = 2, .dim = 16, .value_dim = 8, .page_size = 8});
  std::vector<basin::cpu::sequence> step;
  for (index_t const length : {37, 0, 64, 5}) {
    step.push_back(cache.open());
    if (length == 0) continue;
    tensor<float> k({1, 2, length, 16}), v({1, 2, length, 8});
    k.fill_normal(static_cast<std::uint64_t>(length)), v.fill_normal(static_cast<std::uint64_t>(length) + 1);
    cache.append(step.back(), k.v, v.v);
  }
  auto const batch = cache.batch(step);
  auto const keys = batch.keys(), values = batch.values();
  tensor<float> q({4, 4, 2, 16}), expected({4, 4, 2, 8}), out({4, 4, 2, 8});
  q.fill_normal(99);
  auto const use = basin::attention<>{}.with(basin::causal{});
  basin::cpu::decode(use, q.v, keys, values, expected.v);
  basin::problem const p{4, 4, 2, 2, keys.table.extent(1) * 8, 16, 8};
  host_decode(use, p, basin::view<float const, 4>(q.v), keys, values, out.v, 16);
  CHECK(out.all_written());
  CHECK(distance(out, expected) <= 1e-5);
}

}  // namespace basin_test
