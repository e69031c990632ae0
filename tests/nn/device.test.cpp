// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers every layer of nn/device/, run on the host with one fiber for each CUDA thread, against the layers of the host
#include <limits>

#include "basin/nn/device/adamw.hpp"
#include "basin/nn/device/bias.hpp"
#include "basin/nn/device/copy.hpp"
#include "basin/nn/device/cross_entropy.hpp"
#include "basin/nn/device/embedding.hpp"
#include "basin/nn/device/gelu.hpp"
#include "basin/nn/device/layer_norm.hpp"
#include "basin/nn/device/linear.hpp"
#include "basin/nn/device/output_gate.hpp"
#include "basin/nn/device/rms_norm.hpp"
#include "basin/nn/device/rope.hpp"
#include "basin/nn/device/swiglu.hpp"
#include "basin/nn/embedding.hpp"
#include "basin/nn/linear.hpp"
#include "nn/gradients.hpp"
#include "support/host_grids.hpp"
#include "support/tolerance.hpp"

namespace basin {

using basin_test::Approx, basin_test::host_grids;
using nn_test::random_values;

namespace {

/// Two copies of the same rows, for the layers of the host and of the device. Gaps between rows hold NaN.
struct twin {
  index_t rows, columns;
  std::vector<double> here, there;

  twin(index_t n, index_t d)
      : rows(n),
        columns(d),
        here(static_cast<std::size_t>(n * (d + 3)), std::numeric_limits<double>::quiet_NaN()) {}
  twin(std::uint64_t seed, index_t n, index_t d) : twin(n, d) {
    auto const values = random_values(seed, static_cast<std::size_t>(n * d));
    for (index_t i = 0; i < n; ++i) std::copy_n(values.begin() + i * d, d, here.begin() + i * (d + 3));
    there = here;
  }

  view<double, 2> on(std::vector<double>& memory) {
    return strided(memory.data(), std::array<index_t, 2>{rows, columns}, std::array<index_t, 2>{columns + 3, 1});
  }
  view<double, 2> host() { return on(here); }
  view<double, 2> device() { return on(there); }
};

twin zeros(index_t rows, index_t columns) {
  twin t(0, rows, columns);
  for (auto* memory : {&t.here, &t.there})
    for (double& x : *memory)
      if (x == x) x = 0;
  return t;
}

std::span<double> of(std::vector<double>& memory, index_t n) {
  return std::span(memory).first(static_cast<std::size_t>(n));
}

/// Two orders of summing `terms` terms of about size 1 may differ by a few eps per term. Gaps must still hold NaN.
void require_close(std::vector<double> const& a, std::vector<double> const& b, index_t terms) {
  double size = 1;
  for (double const x : a)
    if (x == x) size = std::max(size, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i, a[i], b[i]);
    REQUIRE((a[i] != a[i]) == (b[i] != b[i]));
    if (a[i] == a[i])
      REQUIRE(std::abs(a[i] - b[i]) <= 8 * static_cast<double>(terms + 8) * size * basin_test::eps_of<double>);
  }
}
void require_close(twin const& t, index_t terms) { require_close(t.here, t.there, terms); }

}  // namespace

TEST_CASE("an embedding on a device equals that of the host, and its gradient has the same bits",
          "[parity][nn][device]") {
  auto const dim = GENERATE(1, 5, 33);
  std::vector<int> const tokens{2, 0, 2, 2, 6, 0};
  host_grids on;
  twin table(1, 7, dim), y = zeros(6, dim), dy(2, 6, dim), dtable(3, 7, dim);
  nn::embedding_forward(nn::host{}, tokens, table.host(), y.host());
  nn::embedding_forward(on, tokens, table.device(), y.device());
  require_close(y, 0);
  nn::embedding_backward(nn::host{}, tokens, dy.host(), dtable.host());
  nn::embedding_backward(on, tokens, dy.device(), dtable.device());
  CHECK(std::memcmp(dtable.here.data(), dtable.there.data(), dtable.here.size() * sizeof(double)) == 0);
}

