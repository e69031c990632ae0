// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A call on the device against the reference on the same numbers: run twice, into poison, with observers.

#include "basin/reference.hpp"
#include "gpu/host_call.hpp"
#include "gpu/pinned.hpp"
#include "gpu/policies.hpp"
#include "parity/policies.hpp"
#include "support/calls.hpp"
#include "support/halves.hpp"

namespace basin_test {

using device_reports = reports_in<pinned_allocator>;

/// ||here - exact|| (infinite if there is a NaN) and ||exact||: Euclidean norms over all elements.
struct norms {
  double off = 0, exact = 0;
  std::size_t count = 0;
};
template <class T>
norms norms_of(tensor<T> const& here, tensor<double> const& exact) {
  norms n;
  here.each([&](T& x, index_t b, index_t h, index_t i, index_t d) {
    double const want = exact.v(b, h, i, d), off = static_cast<double>(x) - want;
    n.off += off * off, n.exact += want * want, ++n.count;
  });
  return {std::isnan(n.off) ? inf : std::sqrt(n.off), std::sqrt(n.exact), n.count};
}

/// fp32: no element has an error above `allowed`. 16 bits: the norm of the error is at most that of `roundings`
/// roundings, plus `allowed` for each element.
template <class E, class T>
void check_close(char const* what, tensor<T> const& here, tensor<double> const& exact, double allowed, int roundings) {
  INFO(what);
  if constexpr (std::is_same_v<E, float>) {
    CHECK(distance(here, exact) <= allowed);
  } else {
    norms const n = norms_of(here, exact);
    double const rounded = norm_tolerance_of_rounded(half_step<E>(), roundings) * n.exact;
    CHECK(n.off <= rounded + std::sqrt(static_cast<double>(n.count)) * allowed);
  }
}

/// A call in E and Out, the results of the device, and the expected results.
template <class E, class Out, class Attention>
struct device_comparison {
  Attention use;
  shape s;
  call<E> in;
  call<double> exact;
  call<Out> first, again;
  device_reports seen, seen_again, seen_backward;
  reports expected;
  double steep;
  call_tolerances allowed;

  device_comparison(Attention const& with, shape const& sizes, numbers of, double steepness, double bend,
                    std::uint64_t seed)
      : use(with), s(sizes), in(sizes, of, seed), exact(sizes), first(sizes), again(sizes), seen(sizes),
        seen_again(sizes), seen_backward(sizes), expected(sizes), steep(steepness) {
    exact.copy_inputs(in);
    auto m = exact.magnitudes();
    m.steep = steep, m.support = support_of_errors(use.normalize, s), m.bend = bend;
    allowed = tolerances_of<float>(s, m);
  }
  host_call<E, Out> into(call<Out>& to) { return host_call<E, Out>::of(in, to); }

  void forward() {
    forward_on_device(use.with(seen.watch_all()), into(first));
    forward_on_device(use.with(seen_again.watch_all()), into(again));
    basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
    check_forward();
  }
  void check_forward() {
    CHECK(first.outputs_are_whole());
    check_close<E>("out", first.out, exact.out, allowed.out, 2);
    compare_reports(seen, expected, allowed);
    CHECK(same_elements(first.out, again.out));
    using device = device_reports;
    for (auto const of : {&device::received, &device::nats, &device::heaviest, &device::squares})
      CHECK(std::ranges::equal(seen.*of, seen_again.*of, same_bits<double>));  // entropies of negative weights are NaN
  }
  /// Call it after forward(), which computes the expected reports.
  void backward() {
    backward_on_device(use.with(seen_backward.watch_all()), into(first));
    backward_on_device(use.with(seen_again.watch_all()), into(again));
    basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
    check_gradients(first, allowed);
    compare_reports(seen_backward, expected, allowed);
    check_same_gradients(again);
  }
  template <class T>
  void check_gradients(call<T> const& of, call_tolerances const& off) const {
    CHECK(of.gradients_are_whole());
    check_close<E>("dq", of.dq, exact.dq, off.dq, 4);
    check_close<E>("dk", of.dk, exact.dk, off.dk, 4);
    check_close<E>("dv", of.dv, exact.dv, off.dv, 2);
  }
  /// Call it after backward(). Runs a forward that keeps its rows, whose output has the same bits, and a backward that
  /// uses them. Its delta = <do, o> is computed from rounded outputs, so it has an error of half a step of |do| |v|. A
  /// gradient of a score has this error times its weight.
  template <class With>
  void training(With const& with) {
    call<E> kept(s);
    train_on_device(with, host_call<E, E>::of(in, kept));
    if constexpr (std::is_same_v<E, Out>) CHECK(same_elements(first.out, kept.out));
    check_close<E>("out", kept.out, exact.out, allowed.out, 2);
    auto const m = exact.magnitudes();
    double const delta = half_step<E>() * m.dout_norm * m.v_norm * steep / std::sqrt(static_cast<double>(s.dim));
    auto off = allowed;
    double const most_received = *std::max_element(expected.received.begin(), expected.received.end());
    off.dq += delta * m.k, off.dk += delta * m.q * static_cast<double>(s.heads / s.kv_heads) * most_received;
    check_gradients(kept, off);
  }
  void training_watched() {
    training(use.with(seen_backward.watch_all()));
    compare_reports(seen_backward, expected, allowed);
  }
  void check_same_gradients(call<Out> const& other) const {
    for (auto const of : {&call<Out>::dq, &call<Out>::dk, &call<Out>::dv}) CHECK(same_elements(first.*of, other.*of));
  }
  /// Checks that a call without observers gives the same bits.
  void blind() {
    call<Out> alone(s);
    forward_on_device(use, into(alone));
    backward_on_device(use, into(alone));
    CHECK(same_elements(first.out, alone.out));
    check_same_gradients(alone);
  }
};

enum class passes { separate, and_together };                    // whether forward with kept rows is compiled as well

template <class E, passes Which, class Attention>
void compare_on_device(Attention const& use, shape const& s, numbers of, double steep, double bend = 0) {
  INFO(description(s));
  device_comparison<E, E, Attention> c(use, s, of, steep, bend, 1);
  c.forward();
  c.backward();
  if constexpr (Which == passes::and_together) c.training_watched();
}

}  // namespace basin_test
