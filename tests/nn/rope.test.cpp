// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers the pairings and tables of nn/rope.hpp, and nn/rope_scaling.hpp
#include "basin/nn/rope.hpp"

#include <limits>

#include "basin/nn/rope_scaling.hpp"
#include "nn/gradients.hpp"
#include "nn/same_bits.hpp"
#include "support/tolerance.hpp"

namespace basin {

using basin_test::Approx, basin_test::ContainsSubstring, basin_test::eps_of;
using nn_test::random_values;

namespace {

/// Features d and d + dim/2 move to 2d and 2d + 1.
std::vector<double> interleaved(std::vector<double> const& x, std::size_t dim) {
  std::vector<double> y(x.size());
  for (std::size_t first = 0; first < x.size(); first += dim)
    for (std::size_t d = 0; d < dim / 2; ++d) {
      y[first + 2 * d] = x[first + d];
      y[first + 2 * d + 1] = x[first + d + dim / 2];
    }
  return y;
}

void require_frequencies(nn::rope_frequencies const& f, std::vector<double> const& expected, double amplitude) {
  REQUIRE(f.values.size() == expected.size());
  for (std::size_t d = 0; d < expected.size(); ++d) {
    CAPTURE(d);
    CHECK(f.values[d] == Approx(expected[d]).epsilon(1e-13));    // a power: eps times its exponent, below 20 e-folds
  }
  CHECK(f.amplitude == Approx(amplitude).epsilon(1e-15));
}

}  // namespace

TEST_CASE("pairs of neighbours rotate as pairs of halves do after a permutation of the features", "[property][nn]") {
  auto const dim = GENERATE(2, 6, 34);
  index_t const heads = 2, length = 5;
  auto const frequencies = nn::frequencies_of(dim, 100);
  nn::rope_table<double> const halves(9, frequencies.values);
  nn::rope_table<double> const neighbours(9, frequencies.values, nn::rope_pairing::neighbours);
  CHECK(halves.pairing() == nn::rope_pairing::halves);
  CHECK(neighbours.pairing() == nn::rope_pairing::neighbours);
  CHECK(neighbours.dim() == dim);
  auto x = random_values(1, static_cast<std::size_t>(heads * length * dim));
  auto y = interleaved(x, static_cast<std::size_t>(dim));
  auto const require_equal = [&] {
    auto const expected = interleaved(x, static_cast<std::size_t>(dim));
    for (std::size_t n = 0; n < x.size(); ++n) REQUIRE(std::abs(y[n] - expected[n]) <= 32 * eps_of<double>);
  };
  nn::rope_forward(nn::host{}, contiguous(x.data(), 1, heads, length, dim), halves, 3);
  nn::rope_forward(nn::host{}, contiguous(y.data(), 1, heads, length, dim), neighbours, 3);
  require_equal();
  nn::rope_backward(nn::host{}, contiguous(x.data(), 1, heads, length, dim), halves, 1);
  nn::rope_backward(nn::host{}, contiguous(y.data(), 1, heads, length, dim), neighbours, 1);
  require_equal();
}

TEST_CASE("a rotation of neighbours turns features 2d and 2d + 1 by the angle of pair d", "[unit][nn]") {
  std::vector<double> const frequencies{1, 0.1};
  nn::rope_table<double> const table(8, frequencies, nn::rope_pairing::neighbours);
  std::vector<double> x{1, 2, 3, 4};
  nn::rope_forward(nn::host{}, contiguous(x.data(), 1, 1, 1, 4), table, 5);
  CHECK(x[0] == Approx(1 * std::cos(5.0) - 2 * std::sin(5.0)));
  CHECK(x[1] == Approx(2 * std::cos(5.0) + 1 * std::sin(5.0)));
  CHECK(x[2] == Approx(3 * std::cos(0.5) - 4 * std::sin(0.5)));
  CHECK(x[3] == Approx(4 * std::cos(0.5) + 3 * std::sin(0.5)));
}

TEST_CASE("under every scaling, scores depend on the distance alone, and on the square of the amplitude",
          "[property][nn]") {
  auto const pairing = GENERATE(nn::rope_pairing::halves, nn::rope_pairing::neighbours);
  nn::rope_scaling const scaling = GENERATE(
      nn::rope_scaling(nn::unscaled{}), nn::rope_scaling(nn::linear_scaling{4}), nn::rope_scaling(nn::ntk_scaling{4}),
      nn::rope_scaling(nn::yarn_scaling{4, 64}),
      nn::rope_scaling(nn::llama3_scaling{.factor = 4, .original_context = 64}));
  auto const frequencies = nn::frequencies_of(16, 1e4, scaling);
  nn::rope_table<double> const table(64, frequencies.values, pairing, frequencies.amplitude);
  auto const score = [&](index_t query, index_t key) {
    auto q = random_values(1, 16), k = random_values(2, 16);
    nn::rope_forward(nn::host{}, contiguous(q.data(), 1, 1, 1, 16), table, query);
    nn::rope_forward(nn::host{}, contiguous(k.data(), 1, 1, 1, 16), table, key);
    return nn_test::dot(q, k);
  };
  for (index_t const shift : {1, 20, 50}) CHECK(score(3 + shift, 7 + shift) == Approx(score(3, 7)).epsilon(1e-12));
  double const plain = nn_test::dot(random_values(1, 16), random_values(2, 16));
  CHECK(score(5, 5) == Approx(frequencies.amplitude * frequencies.amplitude * plain).epsilon(1e-12));
}

TEST_CASE("the gradient of a rotation agrees with finite differences for both pairings, with an amplitude",
          "[property][nn]") {
  auto const pairing = GENERATE(nn::rope_pairing::halves, nn::rope_pairing::neighbours);
  nn::rope_table<double> const table(16, nn::frequencies_of(6, 50).values, pairing, 1.3);
  index_t const heads = 2, length = 3, dim = 6;
  auto x = random_values(1, static_cast<std::size_t>(heads * length * dim));
  auto const dy = random_values(2, x.size());
  auto const loss = [&] {
    auto y = x;
    nn::rope_forward(nn::host{}, contiguous(y.data(), 1, heads, length, dim), table, 2);
    return nn_test::dot(y, dy);
  };
  auto dx = dy;
  nn::rope_backward(nn::host{}, contiguous(dx.data(), 1, heads, length, dim), table, 2);
  nn_test::require_gradient(x, dx, loss);
}

TEST_CASE("a table from a base equals the table from its frequencies, and rotations have the same bits for any threads",
          "[property][nn]") {
  nn::rope_table<float> const from_base(300, 16, 1e4), from_frequencies(300, nn::frequencies_of(16, 1e4).values);
  for (index_t p = 0; p < 300; ++p)
    for (index_t d = 0; d < 8; ++d) {
      REQUIRE(from_base.cosine(p)[d] == from_frequencies.cosine(p)[d]);
      REQUIRE(from_base.sine(p)[d] == from_frequencies.sine(p)[d]);
    }
  nn::rope_table<float> const neighbours(300, nn::frequencies_of(16, 1e4).values, nn::rope_pairing::neighbours);
  for (auto const* table : {&from_base, &neighbours})
    nn_test::require_same_bits([&] {
      auto x = random_values<float>(1, 4 * 300 * 16);
      nn::rope_forward(nn::host{}, contiguous(x.data(), 2, 2, 300, 16), *table);
      return x;
    });
}

// The numbers of the next four tests come from a Python transcription of modeling_rope_utils.py of Hugging Face
// transformers, in double.

TEST_CASE("unscaled, linear and NTK frequencies agree with numbers of the published code", "[unit][nn]") {
  require_frequencies(nn::frequencies_of(8, 1e4), {1, 0.1, 0.01, 0.001}, 1);
  require_frequencies(nn::frequencies_of(8, 1e4, nn::linear_scaling{4}), {0.25, 0.025, 0.0025, 0.00025}, 1);
  require_frequencies(nn::frequencies_of(8, 1e4, nn::ntk_scaling{4}),
                      {1, 0.06299605249474366, 0.003968502629920499, 0.00025}, 1);
}

TEST_CASE("YaRN frequencies and their amplitude agree with numbers of the published code", "[unit][nn]") {
  require_frequencies(nn::frequencies_of(16, 1e4, nn::yarn_scaling{4, 2048}),
                      {1, 0.31622776601683794, 0.1, 0.02569350598886808, 0.00625, 0.0013834964763236657, 0.00025,
                       7.905694150420948e-05},
                      1.138629436111989);
}

TEST_CASE("Llama 3 frequencies agree with numbers of the published code", "[unit][nn]") {
  require_frequencies(nn::frequencies_of(16, 5e5, nn::llama3_scaling{}),
                      {1, 0.19392274474868576, 0.03760603093086393, 0.0072926647372171085, 0.0005248461609929547,
                       3.428102195952591e-05, 6.647869871181236e-06, 1.2891731721515574e-06},
                      1);
  require_frequencies(nn::frequencies_of(16, 5e5, nn::llama3_scaling{.factor = 32}),
                      {1, 0.19392274474868576, 0.03760603093086393, 0.0072926647372171085, 0.00042955679655936815,
                       8.570255489881478e-06, 1.661967467795309e-06, 3.2229329303788936e-07},
                      1);
}

TEST_CASE("scalings by factor 1 change nothing, and extreme contexts keep or divide all slow pairs", "[unit][nn]") {
  auto const plain = nn::frequencies_of(32, 1e4).values;
  for (nn::rope_scaling const scaling :
       {nn::rope_scaling(nn::linear_scaling{1}), nn::rope_scaling(nn::ntk_scaling{1}),
        nn::rope_scaling(nn::yarn_scaling{1, 2048}), nn::rope_scaling(nn::llama3_scaling{.factor = 1})})
    require_frequencies(nn::frequencies_of(32, 1e4, scaling), plain, 1);
  auto quarters = plain;
  for (double& theta : quarters) theta /= 4;
  double const amplitude = 0.1 * std::log(4.0) + 1;
  index_t const vast = index_t{1} << 50;                         // every pair turns more than 32 times
  require_frequencies(nn::frequencies_of(32, 1e4, nn::yarn_scaling{4, vast}), plain, amplitude);
  require_frequencies(nn::frequencies_of(32, 1e4, nn::llama3_scaling{.factor = 4, .original_context = vast}), plain, 1);
  require_frequencies(nn::frequencies_of(32, 1e4, nn::llama3_scaling{.factor = 4, .original_context = 1}), quarters, 1);
  quarters[0] = 1;                                               // YaRN never divides pair 0
  require_frequencies(nn::frequencies_of(32, 1e4, nn::yarn_scaling{4, 1}), quarters, amplitude);
}

TEST_CASE("tables and scalings refuse invalid numbers, and name them", "[unit][nn]") {
  std::vector<double> const one{1.0}, none, infinite{1.0, std::numeric_limits<double>::infinity()};
  CHECK_THROWS_WITH(nn::rope_table<float>(0, one), ContainsSubstring("rope_table: 0 positions"));
  CHECK_THROWS_WITH(nn::rope_table<float>(4, none), ContainsSubstring("there are 0 frequencies"));
  CHECK_THROWS_WITH(nn::rope_table<float>(4, infinite), ContainsSubstring("frequency 1 is inf"));
  CHECK_THROWS_WITH(nn::rope_table<float>(4, one, nn::rope_pairing::halves, 0), ContainsSubstring("amplitude is 0"));
  CHECK_THROWS_WITH(nn::rope_table<float>(4, 3, 1e4), ContainsSubstring("rope_table: dim is 3"));
  CHECK_THROWS_WITH(nn::rope_table<float>(4, 4, 0), ContainsSubstring("rope_table: base is 0"));
  auto const refused = [](index_t dim, double base, nn::rope_scaling const& scaling, std::string const& said) {
    CHECK_THROWS_AS(nn::frequencies_of(dim, base, scaling), value_error);
    CHECK_THROWS_WITH(nn::frequencies_of(dim, base, scaling), ContainsSubstring(said));
  };
  refused(7, 1e4, {}, "frequencies_of: dim is 7");
  refused(0, 1e4, {}, "frequencies_of: dim is 0");
  refused(8, -1, {}, "frequencies_of: base is -1");
  refused(8, 1e4, nn::linear_scaling{0.5}, "linear_scaling: factor is 0.5");
  refused(8, 1e4, nn::ntk_scaling{std::nan("")}, "ntk_scaling: factor is nan");
  refused(2, 1e4, nn::ntk_scaling{2}, "ntk_scaling: dim is 2");
  refused(8, 1e4, nn::yarn_scaling{0, 64}, "yarn_scaling: factor is 0");
  refused(8, 1e4, nn::yarn_scaling{2}, "yarn_scaling: original_context is 0");
  refused(8, 1e4, nn::yarn_scaling{2, 64, 1, 32}, "beta_slow is 32, beta_fast is 1");
  refused(8, 1, nn::yarn_scaling{2, 64}, "yarn_scaling: base is 1");
  refused(8, 1e4, nn::llama3_scaling{.factor = infinite[1]}, "llama3_scaling: factor is inf");
  refused(8, 1e4, nn::llama3_scaling{.original_context = 0}, "llama3_scaling: original_context is 0");
  refused(8, 1e4, nn::llama3_scaling{.low_frequency_factor = 4},
          "low_frequency_factor is 4, high_frequency_factor is 4");
}

}  // namespace basin
