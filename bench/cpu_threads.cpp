// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: how much faster are two threads than one, if they share one batch and one head?

#include <omp.h>

#include "basin/basin.hpp"
#include "support/gradient_case.hpp"
#include "support/suite.hpp"

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::wall,
                     "How much faster are two threads than one? fp32, one batch, one head, d = 64, L = 4096"};
  bench::gradient_case shape(suite.how() == bench::mode::dry ? 96 : 4096, 64);
  auto& inputs = shape.forward();
  basin::attention<> const full;

  auto const forward = [&] { basin::cpu::forward(full, inputs.q(), inputs.k(), inputs.v(), inputs.out()); };
  auto const backward = [&] { shape.run(full); };
  auto const with = [](int threads, auto run) {
    return [=] { omp_set_num_threads(threads), run(); };
  };

  for (int const threads : {1, 2}) {
    omp_set_num_threads(threads);
    suite.expect("the forward agrees with the reference", [&] { return inputs.agrees(full); });
    suite.expect("the backward agrees with the reference", [&] { return shape.agrees(full); });
  }
  suite.expect("at least two processors are available",
               [&] { return suite.how() == bench::mode::dry || omp_get_num_procs() >= 2; });

  auto const f = suite.alternate({{"forward, 1 thread", inputs.flops(), with(1, forward)},
                                  {"forward, 2 threads", inputs.flops(), with(2, forward)}});
  auto const b = suite.alternate({{"backward, 1 thread", shape.flops(), with(1, backward)},
                                  {"backward, 2 threads", shape.flops(), with(2, backward)}});
  suite.claim("cpu_forward_two_threads", "time of one thread over time of two",
              bench::ratios(f[0].seconds, f[1].seconds));
  suite.claim("cpu_backward_two_threads", "time of one thread over time of two",
              bench::ratios(b[0].seconds, b[1].seconds));
  return suite.report();
}
