// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: how much memory does a call take beside its inputs and outputs?
//
// operator new and delete of this program count the memory in use. Nothing is timed, so other load does not matter.

#include <omp.h>

#include <string>
#include <vector>

#include "basin/basin.hpp"
#include "parity/counted_memory.hpp"
#include "support/gradient_case.hpp"
#include "support/suite.hpp"

namespace {

constexpr int threads = 2;

/// The largest memory in use during run(), less that before it, in MiB per thread.
template <class Run>
double mib_per_thread(Run&& run) {
  long const before = basin_test::memory_in_use;
  basin_test::memory_peak = before;
  run();
  return static_cast<double>(basin_test::memory_peak - before) / (1 << 20) / threads;
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::wall,
                     "How much memory does a call take? fp32, one batch, one head, d = 64, L = 32768, two threads"};
  omp_set_num_threads(threads);
  bench::gradient_case shape(suite.how() == bench::mode::dry ? 200 : 32768, 64);
  auto& inputs = shape.forward();
  std::vector<double> sums(static_cast<std::size_t>(inputs.length()));
  basin::attention<> const plain;
  auto const observed = plain.with(basin::received_attention{basin::contiguous(sums.data(), 1, 1, inputs.length())});
  auto const sparse = plain.with(basin::top_k{.k = 64});
  auto const local = plain.with(basin::sliding_window{255});

  suite.expect("allocated memory is counted", [&] {
    char* volatile memory = nullptr;                             // volatile: the compiler must not omit the allocation
    return mib_per_thread([&] { memory = new char[threads << 20], delete[] memory; }) == 1;
  });
  auto const forward = [&](auto const& use) {
    inputs.forget();
    double const mib = mib_per_thread(
        [&] { basin::cpu::forward(use, inputs.q(), inputs.k(), inputs.v(), inputs.out()); });
    suite.expect("the forward agrees with the reference", [&] { return inputs.matches(use, {inputs.length()}); });
    return mib;
  };
  suite.expect("the backward agrees with the reference, L = 512",
               [&] { return bench::gradient_case(512, 64).agrees(plain); });
  suite.expect(
      "the backward with a window agrees with the reference, L = 64",  // all rows are sampled: masks read positions
      [&] { return bench::gradient_case(64, 64).agrees(plain.with(basin::sliding_window{15})); });
  suite.claim("cpu_workspace_mib_per_thread_l32k", "forward, MiB for each of two threads", {forward(plain)});
  suite.note("cpu_workspace_mib_per_thread_l32k_received_attention", "forward with received attention",
             {forward(observed)});
  suite.note("cpu_workspace_mib_per_thread_l32k_top_k", "forward with top_k", {forward(sparse)});
  suite.note("cpu_workspace_mib_per_thread_l32k_backward", "backward", {mib_per_thread([&] { shape.run(plain); })});
  suite.note("cpu_workspace_mib_per_thread_l32k_backward_window", "backward with a window of 256 keys",
             {mib_per_thread([&] { shape.run(local); })});
  return suite.report();
}
