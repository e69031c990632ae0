// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Comparison of an engine with all fixtures that PyTorch made (fixtures/make_attention.py).

#include <fstream>
#include <nlohmann/json.hpp>

#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

inline nlohmann::json const& all_fixtures() {
  static nlohmann::json const cases = nlohmann::json::parse(std::ifstream(BASIN_FIXTURES "/attention.json"));
  return cases;
}

template <class T>
void read(tensor<T> const& to, nlohmann::json const& from) {
  std::size_t n = 0;
  to.each([&](T& x, auto...) { x = static_cast<T>(from.at(n++).get<double>()); });
  REQUIRE(n == from.size());
}

inline shape shape_of(nlohmann::json const& j, layout how) {
  return {j.at("batch"), j.at("heads"), j.at("kv_heads"), j.at("queries"), j.at("keys"),
          j.at("dim"),   j.at("value_dim"), how, how};
}

/// The tolerances for a fixture: those of the engine, plus the thirteen digits of the fixture.
template <class T>
call_tolerances allowed_by(call<T> const& c, double support, double steep) {
  auto m = c.magnitudes();
  m.support = support;
  m.steep = steep;
  auto t = tolerances_of<T>(c.s, m);
  for (double* bound : {&t.out, &t.dq, &t.dk, &t.dv, &t.received, &t.entropy}) *bound += 1e-12;
  return t;
}

struct engine_reference {
  static constexpr auto forward = [](auto const& use, auto& c) {
    basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
  };
  static constexpr auto backward = [](auto const& use, auto& c) {
    basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
  };
};
struct engine_cpu {
  static constexpr auto forward = cpu_forward;
  static constexpr auto backward = cpu_backward;
};

/// Compares one engine with one fixture.
template <class T, class Engine, class Normalizer>
void compare_with_fixture(nlohmann::json const& j, Normalizer const& normalize, double steep) {
  shape const s = shape_of(j, layout::length_first);
  call<T> c(s);
  call<double> exact(s);
  for (auto [to, from] : {std::pair{&c.q, "q"}, {&c.k, "k"}, {&c.v, "v"}, {&c.dout, "dout"}}) read(*to, j.at(from));
  for (auto [to, from] : {std::pair{&exact.out, "out"}, {&exact.dq, "dq"}, {&exact.dk, "dk"}, {&exact.dv, "dv"}})
    read(*to, j.at(from));
  std::vector<std::uint8_t> dropped(static_cast<std::size_t>(s.batch * s.heads * s.keys));
  if (j.contains("dropped"))
    for (std::size_t n = 0; n < dropped.size(); ++n)
      dropped[n] = j["dropped"][0][n / static_cast<std::size_t>(s.keys)][n % static_cast<std::size_t>(s.keys)]
                       .get<std::uint8_t>();
  auto const mask = chosen_mask{j.at("mask") == "causal" ? chosen_mask::kind::causal : chosen_mask::kind::unmasked};
  auto const use = basin::attention<>{}.with(normalize).with(mask).with(
      basin::drop_keys{basin::contiguous(std::as_const(dropped).data(), s.batch, s.heads, s.keys)});
  reports seen(s);
  Engine::forward(use.with(seen.watch_all()), c);
  Engine::backward(use, c);
  auto const allowed = allowed_by(c, support_of_errors(normalize, s), steep);
  CHECK(distance(c.out, exact.out) <= allowed.out);
  compare_backward_results(c, exact, allowed);
  if (!j.contains("received")) return;
  CHECK(distance(seen.received, j["received"].get<std::vector<double>>()) <= allowed.received);
  CHECK(distance(seen.nats, j["entropy"].get<std::vector<double>>()) <= allowed.entropy);
}

/// Compares a fixture with one learned parameter per head. make(per_head, parameter_gradients) returns its normalizer.
template <class T, class Engine, class Make>
void compare_learned_fixture(nlohmann::json const& j, double steep, Make const& make) {
  shape const s = shape_of(j, layout::length_first);
  auto const numbers = j.at("learned").get<std::vector<float>>();
  std::vector<double> rows(static_cast<std::size_t>(s.batch * s.heads * s.queries), nan);
  basin::parameter_gradients const gradients{basin::contiguous(rows.data(), 1, s.batch, s.heads, s.queries)};
  auto const normalize = make(basin::per_head{0, basin::contiguous(numbers.data(), s.heads)}, gradients);
  compare_with_fixture<T, Engine>(j, normalize, steep);
  call<T> c(s);
  for (auto [to, from] : {std::pair{&c.q, "q"}, {&c.k, "k"}, {&c.v, "v"}, {&c.dout, "dout"}}) read(*to, j.at(from));
  auto const allowed = allowed_by(c, support_of_errors(normalize, s), steep);
  double const per_key = std::sqrt(static_cast<double>(s.dim)) / c.magnitudes().k;  // dq = scale sum_j ds_j k_j
  for (int h = 0; h < s.heads; ++h) {
    double const exact = j.at("dlearned").at(static_cast<std::size_t>(h)),
                 rows_and_slope = 32.0 * static_cast<double>(s.queries);
    CHECK(std::fabs(gradients.sum(0, h) - exact) <= rows_and_slope * per_key * allowed.dq);
  }
}

template <class T, class Engine>
void compare_with_all_fixtures() {
  std::size_t seen = 0;
  for (auto const& j : all_fixtures()) {
    std::string const kind = j.at("normalize");
    INFO(kind << " " << j.at("mask") << " " << description(shape_of(j, layout::length_first)));
    ++seen;
    if (kind == "sdpa" || kind == "softmax") {
      double const temperature = j.value("temperature", 1.0);
      compare_with_fixture<T, Engine>(j, basin::softmax{temperature}, 1 / temperature);
    } else if (kind == "ssmax") compare_with_fixture<T, Engine>(j, basin::length_scaled<basin::softmax>{}, 1.2);
    else if (kind == "log_n")
      compare_with_fixture<T, Engine>(j, basin::length_scaled<basin::softmax, basin::log_n>{{}, {j.at("trained")}},
                                      2.4);
    else if (kind == "sparsemax") compare_with_fixture<T, Engine>(j, basin::sparsemax{}, 1);
    else if (kind == "ssmax_sparsemax")
      compare_with_fixture<T, Engine>(j, basin::length_scaled<basin::sparsemax>{}, 1.2);
    else if (kind == "top_k") compare_with_fixture<T, Engine>(j, basin::top_k{j.at("kept")}, 1);
    else if (kind == "sink_logit")
      compare_learned_fixture<T, Engine>(j, 1, [](auto number, auto to) { return basin::sink_logit{number, to}; });
    else if (kind == "entmax")
      compare_learned_fixture<T, Engine>(j, 1, [](auto number, auto to) { return basin::entmax{number, to}; });
    else --seen;
  }
  CHECK(seen == 23);
}

}  // namespace basin_test
