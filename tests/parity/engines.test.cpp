// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/backward.hpp and cpu/decode.hpp: results that must be equal to the last bit.
#include <omp.h>

#include <atomic>

#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

auto const full = basin::attention<>{};
auto const causal = full.with(basin::causal{});

/// Shapes with fewer and with more heads than pieces, and query tiles that do not divide evenly among threads.
shape const busy_shapes[] = {
    {1, 2, 1, 150, 97, 16, 16},
    {2, 6, 3, 67, 130, 8, 24},
    {5, 4, 4, 33, 40, 4, 4},
};

/// Calls run() for several numbers of threads, then restores the number.
template <class F>
void for_each_thread_count(F&& run) {
  int const before = omp_get_max_threads();
  for (int const threads : {1, 2, 3, 5, 1}) {
    omp_set_num_threads(threads);
    CAPTURE(threads);
    run();
  }
  omp_set_num_threads(before);
}

/// All results of an engine must have the same bits for every number of threads and in every run.
template <class Run>
void require_same_bits(shape const& s, Run&& run) {
  INFO(description(s));
  call<float> first(s);
  reports seen(s);
  run(first, seen);
  for_each_thread_count([&] {
    call<float> again(s);
    reports seen_again(s);
    run(again, seen_again);
    CHECK(same_elements(first.out, again.out));
    CHECK(same_elements(first.dq, again.dq));
    CHECK(same_elements(first.dk, again.dk));
    CHECK(same_elements(first.dv, again.dv));
    for (auto const list : {&reports::received, &reports::nats, &reports::heaviest, &reports::squares})
      CHECK(std::memcmp((seen.*list).data(), (seen_again.*list).data(), (seen.*list).size() * sizeof(double)) == 0);
  });
}

/// The range of query positions and keys with which asks_around was called.
std::atomic<index_t> first_query, last_query, last_key;

/// A mask that records the elements for which it is called. Outside the call, a mask that reads memory by query would
/// read out of bounds.
struct asks_around {
  bool allows(basin::coord c) const {
    if (c.query < first_query) first_query = c.query;
    if (c.query > last_query) last_query = c.query;
    if (c.key > last_key) last_key = c.key;
    return true;
  }
  basin::coverage covers(basin::tile) const { return basin::coverage::some; }
};

}  // namespace

TEST_CASE("a mask is evaluated for queries and keys of the call only", "[property][mask]") {
  for (shape const& s : {shape{1, 1, 1, 7, 9, 4, 4}, shape{1, 1, 1, 37, 131, 4, 4}}) {
    first_query = 1 << 30, last_query = -1, last_key = -1;
    call<float> c(s);
    cpu_forward(full.with(asks_around{}), c);
    CHECK(first_query == s.keys - s.queries);
    CHECK(last_query == s.keys - 1);
    CHECK(last_key == s.keys - 1);
  }
}

