// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over three equal keys: every weight is 1/3, so the output is the mean of the values.

#include <cmath>
#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

int main() {
  std::vector<float> const q(8, 1.0f), k(24, 1.0f),
      v{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5, 5, 5, 5, 5, 5};
  std::vector<float> out(8, -1.0f);
  basin::cpu::forward(basin::attention<>{}, basin::contiguous(q.data(), 1, 1, 1, 8),
                      basin::contiguous(k.data(), 1, 1, 3, 8), basin::contiguous(v.data(), 1, 1, 3, 8),
                      basin::contiguous(out.data(), 1, 1, 1, 8));
  for (float const o : out)
    if (std::fabs(o - 2.0f) > 1e-5f) return std::printf("expected 2, got %g\n", static_cast<double>(o)), 1;
  return 0;
}