TEST_CASE("a linear map on a device computes the products of the host", "[parity][nn][device]") {
  host_grids on;
  auto const how = GENERATE(nn::update::replace, nn::update::add);
  twin x(1, 5, 9), weight(2, 4, 9), y(3, 5, 4), dx(4, 5, 9), dweight(5, 4, 9);
  nn::linear_forward(nn::host{}, x.host(), weight.host(), y.host(), how);
  nn::linear_forward(on, x.device(), weight.device(), y.device(), how);
  require_close(y, 10);
  nn::linear_backward_input(nn::host{}, y.host(), weight.host(), dx.host(), how);
  nn::linear_backward_input(on, y.device(), weight.device(), dx.device(), how);
  require_close(dx, 20);
  nn::linear_backward_weight(nn::host{}, x.host(), y.host(), dweight.host());
  nn::linear_backward_weight(on, x.device(), y.device(), dweight.device());
  require_close(dweight, 20);
}

TEST_CASE("the RMS norm on a device agrees with the host, gradients included", "[parity][nn][device]") {
  auto const dim = GENERATE(1, 31, 32, 33, 70);
  auto const rows = GENERATE(0, 1, 5, 37);
  CAPTURE(dim, rows);
  host_grids on;
  twin x(1, rows, dim), y = zeros(rows, dim), w(2, 1, dim), r = zeros(1, std::max(rows, 1));
  twin dy(3, rows, dim), dx(4, rows, dim), dw(5, 1, dim);
  nn::rms_norm_forward(nn::host{}, x.host(), of(w.here, dim), 1e-2, y.host(), of(r.here, rows));
  nn::rms_norm_forward(on, x.device(), of(w.there, dim), 1e-2, y.device(), of(r.there, rows));
  require_close(y, dim), require_close(r, dim);
  nn::rms_norm_backward(nn::host{}, x.host(), of(w.here, dim), of(r.here, rows), dy.host(), dx.host(),
                        of(dw.here, dim));
  nn::rms_norm_backward(on, x.device(), of(w.there, dim), of(r.there, rows), dy.device(), dx.device(),
                        of(dw.there, dim));
  require_close(dx, 3 * dim), require_close(dw, 3 * rows + dim);
}

TEST_CASE("the layer norm on a device agrees with the host, gradients included, with and without a bias",
          "[parity][nn][device]") {
  auto const dim = GENERATE(1, 31, 32, 33, 70);
  auto const rows = GENERATE(0, 1, 5, 37);
  index_t const biased = GENERATE(0, 1) * dim;
  CAPTURE(dim, rows, biased);
  host_grids on;
  twin x(1, rows, dim), y = zeros(rows, dim), w(2, 1, dim), b(6, 1, dim), m = zeros(1, std::max(rows, 1)), r = m;
  twin dy(3, rows, dim), dx(4, rows, dim), dw(5, 1, dim), db(7, 1, dim);
  nn::layer_norm_forward(nn::host{}, x.host(), of(w.here, dim), of(b.here, biased), 1e-1, y.host(), of(m.here, rows),
                         of(r.here, rows));
  nn::layer_norm_forward(on, x.device(), of(w.there, dim), of(b.there, biased), 1e-1, y.device(), of(m.there, rows),
                         of(r.there, rows));
  require_close(y, 2 * dim), require_close(m, dim), require_close(r, 2 * dim);
  nn::layer_norm_backward(nn::host{}, x.host(), of(w.here, dim), of(m.here, rows), of(r.here, rows), dy.host(),
                          dx.host(), of(dw.here, dim), of(db.here, biased));
  nn::layer_norm_backward(on, x.device(), of(w.there, dim), of(m.there, rows), of(r.there, rows), dy.device(),
                          dx.device(), of(dw.there, dim), of(db.there, biased));
  require_close(dx, 4 * dim), require_close(dw, 3 * rows + 2 * dim), require_close(db, rows);
}

TEST_CASE("a bias on a device agrees with the host, gradient included", "[parity][nn][device]") {
  auto const columns = GENERATE(1, 31, 32, 33, 70);
  auto const rows = GENERATE(0, 1, 5, 37);
  CAPTURE(columns, rows);
  host_grids on;
  twin bias(1, 1, columns), y(2, rows, columns), dbias(3, 1, columns);
  nn::add_bias(nn::host{}, of(bias.here, columns), y.host());
  nn::add_bias(on, of(bias.there, columns), y.device());
  require_close(y, 0);
  nn::bias_backward(nn::host{}, y.host(), of(dbias.here, columns));
  nn::bias_backward(on, y.device(), of(dbias.there, columns));
  require_close(dbias, rows);
}

