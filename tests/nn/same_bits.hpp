// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <omp.h>

#include "support/catch.hpp"

namespace nn_test {

/// `make` must return the same bits with 1, 2 and 3 threads.
template <class Make>
void require_same_bits(Make make) {
  int const before = omp_get_max_threads();
  omp_set_num_threads(1);
  auto const first = make();
  for (int const threads : {2, 3}) {
    omp_set_num_threads(threads);
    CAPTURE(threads);
    CHECK(make() == first);
  }
  omp_set_num_threads(before);
}

}  // namespace nn_test
