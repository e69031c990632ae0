// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/output_gate.hpp
#include "basin/nn/output_gate.hpp"
#include "nn/gradients.hpp"
#include "support/catch.hpp"

namespace nn_test {

using basin::contiguous;
using basin::index_t;
using basin::strided;
namespace nn = basin::nn;

namespace {

index_t const batch = 2, heads = 3, queries = 4, dim = 37;
std::size_t const count = static_cast<std::size_t>(batch * heads * queries * dim);

}  // namespace

TEST_CASE("a gate multiplies the output by its sigmoid, one for each element or one for each head", "[unit][nn]") {
  std::vector<double> const o{1, -2, 3, 4}, fine{0, std::log(3.0), 1e4, -1e4}, coarse{0, std::log(3.0)};
  std::vector<double> y(4);
  nn::output_gate_forward(nn::host{}, contiguous(o.data(), 1, 1, 2, 2), contiguous(fine.data(), 1, 1, 2, 2),
                          contiguous(y.data(), 1, 1, 2, 2));
  CHECK(y == std::vector<double>{0.5, -1.5, 3, 0});
  nn::output_gate_forward(nn::host{}, contiguous(o.data(), 1, 1, 2, 2), contiguous(coarse.data(), 1, 1, 2, 1),
                          contiguous(y.data(), 1, 1, 2, 2));
  CHECK(y == std::vector<double>{0.5, -1, 2.25, 3});
  std::fill(y.begin(), y.end(), 0.0);                            // the stride of an axis of one element is ignored
  auto const odd = strided(coarse.data(), std::array<index_t, 4>{1, 1, 2, 1}, std::array<index_t, 4>{2, 2, 1, 9});
  nn::output_gate_forward(nn::host{}, contiguous(o.data(), 1, 1, 2, 2), odd, contiguous(y.data(), 1, 1, 2, 2));
  CHECK(y == std::vector<double>{0.5, -1, 2.25, 3});
}

TEST_CASE("gradients of the output gate agree with finite differences, in other layouts and in place",
          "[property][nn]") {
  for (index_t const gates : {dim, index_t{1}}) {
    std::size_t const gate_count = count / static_cast<std::size_t>(dim / gates);
    auto o = random_values(1, count), gate = random_values(2, gate_count), y = o;
    auto const dy = random_values(3, count);
    // memory [batch, queries, heads, dim], as projections write it
    auto const at = [](auto& x, index_t d) {
      return strided(x.data(), std::array<index_t, 4>{batch, heads, queries, d},
                     std::array<index_t, 4>{heads * queries * d, d, heads * d, 1});
    };
    auto const loss = [&] {
      nn::output_gate_forward(nn::host{}, at(std::as_const(o), dim), at(std::as_const(gate), gates), at(y, dim));
      return dot(y, dy);
    };
    auto d_o = dy, dgate = gate;                                 // in place of dy and of the gate
    nn::output_gate_backward(nn::host{}, at(o, dim), at(dgate, gates), at(d_o, dim), at(d_o, dim), at(dgate, gates));
    CAPTURE(gates);
    require_gradient(o, d_o, loss);
    require_gradient(gate, dgate, loss);
    auto in_place = o;
    loss();
    nn::output_gate_forward(nn::host{}, at(in_place, dim), at(gate, gates), at(in_place, dim));
    CHECK(in_place == y);
  }
}

TEST_CASE("an output gate of the wrong shape is refused before anything is written", "[unit][nn]") {
  std::vector<float> o(24, 1.0f), y(24, -7.0f);
  auto const at = [](auto& x, index_t d) { return contiguous(x.data(), 1, 2, 3, d); };
  CHECK_THROWS_AS(nn::output_gate_forward(nn::host{}, at(o, 4), at(o, 2), at(y, 4)), basin::shape_error);
  auto const swapped = contiguous(o.data(), 1, 3, 2, 4);
  CHECK_THROWS_AS(nn::output_gate_forward(nn::host{}, at(o, 4), swapped, at(y, 4)), basin::shape_error);
  CHECK_THROWS_AS(nn::output_gate_forward(nn::host{}, at(o, 4), at(o, 4), at(y, 1)), basin::shape_error);
  auto const columns = strided(y.data(), std::array<index_t, 4>{1, 2, 3, 4}, std::array<index_t, 4>{24, 12, 1, 3});
  CHECK_THROWS_WITH(nn::output_gate_forward(nn::host{}, at(o, 4), at(o, 4), columns),
                    "basin::nn::output_gate_forward: y has dim stride 3; it must be 1");
  auto const across = strided(o.data(), std::array<index_t, 4>{1, 2, 3, 4}, std::array<index_t, 4>{24, 12, 1, 3});
  CHECK_THROWS_WITH(nn::output_gate_forward(nn::host{}, across, at(o, 4), at(y, 4)),
                    "basin::nn::output_gate_forward: o has dim stride 3; it must be 1");
  auto const refused = [&](auto o_, auto gate, auto dy, auto d_o, auto dgate, std::string const& said) {
    CHECK_THROWS_WITH(nn::output_gate_backward(nn::host{}, o_, gate, dy, d_o, dgate),
                      basin_test::ContainsSubstring("output_gate_backward: " + said));
  };
  auto const right = at(o, 4), out = at(y, 4);
  refused(across, right, right, out, out, "o has dim stride 3");
  refused(right, at(o, 2), right, out, out, "extent 3 of gate is 2, 4 is needed");
  refused(right, right, at(o, 3), out, out, "extent 3 of dy is 3, 4 is needed");
  refused(right, right, right, at(y, 1), out, "extent 3 of d_o is 1, 4 is needed");
  refused(right, at(o, 1), right, out, out, "extent 3 of dgate is 4, 1 is needed");
  CHECK(y == std::vector<float>(24, -7.0f));
}

}  // namespace nn_test