TEST_CASE("GELU on a device agrees with the host in both forms, also in place", "[parity][nn][device]") {
  auto const form = GENERATE(nn::gelu_form::exact, nn::gelu_form::tanh);
  auto const hidden = GENERATE(1, 10, 300);
  host_grids on;
  twin x(1, 3, hidden), y = zeros(3, hidden), dy(2, 3, hidden), dx = zeros(3, hidden);
  nn::gelu_forward(nn::host{}, form, x.host(), y.host());
  nn::gelu_forward(on, form, x.device(), y.device());
  require_close(y, 2);
  nn::gelu_backward(nn::host{}, form, x.host(), dy.host(), dx.host());
  nn::gelu_backward(on, form, x.device(), dy.device(), dx.device());
  require_close(dx, 2);
  nn::gelu_backward(on, form, x.device(), dy.device(), dy.device());
  nn::gelu_backward(on, form, x.device(), x.device(), x.device());
  nn::gelu_backward(nn::host{}, form, x.host(), x.host(), x.host());
  CHECK(std::memcmp(dx.there.data(), dy.there.data(), dx.there.size() * sizeof(double)) == 0);
  require_close(x, 2);
}

TEST_CASE("the output gate on a device agrees with the host, in other layouts and in place", "[parity][nn][device]") {
  index_t const batch = 2, heads = 3, queries = 5;
  auto const dim = GENERATE(1, 31, 37);
  auto const gates = GENERATE(0, 1) == 0 ? 1 : dim;
  CAPTURE(dim, gates);
  // memory [batch, queries, heads, dim], as projections write it
  auto const at = [&](std::vector<double>& x, index_t d) {
    return strided(x.data(), std::array<index_t, 4>{batch, heads, queries, d},
                   std::array<index_t, 4>{queries * heads * d, d, heads * d, 1});
  };
  auto const values = [&](std::uint64_t seed, index_t d) {
    return random_values(seed, static_cast<std::size_t>(batch * queries * heads * d));
  };
  host_grids on;
  auto o = values(1, dim), gate = values(2, gates), dy = values(3, dim), y = dy, y_there = dy;
  nn::output_gate_forward(nn::host{}, at(o, dim), at(gate, gates), at(y, dim));
  nn::output_gate_forward(on, at(o, dim), at(gate, gates), at(y_there, dim));
  require_close(y, y_there, 2);
  auto d_o = dy, d_o_there = dy, dgate = gate, dgate_there = gate;
  nn::output_gate_backward(nn::host{}, at(o, dim), at(gate, gates), at(dy, dim), at(d_o, dim), at(dgate, gates));
  nn::output_gate_backward(on, at(o, dim), at(dgate_there, gates), at(d_o_there, dim), at(d_o_there, dim),
                           at(dgate_there, gates));
  require_close(d_o, d_o_there, 2), require_close(dgate, dgate_there, dim);
  nn::output_gate_forward(on, at(o, dim), at(gate, gates), at(o, dim));
  CHECK(o == y_there);
}

TEST_CASE("a rotation on a device agrees with the host, and its gradient is the inverse rotation",
          "[parity][nn][device]") {
  index_t const batch = 2, heads = 3, length = 5, dim = 6, first = 4;
  auto const pairing = GENERATE(nn::rope_pairing::halves, nn::rope_pairing::neighbours);
  nn::rope_table<double> const table(12, nn::frequencies_of(dim, 50).values, pairing);
  nn::device_rope_table<double> const on_device{contiguous(table.cosine(0), 12, dim / 2),
                                                contiguous(table.sine(0), 12, dim / 2), pairing};
  CHECK(nn::device_rope_table<double>{}.pairing == nn::rope_pairing::halves);
  auto here = random_values(1, static_cast<std::size_t>(batch * length * heads * dim)), there = here;
  auto const before = here;
  auto const seen = [&](std::vector<double>& x) {
    return strided(x.data(), std::array<index_t, 4>{batch, heads, length, dim},
                   std::array<index_t, 4>{length * heads * dim, dim, heads * dim, 1});
  };
  host_grids on;
  nn::rope_forward(nn::host{}, seen(here), table, first);
  nn::rope_forward(on, seen(there), on_device, first);
  require_close(here, there, 2);
  nn::rope_backward(on, seen(there), on_device, first);
  require_close(before, there, 4);
  CHECK_THROWS_AS(nn::rope_forward(on, seen(there), on_device, 8), shape_error);
}