TEMPLATE_TEST_CASE("row observers in a stream of key blocks agree with the reference", "[parity][cpu]", float, double) {
  for (shape const& s : busy_shapes)
    for (double const temperature : {1.0, 0.25}) {
      INFO(description(s));
      auto const use = causal.with(basin::softmax{temperature});
      call<TestType> here(s);
      call<double> exact(s);
      reports seen(s), expected(s);
      cpu_stream(use.with(seen.watch_rows()), here);
      basin::reference::forward(use.with(expected.watch_rows()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
      auto m = here.magnitudes();
      m.steep = 1 / temperature;
      auto const allowed = tolerances_of<TestType>(s, m);
      CHECK(distance(seen.nats, expected.nats) <= allowed.entropy);
      CHECK(distance(seen.heaviest, expected.heaviest) <= allowed.max_weight);
    }
}

TEST_CASE("the number of threads changes no bit of forward, of observations and of backward", "[parity][cpu]") {
  for (shape const& s : busy_shapes) {
    require_same_bits(s, [](auto& c, reports& seen) {
      cpu_forward(causal.with(seen.watch_all()), c);
      cpu_backward(causal, c);
    });
    require_same_bits(s, [](auto& c, reports& seen) { cpu_stream(causal.with(seen.watch_rows()), c); });
  }
}

TEST_CASE("the number of threads changes no bit of decode", "[parity][cpu]") {
  require_same_bits({2, 4, 2, 1, 5003, 16, 16}, [](auto& c, reports&) { cpu_decode(causal, c); });
}

TEST_CASE("pruning nothing is the same as no pruner, bit for bit", "[property][pruner]") {
  for (shape const& s : busy_shapes) {
    INFO(description(s));
    std::vector<std::uint8_t> const none(static_cast<std::size_t>(s.batch * s.heads * s.keys), 0);
    auto const pruned = causal.with(basin::drop_keys{basin::contiguous(none.data(), s.batch, s.heads, s.keys)});
    call<float> a(s), b(s), c(s);
    cpu_forward(causal, a), cpu_backward(causal, a);
    cpu_forward(pruned, b), cpu_backward(pruned, b);
    cpu_forward(causal.with(from_score{-1e30}), c);
    CHECK(same_elements(a.out, b.out));
    CHECK(same_elements(a.dq, b.dq));
    CHECK(same_elements(a.dk, b.dk));
    CHECK(same_elements(a.dv, b.dv));
    CHECK(same_elements(a.out, c.out));
  }
}

TEST_CASE("a pruner that keeps every key, tested per element, changes no bit", "[property][mask]") {
  for (shape const& s : busy_shapes) {
    INFO(description(s));
    call<float> a(s), b(s);
    auto const cautious = full.with(from_score{-1e30});          // needs a test per element, `full` needs none
    cpu_forward(full, a);
    cpu_forward(cautious, b);
    CHECK(same_elements(a.out, b.out));
  }
}

TEST_CASE("observing changes no bit of the output", "[property][observer]") {
  for (shape const& s : {busy_shapes[0], busy_shapes[1], shape{1, 1, 1, 3, 9001, 8, 8}}) {
    INFO(description(s));
    reports seen(s);
    call<float> plain(s), rows(s), keys(s), all(s);
    cpu_forward(causal, plain);
    cpu_forward(causal.with(seen.watch_rows()), rows);
    cpu_forward(causal.with(seen.watch_keys()), keys);
    cpu_forward(causal.with(seen.watch_all()), all);
    CHECK(same_elements(plain.out, rows.out));
    CHECK(same_elements(plain.out, keys.out));
    CHECK(same_elements(plain.out, all.out));
  }
}

TEST_CASE("observing changes no bit of a decoded step", "[property][observer]") {
  for (index_t const keys : {7, 1000, 3001}) {
    shape const s{1, 2, 1, 1, keys, 16, 16};
    INFO(description(s));
    reports seen(s);
    call<float> plain(s), rows(s), observed(s);
    cpu_decode(causal, plain);
    cpu_decode(causal.with(seen.watch_rows()), rows);
    cpu_decode(causal.with(seen.watch_all()), observed);
    CHECK(same_elements(plain.out, rows.out));
    CHECK(same_elements(plain.out, observed.out));
  }
}

TEST_CASE("received attention sums to the mass of the rows that have visible keys", "[property][observer]") {
  for (shape s : busy_shapes)
    for (index_t const extra : {0, 40}) {  // with more queries than keys, the first rows are empty
      s.queries = s.keys + extra;
      INFO(description(s));
      reports seen(s);
      call<float> c(s);
      cpu_forward(causal.with(seen.watch_all()), c);
      for (index_t head = 0; head < s.batch * s.heads; ++head) {
        double sum = 0;
        for (index_t j = 0; j < s.keys; ++j) sum += seen.received[static_cast<std::size_t>(head * s.keys + j)];
        double const rows = static_cast<double>(s.keys);
        CHECK(std::fabs(sum - rows) <= rows * mass_tolerance<float>(static_cast<std::size_t>(s.keys)));
      }
    }
}

TEST_CASE("two simultaneous calls with their own teams of threads do not affect each other", "[parity][cpu]") {
  shape const s{1, 2, 2, 70, 90, 8, 8};
  call<float> alone(s), a(s), b(s);
  cpu_forward(causal, alone);
  call<float>* const both[] = {&a, &b};
#pragma omp parallel for num_threads(2)
  for (int n = 0; n < 2; ++n) cpu_forward(causal, *both[n]);
  CHECK(same_elements(alone.out, a.out));
  CHECK(same_elements(alone.out, b.out));
}

TEST_CASE("inputs may be views of const elements, and are not changed", "[parity][cpu]") {
  shape const s{1, 2, 1, 5, 9, 4, 4, layout::padded, layout::padded};
  call<float> c(s), same(s);
  basin::view<float const, 4> const q = c.q.v, k = c.k.v, v = c.v.v, dout = c.dout.v;
  basin::cpu::forward(causal, q, k, v, c.out.v);
  basin::cpu::backward(causal, q, k, v, dout, c.dq.v, c.dk.v, c.dv.v);
  basin::cpu::decode(causal, q, k, v, c.out.v);
  basin::reference::forward(causal, q, k, v, same.out.v);
  CHECK(distance(c.out, same.out) <= tolerances_of<float>(s, c.magnitudes()).out);
  for (auto const input : {&call<float>::q, &call<float>::k, &call<float>::v, &call<float>::dout})
    CHECK(std::memcmp((c.*input).memory.data(), (same.*input).memory.data(),
                      (c.*input).memory.size() * sizeof(float)) == 0);
}

}  // namespace basin_test
