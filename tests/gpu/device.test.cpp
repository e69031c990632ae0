// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/forward.cuh, cuda/backward.cuh, cuda/device.cuh on a device: every class of algorithm against the reference on the same
// numbers. Built and run by tests/gpu.sh alone.
#include "basin/basin.hpp"
#include "gpu/policies.hpp"
#include "parity/compare.hpp"
#include "support/halves.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

std::vector<float> outputs(tensor<double> const& like) { return std::vector<float>(like.memory.size(), 12345.0f); }

/// ||got - want|| / ||want||; a NaN never passes.
double relative_distance(std::vector<float> const& got, std::vector<double> const& want) {
  double off = 0, all = 0;
  for (std::size_t n = 0; n < want.size(); ++n) off += (static_cast<double>(got[n]) - want[n]) * (static_cast<double>(got[n]) - want[n]), all += want[n] * want[n];
  return all == 0 ? std::sqrt(off) : std::sqrt(off / all);
}

shape const device_shapes[] = {{1, 2, 2, 128, 128, 64, 64}, {2, 4, 2, 77, 200, 64, 64}, {1, 6, 2, 1, 333, 64, 40}, {1, 2, 1, 130, 65, 128, 128}};

/// f(policy, its number as a constant) for all of them.
template <class F>
void for_each_device_policy(F const& f) {
  auto const all = device_policies();
  [&]<std::size_t... N>(std::index_sequence<N...>) { (f(std::get<N>(all), std::integral_constant<int, static_cast<int>(N)>{}), ...); }(
      std::make_index_sequence<static_cast<std::size_t>(device_policy_count)>{});
}

}  // namespace

TEMPLATE_TEST_CASE("a device agrees with the reference under every policy", "[gpu]", basin::bfloat16, basin::float16, float) {
  for (shape const& s : device_shapes) {
    INFO(description(s));
    call<double> exact(s);
    auto const q = rounded<TestType>(exact.q), k = rounded<TestType>(exact.k), v = rounded<TestType>(exact.v), dout = rounded<TestType>(exact.dout);
    for_each_device_policy([&](auto const& policy, auto number) {
      auto const& use = policy.use;
      CAPTURE(policy.name);
      reports seen(s), expected(s);
      std::vector<double> again(seen.received.size(), nan);
      auto out = outputs(exact.out), dq = outputs(exact.dq), dk = outputs(exact.dk), dv = outputs(exact.dv);
      run_on_device<decltype(number)::value, TestType>({s, q.data(), k.data(), v.data(), dout.data(), out.data(), dq.data(), dk.data(), dv.data(), seen.received.data(),
                                                         seen.nats.data(), seen.heaviest.data(), again.data()});
      basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
      basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
      double const allowed = 4 * half_step<TestType>() + 1e-4;    // operands rounded once or twice, sums in fp32
      CHECK(relative_distance(out, exact.out.memory) <= allowed);
      CHECK(relative_distance(dq, exact.dq.memory) <= 2 * allowed);
      CHECK(relative_distance(dk, exact.dk.memory) <= 2 * allowed);
      CHECK(relative_distance(dv, exact.dv.memory) <= 2 * allowed);
      double const rows = static_cast<double>(s.queries);
      CHECK(distance(seen.received, expected.received) <= 1e-4 * rows);
      CHECK(distance(again, expected.received) <= 1e-4 * rows);
      CHECK(distance(seen.nats, expected.nats) <= 1e-3 * (1 + std::log(static_cast<double>(s.keys))));
      CHECK(distance(seen.heaviest, expected.heaviest) <= 1e-4);
    });
  }
}

}  // namespace basin_test
