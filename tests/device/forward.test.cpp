// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/detail/forward_block.hpp, watch_block.hpp, products.hpp, rows.hpp, call.hpp: the kernels of the forward
// pass, on the host.
#include "basin/basin.hpp"
#include "device/half_call.hpp"
#include "device/host_engine.hpp"
#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

TEST_CASE("kernels agree with the reference in every layout and at every length", "[device]") {
  for (shape const& s :
       {shape{1, 1, 1, 1, 1, 8, 8}, shape{1, 2, 1, 40, 50, 16, 24},
        shape{2, 3, 3, 33, 17, 32, 8, layout::dim_first, layout::padded}, shape{1, 1, 1, 64, 32, 32, 32},
        shape{1, 6, 2, 1, 65, 24, 32, layout::reversed}, shape{1, 1, 1, 20, 70, 90, 33, layout::padded}}) {
    basin::attention<> const full;
    auto const window = full.with(basin::sliding_window{.left = 20}).with(basin::soft_cap{3});
    compare_forward<float>(full, s, numbers::normal, 1, on_host);
    compare_forward<float>(full.with(basin::causal{}), s, numbers::normal, 1, on_host);
    compare_forward<float>(window, s, numbers::normal, 1, on_host);
  }
}

TEST_CASE("outputs with the block size of a GPU agree with the reference", "[device]") {
  auto const whole = [](auto const& use, auto& c) {
    host_forward<basin::gpu::default_tuning>(use, c.q.v, c.k.v, c.v.v, c.out.v);
  };
  for (shape const& s : {shape{1, 2, 1, 70, 150, 32, 32}, shape{1, 1, 1, 130, 130, 64, 64}})
    compare_forward<float>(basin::attention<>{}.with(basin::causal{}), s, numbers::normal, 1, whole);
}

TEMPLATE_TEST_CASE("kernels on 16-bit numbers agree with the reference on the same numbers", "[device]",
                   basin::bfloat16, basin::float16) {
  for (shape const& s : {shape{1, 2, 1, 40, 50, 16, 24}, shape{1, 1, 1, 64, 64, 32, 32}, shape{2, 4, 2, 9, 33, 30, 7},
                         shape{1, 1, 1, 35, 129, 64, 80}}) {
    INFO(description(s));
    auto const check = [&](auto const& use, double sum_of_weights) {
      half_call<TestType> c(s);
      c.template run<small_blocks>(use);
      // Each unnormalised weight is rounded once.
      double const terms = half_step<TestType>() * sum_of_weights * largest(c.exact.v);
      CHECK(c.out.all_written());
      CHECK(distance(c.out, c.exact.out) <= terms + 1e-4);
    };
    check(basin::attention<>{}, 1);
    check(basin::attention<>{}.with(basin::causal{}), 1);
    check(basin::attention<>{}.with(basin::causal{}).with(basin::sparsemax{}), 1);
    check(basin::attention<>{}.with(basin::sigmoid{}), static_cast<double>(s.keys));
  }
}

/// Small blocks, with products rounded to TF32.
struct small_tf32_blocks : small_blocks {
  using arithmetic = basin::gpu::tf32;
};