TEST_CASE("SwiGLU on a device agrees with the host, also in place", "[parity][nn][device]") {
  auto const hidden = GENERATE(1, 10, 300);
  host_grids on;
  twin gate(1, 3, hidden), up(2, 3, hidden), y = zeros(3, hidden), dy(3, 3, hidden);
  nn::swiglu_forward(nn::host{}, gate.host(), up.host(), y.host());
  nn::swiglu_forward(on, gate.device(), up.device(), y.device());
  require_close(y, 2);
  nn::swiglu_backward(nn::host{}, gate.host(), up.host(), dy.host(), gate.host(), up.host());
  nn::swiglu_backward(on, gate.device(), up.device(), dy.device(), gate.device(), up.device());
  require_close(gate, 2), require_close(up, 2);
}

TEST_CASE("the cross entropy on a device agrees with the host, in place, and does not read rows of weight 0",
          "[parity][nn][device]") {
  auto const vocabulary = GENERATE(1, 32, 37, 258);
  host_grids on;
  std::vector<int> const targets{0, vocabulary - 1, -5, vocabulary / 2};
  std::vector<double> const weights{0.5, 2, 0, 0.25};
  twin logits(1, 4, vocabulary), losses = zeros(1, 4);
  for (auto* memory : {&logits.here, &logits.there})
    logits.on(*memory)(2, 0) = std::numeric_limits<double>::quiet_NaN();
  auto const l_here = std::span(losses.here).first(4), l_there = std::span(losses.there).first(4);
  double const expected = nn::cross_entropy_forward(nn::host{}, logits.host(), targets, weights, l_here);
  nn::cross_entropy_backward(nn::host{}, logits.host(), targets, weights, logits.host());
  double total = -1;
  nn::cross_entropy(on, logits.device(), targets, weights, l_there, logits.device(), &total);
  CHECK(total == Approx(expected).epsilon(1e-14));
  require_close(losses, vocabulary), require_close(logits, vocabulary);
}

TEST_CASE("steps of AdamW on a device agree with the host, with clipping and decay", "[parity][nn][device]") {
  double const clip = GENERATE(0.5, 1e9);
  std::size_t const n = 5000, m = 70;  // more than one block of the sum of squares, and less
  auto values = random_values(1, n + m), gradient = random_values(2, n + m), values_there = values;
  auto const parameters = [&](std::vector<double>& v) {
    return std::vector<nn::parameter<double>>{
        {"matrix", {50, 100}, std::span(v).first(n), std::span(gradient).first(n)},
        {"vector", {70}, std::span(v).subspan(n), std::span(gradient).subspan(n)}};
  };
  auto const host = parameters(values), device = parameters(values_there);
  std::span<nn::parameter<double> const> const on_device(device);
  host_grids on;
  nn::adamw_state<double> state, state_there;
  std::vector<double> work(nn::adamw_workspace(on, std::span<nn::parameter<double> const>(on_device)));
  nn::adamw_options const options{.weight_decay = 0.3, .clip = clip};
  for (int step = 0; step < 3; ++step) {
    double const norm = nn::adamw(nn::host{}, host, state, 0.01, options);
    CHECK(nn::adamw(on, on_device, state_there, 0.01, options, work) == Approx(norm).epsilon(1e-13));
    require_close(values, values_there, 8);
    require_close(state.first, state_there.first, 8);
    require_close(state.second, state_there.second, 8);
  }
  CHECK(state_there.steps == 3);
  gradient[7] = std::numeric_limits<double>::infinity();
  auto const before = values_there;
  CHECK_THROWS_AS(nn::adamw(on, on_device, state_there, 0.01, options, work), value_error);
  CHECK_THROWS_AS(nn::adamw(on, on_device, state_there, 0.01, options, std::span(work).first(2)), shape_error);
  CHECK(values_there == before);
  CHECK(state_there.steps == 3);
}

