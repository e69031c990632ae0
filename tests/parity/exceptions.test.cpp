// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/detail/parallel.hpp through the engines: what a hook throws inside a parallel region arrives at the
// caller.
#include <omp.h>

#include <span>
#include <stdexcept>

#include "basin/core/coord.hpp"
#include "parity/compare.hpp"

namespace basin_test {

namespace {

struct refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Weighs all keys alike, and throws at one query.
struct refusing_normalizer {
  double query;
  template <class T>
  struct row {
    T keys;
  };
  template <class T>
  row<T> fit(std::span<T const> scores, basin::row_context<T> context) const {
    if (static_cast<double>(context.query) == query) throw refusal("fit");
    return {static_cast<T>(scores.size())};
  }
  template <class T>
  T weight(row<T> const& r, T) const {
    return 1 / r.keys;
  }
  template <class T>
  basin::jacobian_terms<T> jacobian(row<T> const&, T, T) const {
    return {T(0), T(0), T(0)};
  }
};

struct refusing_mask {
  index_t query;
  bool allows(basin::coord c) const {
    if (c.query == query) throw refusal("allows");
    return true;
  }
  basin::coverage covers(basin::tile) const { return basin::coverage::some; }
};

struct refusing_row_observer {
  index_t query;
  template <class T>
  struct row {};
  template <class T>
  void absorb(row<T>&, basin::seen_term<T>) const {}
  template <class T>
  T report(row<T> const&, T factor) const {
    return factor;
  }
  void sees_row(basin::row_at at, double) const {
    if (at.query == query) throw refusal("sees_row");
  }
};

struct refusing_key_observer {
  index_t key;
  template <class T>
  T gives(T weight) const {
    return weight;
  }
  void sees_key(basin::key_at at, double) const {
    if (at.key == key) throw refusal("sees_key");
  }
};

struct refusing_whole_row_observer {
  index_t query;
  void sees_whole_row(basin::row_at at, basin::whole_row const&) const {
    if (at.query == query) throw refusal("sees_whole_row");
  }
};

shape const many_panels{1, 4, 2, 700, 150, 5, 3};
shape const a_step{2, 4, 2, 2, 3000, 5, 3};

/// That run() throws what the hook threw, with one thread and with more threads than there are processors, and that the
/// next call is right.
template <class Run>
void require_refusal(char const* hook, Run const& run) {
  int const before = omp_get_max_threads();
  for (int const threads : {1, 7}) {
    CAPTURE(hook, threads);
    omp_set_num_threads(threads);
    CHECK_THROWS_WITH(run(), hook);
    compare_forward<float>(basin::attention<>{}, {1, 2, 1, 70, 90, 5, 3}, numbers::normal, 1, cpu_forward);
    compare_backward<float>(basin::attention<>{}, {1, 2, 1, 70, 90, 5, 3}, numbers::normal, 1, cpu_backward);
  }
  omp_set_num_threads(before);
}

}  // namespace

TEST_CASE("what a hook throws in forward arrives at the caller", "[parity][cpu]") {
  call<float> c(many_panels);
  auto const use = basin::attention<>{};
  require_refusal("fit", [&] { cpu_forward(use.with(refusing_normalizer{100}), c); });
  require_refusal("allows", [&] { cpu_forward(use.with(refusing_mask{100}), c); });
  require_refusal("sees_row", [&] { cpu_forward(use.with(refusing_row_observer{699}), c); });
  require_refusal("sees_key", [&] { cpu_forward(use.with(refusing_key_observer{0}), c); });
  require_refusal("sees_whole_row", [&] { cpu_forward(use.with(refusing_whole_row_observer{300}), c); });
}

TEST_CASE("what a hook throws in backward arrives at the caller", "[parity][cpu]") {
  call<float> c(many_panels);
  auto const use = basin::attention<>{};
  require_refusal("fit", [&] { cpu_backward(use.with(refusing_normalizer{0}), c); });
  require_refusal("allows",
                  [&] { cpu_backward(use.with(refusing_mask{30}), c); });  // other pieces wait for that of query 30
  require_refusal("sees_row", [&] { cpu_backward(use.with(refusing_row_observer{699}), c); });
  require_refusal("sees_key", [&] { cpu_backward(use.with(refusing_key_observer{149}), c); });
}

TEST_CASE("what a hook throws in decode arrives at the caller", "[parity][cpu]") {
  call<float> c(a_step);
  auto const use = basin::attention<>{};
  require_refusal("fit", [&] { cpu_decode(use.with(refusing_normalizer{2999}), c); });
  require_refusal("allows", [&] { cpu_decode(use.with(refusing_mask{2998}), c); });
  require_refusal("sees_row", [&] { cpu_decode(use.with(refusing_row_observer{1}), c); });
  require_refusal("sees_key", [&] { cpu_decode(use.with(refusing_key_observer{7}), c); });
  require_refusal("sees_whole_row", [&] { cpu_decode(use.with(refusing_whole_row_observer{1}), c); });
}

}  // namespace basin_test
