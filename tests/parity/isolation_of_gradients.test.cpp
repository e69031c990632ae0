// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/backward.hpp and reference.hpp: a NaN or an infinity affects only the gradients to which it is visible.
#include "parity/spoiled.hpp"

namespace basin_test {

TEST_CASE("a hidden key or value of NaN does not affect the gradient of a query", "[parity][cpu]") {
  auto const check = [](auto engine) {
    for (auto const input : {&call<float>::k, &call<float>::v}) {
      spoiled const run(causal, square, engine, input, 30, nan);
      for (index_t i = 0; i < 50; ++i) {
        CAPTURE(i);
        if (i < 30) CHECK(same_row(run.clean.dq, run.dirty.dq, i));
        else CHECK(row_is_nan(run.dirty.dq, i));
      }
    }
  };
  SECTION("reference") { check(reference_backward); }
  SECTION("cpu") { check(cpu_backward); }
}

TEST_CASE("a query or an output gradient of NaN does not affect the gradients of keys hidden from it",
          "[parity][cpu]") {
  auto const check = [](auto const& use, auto engine) {
    for (auto const input : {&call<float>::q, &call<float>::dout}) {
      spoiled const run(use, square, engine, input, 20, nan);
      for (index_t i = 0; i < 50; ++i) {
        CAPTURE(i);
        if (i > 20) CHECK(same_row(run.clean.dk, run.dirty.dk, i));
        if (i > 20) CHECK(same_row(run.clean.dv, run.dirty.dv, i));
        if (i != 20) CHECK(same_row(run.clean.dq, run.dirty.dq, i));
      }
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(use)>, std::remove_cvref_t<decltype(causal)>>)
        CHECK(row_is_nan(run.dirty.dk, 3));
    }
  };
  SECTION("reference") { check(causal, reference_backward); }
  SECTION("cpu") { check(causal, cpu_backward); }
  SECTION("cpu, normalizer without unnormalised weights") { check(causal.with(basin::sparsemax{}), cpu_backward); }
}

TEST_CASE("a score of -inf is the same as a hidden key, forward and backward", "[parity][cpu]") {
  shape const s{1, 2, 1, 21, 40, 8, 5};
  auto const check = [&](auto const& use, auto forward, auto backward) {
    call<double> severing(s), hiding(s);
    forward(use.with(severed{}), severing), backward(use.with(severed{}), severing);
    forward(use.with(severed_pairs{}), hiding), backward(use.with(severed_pairs{}), hiding);
    // the tolerance in double where q is scaled before or after the product (tolerance.hpp)
    CHECK(distance(severing.out, hiding.out) <= 1e-12);
    CHECK(distance(severing.dq, hiding.dq) <= 1e-12);
    CHECK(distance(severing.dk, hiding.dk) <= 1e-12);
    CHECK(distance(severing.dv, hiding.dv) <= 1e-12);
  };
  check(full, reference_forward, reference_backward);
  check(full, cpu_forward, cpu_backward);
  check(full.with(one_plus_square{}), reference_forward, reference_backward);
  check(full.with(one_plus_square{}), cpu_forward, cpu_backward);
  check(full.with(basin::sparsemax{}), cpu_forward, cpu_backward);
}

}  // namespace basin_test
