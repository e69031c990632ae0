// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/ on a device in random shapes: lengths, heads in groups, dims, strides, storage. Only tests/gpu.sh builds
// and runs it.
#include "gpu/compare.hpp"

namespace basin_test {

namespace {

index_t drawn(splitmix& rng, index_t low, index_t high) {
  return low + static_cast<index_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
}

/// Lengths of 1 to 300, at most 8 query heads in all, dims of 8 to 256 from each range with its own kernels, any
/// layout. Every other shape suits the TMA copies of Hopper: dense, and dims of multiples of 16 bytes.
shape random_shape(std::uint64_t seed) {
  splitmix rng{seed};
  constexpr index_t least[] = {8, 65, 129}, most[] = {64, 128, 256};
  auto const range = seed % 3;
  index_t const kv_heads = drawn(rng, 1, 2), group = drawn(rng, 1, 4 / kv_heads);
  shape s{drawn(rng, 1, 2),   kv_heads * group,   kv_heads, drawn(rng, 1, 300), drawn(rng, 1, 300),
          drawn(rng, least[range], most[range]), 0};
  s.value_dim = rng() % 2 == 0 ? s.dim : drawn(rng, 8, most[range]);
  s.inputs = static_cast<layout>(rng() % 5), s.outputs = static_cast<layout>(rng() % 4);
  if (seed % 2 == 0) {
    s.dim = (s.dim + 7) / 8 * 8, s.value_dim = (s.value_dim + 7) / 8 * 8;
    s.inputs = static_cast<layout>(rng() % 2);
  }
  return s;
}

template <int N, int Storage>
void compare_shape(shape const& s, std::uint64_t seed) {
  INFO(shape_policy_names[N] << ", storage " << Storage << ", seed " << seed << ", " << description(s));
  auto const use = std::get<N>(shape_policies());
  auto const limit = [](double q, double k) { return 16 * q * k; };  // of the argument of a soft cap
  call<double> const sizes(s, numbers::normal, seed);
  double const bend = limit(largest_norm(sizes.q), largest_norm(sizes.k));
  device_comparison<input_at<Storage>, output_at<Storage>, decltype(use)> c(use, s, numbers::normal, 1, bend, seed);
  c.forward();
  c.backward();
  c.blind();
  c.training(use);
}

void compare_shape_of_every_kind(shape const& s, std::uint64_t seed) {
  for_each_number<shape_policy_count>([&](auto n) {
    for_each_number<storage_count>([&](auto storage) { compare_shape<n, storage>(s, seed); });
  });
}

void compare_shapes(std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t seed = first; seed < last; ++seed) compare_shape_of_every_kind(random_shape(seed), seed);
}

}  // namespace

TEST_CASE("a device agrees with the reference in random shapes", "[gpu][shapes]") { compare_shapes(1, 13); }

TEST_CASE("a device agrees with the reference at the edges of its tiles", "[gpu][shapes]") {
  for (shape const& s :
       {shape{1, 1, 1, 1, 1, 64, 64}, shape{1, 2, 1, 64, 64, 64, 64}, shape{1, 1, 1, 128, 128, 128, 128},
        shape{1, 2, 2, 129, 127, 128, 128}, shape{1, 4, 1, 65, 63, 64, 64}, shape{1, 1, 1, 257, 255, 256, 256},
        shape{2, 2, 2, 192, 192, 64, 64}})
    compare_shape_of_every_kind(s, 3);
}

TEST_CASE("reduced: a few shapes", "[gpu][shapes][reduced]") {
  for (shape const& s :
       {shape{1, 2, 1, 70, 90, 40, 64, layout::padded, layout::padded}, shape{1, 1, 1, 33, 65, 128, 128},
        shape{1, 2, 2, 17, 40, 200, 256, layout::dim_first, layout::length_first}})
    compare_shape_of_every_kind(s, 5);
}

}  // namespace basin_test
