// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/decode.hpp and reference.hpp: a NaN or an infinity affects only the rows to which it is
// visible.
#include "parity/spoiled.hpp"

namespace basin_test {

namespace {

/// A spoiled query must give a row of NaN and change no other row.
template <class Attention, class Engine>
void check_spoiled_query(Attention const& use, Engine engine, double with) {
  spoiled const run(use, square, engine, &call<float>::q, 20, with);
  for (index_t i = 0; i < 50; ++i) {
    CAPTURE(i, with);
    if (i == 20) CHECK(row_is_nan(run.dirty.out, i));
    else CHECK(same_row(run.clean.out, run.dirty.out, i));
  }
}

/// A spoiled key or value that is visible from position `first` on must not change the rows of earlier queries.
template <class Attention, class Engine>
void check_hidden_key(Attention const& use, shape const& s, Engine engine, tensor<float> call<float>::*input,
                      index_t key, index_t first) {
  for (double const with : {nan, inf}) {
    spoiled const run(use, s, engine, input, key, with);
    for (index_t i = 0; i < s.queries; ++i) {
      CAPTURE(i, key, with);
      if (i + s.keys - s.queries < first) CHECK(same_row(run.clean.out, run.dirty.out, i));
      else if (std::isnan(with)) CHECK(row_is_nan(run.dirty.out, i));
    }
  }
}

template <class Engine>
void check_all_hidden_keys(Engine engine) {
  for (auto const input : {&call<float>::k, &call<float>::v}) {
    check_hidden_key(causal, square, engine, input, 30, 30);
    check_hidden_key(causal, square, engine, input, 49, 49);
    check_hidden_key(causal, few, engine, input, 48, 48);
    std::vector<std::uint8_t> dropped(2 * 50, 0);
    dropped[10] = dropped[60] = 1;
    auto const without = causal.with(basin::drop_keys{basin::contiguous(std::as_const(dropped).data(), 1, 2, 50)});
    check_hidden_key(without, square, engine, input, 10, 1000);
    check_hidden_key(without, few, engine, input, 10, 1000);
  }
}

}  // namespace

TEST_CASE("a query of NaN or infinities affects its own row only", "[parity][cpu]") {
  for (double const with : {nan, inf}) {
    check_spoiled_query(causal, reference_forward, with);
    check_spoiled_query(causal, cpu_forward, with);
    check_spoiled_query(causal, cpu_stream, with);
    check_spoiled_query(causal, cpu_decode, with);
  }
}

TEST_CASE("a query of NaN affects its own row only under normalizers that search", "[parity][cpu]") {
  check_spoiled_query(full.with(basin::sparsemax{}), cpu_forward, nan);
  check_spoiled_query(full.with(basin::top_k{3}), cpu_forward, nan);
  check_spoiled_query(full.with(basin::sparsemax{}), reference_forward, nan);
  check_spoiled_query(full.with(basin::top_k{3}), reference_forward, nan);
}

TEST_CASE("a hidden key or value of NaN or infinities does not affect the row of a query", "[parity][cpu]") {
  SECTION("reference") { check_all_hidden_keys(reference_forward); }
  SECTION("query tiles") { check_all_hidden_keys(cpu_forward); }
  SECTION("stream") { check_all_hidden_keys(cpu_stream); }
  SECTION("decode") { check_all_hidden_keys(cpu_decode); }
}

TEST_CASE("keys whose scores are -inf have weight 0, and a row of such keys gives 0", "[parity][cpu]") {
  shape const s{1, 1, 1, 20, 12, 4, 3};
  auto const check = [&](auto engine, index_t spoiled_keys) {
    call<float> c(s), exact(s);
    for (auto* one : {&c, &exact}) {
      one->q.each([](float& x, auto...) { x = std::fabs(x) + 0.5f; });
      for (index_t j = 0; j < spoiled_keys; ++j) one->k.v(0, 0, j, 1) = -std::numeric_limits<float>::infinity();
    }
    engine(full, c);
    reference_forward(full, exact);
    CAPTURE(spoiled_keys);
    CHECK(distance(c.out, exact.out) <= 1e-4);                   // |scores| <= 16, |v| <= 4: (2 * 12 * 16 + 28) * 4 eps
    if (spoiled_keys == 12) CHECK(largest(c.out) == 0);
  };
  for (index_t const n : {1, 7, 12}) check(cpu_forward, n), check(cpu_stream, n), check(cpu_decode, n);
}

TEST_CASE("a row observer reports NaN for a row of NaN, never a plausible number", "[parity][cpu]") {
  auto const check = [](auto const& use, auto engine) {
    reports seen(square);
    call<float> c(square);
    spoil_row(c.q, 20, nan);
    engine(use.with(seen.watch_rows()), c);
    CHECK(std::isnan(seen.nats[20]));
    CHECK(std::isnan(seen.heaviest[20]));
    CHECK(std::isfinite(seen.nats[21]));
  };
  check(causal, reference_forward);
  check(causal, cpu_forward);
  check(causal.with(basin::sparsemax{}), cpu_forward);
}

TEST_CASE("a query of NaN or infinities changes no bit of the received attention of keys hidden from it",
          "[parity][cpu]") {
  auto const received = [](shape const& s, double with, auto engine) {
    call<float> c(s);
    if (with != 0) spoil_row(c.q, 20, with);
    std::vector<double> sums(static_cast<std::size_t>(s.batch * s.heads * s.keys));
    engine(causal.with(basin::received_attention{basin::contiguous(sums.data(), s.batch, s.heads, s.keys)}), c);
    return sums;
  };
  auto const check = [&](auto engine) {
    for (double const with : {nan, inf}) {
      auto const clean = received(square, 0, engine), dirty = received(square, with, engine);
      for (std::size_t n = 0; n < clean.size(); ++n) {
        CAPTURE(n, with);
        if (n % 50 > 20) CHECK(clean[n] == dirty[n]);
        else CHECK(std::isnan(dirty[n]));
      }
    }
  };
  SECTION("query tiles") { check(cpu_forward); }
  SECTION("stream") { check(cpu_stream); }
  SECTION("backward") { check(cpu_backward); }
}

TEST_CASE("lanes without a query add nothing to the received attention of an infinite key", "[parity][cpu]") {
  shape const s{1, 1, 1, 5, 30, 8, 8};
  auto const check = [&](auto const& normalize, auto engine) {
    call<float> c(s);
    c.q.each([](float& x, index_t, index_t, index_t, index_t d) { if (d == 0) x = -1; });
    c.k.v(0, 0, 7, 0) = static_cast<float>(inf);                 // every score of key 7 is -inf
    std::vector<double> sums(30, nan);
    auto const observe = basin::received_attention{basin::contiguous(sums.data(), 1, 1, 30)};
    engine(basin::attention<>{}.with(normalize).with(observe), c);
    CHECK(sums[7] == 0);
    for (double const sum : sums) CHECK(std::isfinite(sum));
  };
  auto const check_all = [&](auto engine) {
    check(basin::sigmoid{}, engine);
    check(basin::relu{}, engine);
    check(basin::softmax{}, engine);
    check(basin::top_k{3}, engine);
  };
  SECTION("forward") { check_all(cpu_forward); }
  SECTION("backward") { check_all(cpu_backward); }
  SECTION("decode") { check_all(cpu_decode); }
}

}  // namespace basin_test