TEST_CASE("TF32 products have the error of TF32, and are used only where a selector names them", "[device]") {
  for (shape const& s : {shape{1, 2, 1, 40, 50, 16, 24}, shape{1, 1, 1, 35, 129, 64, 80}}) {
    INFO(description(s));
    auto const use = basin::attention<>{}.with(basin::causal{});
    call<float> c(s), exact_numbers(s);
    call<double> exact(s);
    host_forward<small_tf32_blocks>(use, c.q.v, c.k.v, c.v.v, c.out.v);
    host_forward<small_blocks>(use, exact_numbers.q.v, exact_numbers.k.v, exact_numbers.v.v, exact_numbers.out.v);
    basin::reference::forward(use, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
    // The operands of <q, k> have an error of 2^-11 each, which counts twice in a weight (unnormalised weight and sum).
    // Weights and values have an error of 2^-11 each.
    double const step = std::ldexp(1.0, -11);
    double const score = 2 * step * largest_norm(c.q) * largest_norm(c.k) / std::sqrt(static_cast<double>(s.dim));
    double const allowed = (2 * score + 2 * step) * largest(c.v) + 1e-5, off = distance(c.out, exact.out);
    CHECK(c.out.all_written());
    CHECK(off <= allowed);
    CHECK(off >= 20 * distance(exact_numbers.out, exact.out));
  }
}

TEMPLATE_TEST_CASE("16-bit outputs are float outputs rounded once, stored in pairs or singly", "[device]",
                   basin::bfloat16, basin::float16) {
  for (index_t const value_dim : {24, 7}) {
    shape const s{1, 2, 1, 40, 50, 16, value_dim};
    half_call<TestType> c(s);
    auto const use = basin::attention<>{}.with(basin::causal{});
    c.template run<small_blocks>(use);
    for (index_t const pad : {0, 1}) {                           // rows at even and at odd addresses
      index_t const row = value_dim + pad;
      std::vector<TestType> memory(static_cast<std::size_t>(s.heads * s.queries * row + 1), TestType(-7.0f));
      basin::view<TestType, 4> const out =
          basin::strided(memory.data() + pad, std::array<index_t, 4>{1, s.heads, s.queries, value_dim},
                         std::array<index_t, 4>{s.heads * s.queries * row, s.queries * row, row, 1});
      host_forward(use, c.view_of(c.q, c.exact.q), c.view_of(c.k, c.exact.k), c.view_of(c.v, c.exact.v), out);
      bool same = true;
      c.out.each([&](float x, index_t b, index_t h, index_t i, index_t d) {
        same = same && out(b, h, i, d).bits == TestType(x).bits;
      });
      CHECK(same);
      CHECK((pad == 0 || memory[0].bits == TestType(-7.0f).bits));
    }
  }
}

TEST_CASE("kernels give the same bits every time, and observers change none of them", "[device]") {
  shape const s{1, 4, 2, 37, 60, 16, 16};
  call<float> blind(s), again(s), watched(s);
  reports seen(s), repeated(s);
  auto const use = basin::attention<>{}.with(basin::causal{});
  on_host(use, blind);
  on_host(use, again);
  on_host(use.with(seen.watch_all()), watched);
  on_host(use.with(repeated.watch_all()), watched);
  CHECK(same_elements(blind.out, again.out));
  CHECK(same_elements(blind.out, watched.out));
  CHECK(seen.received == repeated.received);
}

/// A row observer with merge() and without rescale().
struct mergeable_concentration : concentration {
  template <class T>
  void merge(row<T>& into, row<T> const& from) const { into.sum = into.sum + from.sum; }
};

TEST_CASE("an observer without rescale reads finished rows and changes no bit", "[device]") {
  shape const s{1, 2, 1, 40, 200, 16, 16};
  call<float> blind(s), watched(s);
  call<double> exact(s);
  std::vector<double> seen(80, nan), expected(80, nan);
  auto const use = basin::attention<>{}.with(basin::causal{});
  on_host(use, blind);
  auto const observed = use.with(mergeable_concentration{basin::contiguous(seen.data(), 1, 2, 40)});
  auto const reference = use.with(concentration{basin::contiguous(expected.data(), 1, 2, 40)});
  on_host(observed, watched);
  basin::reference::forward(reference, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  CHECK(same_elements(blind.out, watched.out));
  CHECK(distance(seen, expected) <= 1e-4);
}

TEST_CASE("rows without visible keys give 0", "[device]") {
  shape const s{1, 2, 2, 30, 40, 16, 16};
  call<float> c(s);
  on_host(basin::attention<>{}.with(blindfold{}), c);
  bool all_zero = true;
  c.out.each([&](float x, auto...) { all_zero = all_zero && x == 0; });
  CHECK(all_zero);
}

TEST_CASE("with a normalizer that gives zeros, steps of a product without a weight are skipped", "[device]") {
  shape const s{1, 1, 1, 32, 64, 16, 16};
  call<float> c(s), whole(s);
  for (index_t i = 0; i < 32; ++i)
    for (index_t d = 0; d < 16; ++d) c.q.v(0, 0, i, d) = whole.q.v(0, 0, i, d) = d == 0 ? 40.0f : 0.0f;
  for (index_t j = 0; j < 64; ++j)
    for (index_t d = 0; d < 16; ++d) {
      c.k.v(0, 0, j, d) = whole.k.v(0, 0, j, d) = d == 0 && j / 16 == 2 ? 1.0f : 0.0f;
      if (j / 16 != 2) c.v.v(0, 0, j, d) = std::numeric_limits<float>::quiet_NaN();
    }
  auto const check = [&](auto const& normalizer) {
    on_host(basin::attention<>{}.with(normalizer), c);
    on_host(basin::attention<>{}.with(normalizer), whole);
    CHECK(same_elements(c.out, whole.out));
  };
  check(basin::sparsemax{});
  check(basin::top_k{16});
  check(basin::entmax15{});
}

TEST_CASE("the host machine detects errors between threads", "[device]") {
  host_device device(64, 64);
  using machine = host_device::thread_of_block;
  SECTION("a barrier that some threads do not reach") {
    auto const body = [](machine const& m) {
      if (m.thread() < 40) m.sync();
    };
    CHECK_THROWS_WITH(device.launch(1, body), ContainsSubstring("wait for each other"));
  }
  SECTION("lanes of a warp in different operations") {
    auto const body = [](machine const& m) {
      std::byte* const row = m.shared();
      if (m.thread() % 2 == 0) m.from_lane_xor(1u, 1);
      else m.load_matrices(row);
    };
    CHECK_THROWS_WITH(device.launch(1, body), ContainsSubstring("synchronise for"));
  }
  SECTION("a copy without a wait has not arrived") {
    alignas(16) std::array<std::byte, 16> const from{};
    bool arrived = true;
    device.launch(1, [&](machine const& m) {
      if (m.thread() != 0) return;
      m.copy_async(m.shared(), from.data(), true);
      m.commit();
      m.wait_for_all_but<1>();
      arrived = m.shared()[0] == std::byte{0};
    });
    CHECK_FALSE(arrived);
  }
}

}  // namespace basin_test