TEST_CASE("copies, sums and fills on a device write their targets and nothing else", "[unit][nn][device]") {
  host_grids on;
  auto const from = random_values(1, 2 * 3 * 4 * 5);
  std::vector<double> to(from.size(), -1), line(7, -1);
  auto const turned = strided(to.data(), std::array<index_t, 4>{2, 3, 4, 5}, std::array<index_t, 4>{60, 5, 15, 1});
  nn::copy(on, contiguous(from.data(), 2, 3, 4, 5), turned);
  for (index_t b = 0; b < 2; ++b)
    for (index_t h = 0; h < 3; ++h)
      for (index_t i = 0; i < 4; ++i)
        for (index_t d = 0; d < 5; ++d)
          REQUIRE(turned(b, h, i, d) == from[static_cast<std::size_t>(((b * 3 + h) * 4 + i) * 5 + d)]);
  nn::add(on, nn::const_view<double, 4>(contiguous(from.data(), 2, 3, 4, 5)), turned);
  CHECK(turned(1, 2, 3, 4) == 2 * from[119]);
  CHECK(turned(1, 0, 2, 3) == 2 * from[73]);
  nn::copy(on, std::span(from).first(3), std::span(line).first(3));
  nn::fill(on, std::span(line).subspan(5), 4);
  CHECK(line == std::vector<double>{from[0], from[1], from[2], -1, -1, 4, 4});
}

TEST_CASE("layers on a device refuse wrong shapes before they launch", "[unit][nn][device]") {
  host_grids on;
  twin a(1, 3, 4), b(2, 3, 5);
  std::vector<double> four(4), three(3), five(5);
  std::vector<int> const tokens{0, 1};
  CHECK_THROWS_AS(nn::linear_forward(on, a.device(), b.device(), a.device()), shape_error);
  CHECK_THROWS_AS(nn::embedding_forward(on, tokens, a.device(), a.device()), shape_error);
  CHECK_THROWS_AS(nn::rms_norm_forward(on, a.device(), five, 0, a.device(), std::span(three)), shape_error);
  CHECK_THROWS_AS(nn::rms_norm_forward(on, a.device(), four, -1, a.device(), std::span(three)), value_error);
  CHECK_THROWS_AS(nn::layer_norm_forward(on, a.device(), four, five, 0, a.device(), std::span(three), std::span(three)),
                  shape_error);
  CHECK_THROWS_AS(nn::layer_norm_forward(on, a.device(), four, {}, -1, a.device(), std::span(three), std::span(three)),
                  value_error);
  CHECK_THROWS_AS(nn::layer_norm_backward(on, a.device(), four, three, three, a.device(), a.device(), std::span(four),
                                          std::span(five)),
                  shape_error);
  CHECK_THROWS_AS(nn::add_bias(on, five, a.device()), shape_error);
  CHECK_THROWS_AS(nn::bias_backward(on, a.device(), std::span(five)), shape_error);
  CHECK_THROWS_AS(nn::gelu_forward(on, nn::gelu_form::tanh, a.device(), b.device()), shape_error);
  CHECK_THROWS_AS(nn::gelu_backward(on, nn::gelu_form::tanh, a.device(), b.device(), a.device()), shape_error);
  auto const heads = contiguous(four.data(), 1, 1, 1, 4), other = contiguous(three.data(), 1, 1, 1, 3);
  CHECK_THROWS_AS(nn::output_gate_forward(on, heads, other, heads), shape_error);
  CHECK_THROWS_AS(nn::output_gate_backward(on, heads, heads, heads, other, heads), shape_error);
  CHECK_THROWS_AS(nn::swiglu_forward(on, a.device(), b.device(), a.device()), shape_error);
  double total = 0;
  CHECK_THROWS_AS(nn::cross_entropy(on, a.device(), tokens, three, std::span(three), a.device(), &total), shape_error);
  CHECK_THROWS_AS(nn::copy(on, four, std::span(five)), shape_error);
  CHECK_THROWS_AS(nn::add(on, nn::const_view<double, 4>(heads), other), shape_error);
  CHECK(on.launched == 0);
}

}  // namespace basin
