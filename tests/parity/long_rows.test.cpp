// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/detail/sum_tree.hpp through the engines, and normalize/detail/threshold_search.hpp in long rows: rounding
// errors of a row do not grow with its keys. One accumulator for all of them is off by 1e-5 to 1e-2 here.
#include <omp.h>

#include "basin/mask/sliding_window.hpp"
#include "basin/observe/log_sum_exp.hpp"
#include "basin/prune/window_with_sinks.hpp"
#include "parity/compare.hpp"

namespace basin_test {

namespace {

/// Keys that are all alike but one: every step of a plain sum is then rounded the same way.
void make_alike(call<float>& c, double top) {
  c.q.each([](float& x, auto...) { x = 1; });
  c.k.each([&](float& x, index_t, index_t, index_t j, index_t d) {
    x = d > 0 ? 0.0f : j == 5 ? static_cast<float>(top) : 0.0f;
  });
  c.v.each([](float& x, index_t, index_t, index_t, index_t d) { x = d == 0 ? 1.0f : 0.7f; });
}

/// What a call reports beside its outputs.
struct seen_numbers {
  shape s;
  std::vector<double> nats, sums, received;

  explicit seen_numbers(shape const& at)
      : s(at), nats(static_cast<std::size_t>(s.queries)), sums(nats), received(static_cast<std::size_t>(s.keys)) {}
  auto rows() { return basin::entropy{basin::contiguous(nats.data(), 1, 1, s.queries)}; }
  auto log_sums() { return basin::log_sum_exp{basin::contiguous(sums.data(), 1, 1, s.queries)}; }
  auto keys() { return basin::received_attention{basin::contiguous(received.data(), 1, 1, s.keys)}; }
};

double distance_of(std::vector<double> const& a, std::vector<double> const& b) {
  double most = 0;
  for (std::size_t n = 0; n < a.size(); ++n) most = std::fmax(most, std::fabs(a[n] - b[n]));
  return most;
}

/// The tolerance of a row of one block of sums, times what is summed up.
double tolerance_of(shape const& s, double size) {
  return (4 * accumulated(static_cast<double>(s.keys)) + 4 * static_cast<double>(s.dim) + 64) * eps_of<float> / 2 *
         size;
}

template <class Watch, class WatchExact>
void compare_outputs(auto const& use, call<float>& here, Watch const& watch, WatchExact const& watch_exactly,
                     double size) {
  call<double> exact(here.s);
  exact.copy_inputs(here);
  basin::reference::forward(use.with(watch_exactly), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  cpu_forward(use.with(watch), here);
  CHECK(distance(here.out, exact.out) <= tolerance_of(here.s, size));
  cpu_decode(use, here);
  CHECK(distance(here.out, exact.out) <= tolerance_of(here.s, size));
}

/// Outputs and what is seen of the rows and of the keys; sums of weights are about `size`.
void compare_long(auto const& use, call<float>& here, double size) {
  seen_numbers seen(here.s), exactly(here.s);
  if constexpr (basin::knows_log_sum<decltype(use.normalize)>)
    compare_outputs(use, here, basin::together(seen.rows(), seen.log_sums(), seen.keys()),
                    basin::together(exactly.rows(), exactly.log_sums(), exactly.keys()), size);
  else
    compare_outputs(use, here, basin::together(seen.rows(), seen.keys()),
                    basin::together(exactly.rows(), exactly.keys()), size);
  CHECK(distance_of(seen.nats, exactly.nats) <=
        16 * size * tolerance_of(here.s, size));  // sums of w log w, log w <= 16
  CHECK(distance_of(seen.sums, exactly.sums) <= tolerance_of(here.s, 1));
  CHECK(distance_of(seen.received, exactly.received) <=
        static_cast<double>(here.s.queries) * tolerance_of(here.s, size));
}

void compare_gradients(auto const& use, call<float>& here, double size) {
  call<double> exact(here.s);
  exact.copy_inputs(here);
  basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  cpu_backward(use, here);
  auto const rows = static_cast<double>(here.s.queries), dout = largest_norm(here.dout), v = largest_norm(here.v);
  double const steps = tolerance_of(here.s, 1) + accumulated(rows) * eps_of<float>;
  CHECK(distance(here.dq, exact.dq) <= 4 * steps * size * dout * v * largest(here.k));
  CHECK(distance(here.dk, exact.dk) <= 4 * steps * size * rows * dout * v * largest(here.q));
  CHECK(distance(here.dv, exact.dv) <= steps * size * rows * largest(here.dout));
}

constexpr shape long_row{1, 1, 1, 2, 140000, 4, 2};

}  // namespace

TEST_CASE("errors of a row do not grow with its keys - softmax, sigmoid", "[parity][cpu]") {
  call<float> c(long_row);
  make_alike(c, 0.9);  // the others' terms: 0.638
  auto const use = basin::attention<>{};
  compare_long(use, c, 1);
  compare_long(use.with(basin::sigmoid::for_length(140000)), c, 1);
}

TEST_CASE("errors of a row do not grow with its keys - rows that are searched", "[parity][cpu]") {
  call<float> c(long_row);
  auto const use = basin::attention<>{};
  for (double const top : {0.4, 1.8}) {  // shelves 0.2 and 0.9 below the largest score
    CAPTURE(top);
    make_alike(c, top);
    compare_long(use.with(basin::sparsemax{}), c, 1);
    compare_long(use.with(basin::entmax15{}), c, 1);
    compare_long(use.with(basin::entmax{{1.8}}), c, 1);
    compare_long(use.with(basin::top_k{.k = 100000}), c, 1);
  }
}

TEST_CASE("errors of a long row of random scores are those of a short one", "[parity][cpu]") {
  shape const s{1, 1, 1, 3, 500000, 3, 2};
  call<float> c(s);
  auto const use = basin::attention<>{};
  compare_long(use, c, 1);
  compare_long(use.with(basin::top_p{.p = 0.6}), c, 1);
  compare_long(use.with(basin::softpick{}), c, 1);
  compare_long(use.with(basin::self_adjusted_plain{}), c, 1);
}

TEST_CASE("gradients of long rows are as exact as those of short ones", "[parity][cpu]") {
  call<float> c(long_row);
  make_alike(c, 0.9);
  auto const use = basin::attention<>{};
  compare_gradients(use, c, 1);
  compare_gradients(use.with(basin::sigmoid::for_length(140000)), c, 1);
  compare_gradients(use.with(basin::entmax15{}), c, 1);
}

TEST_CASE("gradients that many queries add to are as exact as those of few", "[parity][cpu]") {
  shape const s{1, 1, 1, 300000, 2, 4, 2};
  call<float> c(s);
  c.q.each([](float& x, auto...) { x = 0.3f; });
  c.dout.each([](float& x, index_t, index_t, index_t, index_t d) { x = d == 0 ? 0.7f : 0.3f; });
  compare_gradients(basin::attention<>{}, c, 1);
}

TEST_CASE("gradients under masks that show few keys agree with the reference", "[parity][cpu]") {
  auto const use = basin::attention<>{};
  auto const window = use.with(basin::sliding_window{20, 3});
  auto const sinks = use.with(basin::causal{}).with(basin::window_with_sinks{4, 30});
  for (shape const s : {shape{2, 4, 2, 130, 150, 5, 3}, shape{1, 2, 1, 90, 400, 5, 3}, shape{1, 1, 1, 400, 90, 5, 3}}) {
    compare_backward<float>(window, s, numbers::normal, 1, cpu_backward_in_small_cuts);
    compare_backward<float>(sinks, s, numbers::normal, 1, cpu_backward_in_small_cuts);
  }
  shape const of_many_pieces{2, 2, 1, 4200, 4200, 3, 3};  // four stretches a head; slots serve one block after another
  auto const in_few_slots = [](auto const& used, auto& c) {
    basin::cpu::backward(used, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v, {.tasks = 1});
  };
  compare_backward<float>(window, of_many_pieces, numbers::normal, 1, in_few_slots);
}

TEST_CASE("long rows have the same bits for any number of threads", "[parity][cpu]") {
  shape const s{1, 2, 1, 70, 50000, 5, 3};
  call<float> one(s), many(s);
  int const before = omp_get_max_threads();
  auto const use = basin::attention<>{}.with(basin::sliding_window{30000});
  for (auto* c : {&one, &many}) {
    omp_set_num_threads(c == &one ? 1 : 5);
    cpu_forward(use, *c), cpu_backward(use, *c);
  }
  omp_set_num_threads(before);
  CHECK(same_elements(one.out, many.out));
  CHECK(same_elements(one.dq, many.dq));
  CHECK(same_elements(one.dk, many.dk));
  CHECK(same_elements(one.dv, many.dv));
}

}  // namespace basin_test
