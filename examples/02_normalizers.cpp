// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The same scores under different normalizers, and how the weights change with the length of the row.

#include <algorithm>
#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

template <basin::normalizer Normalizer>
void show(char const* name, Normalizer normalize) {
  std::printf("%-22s", name);
  for (int const keys : {8, 64, 512, 4096}) {
    std::vector<double> scores(static_cast<std::size_t>(keys));
    basin::philox random(1);
    for (double& s : scores) s = basin::normal(random);
    scores[0] = 4;                                               // one large score, the same for every length
    auto const row = basin::fit_row(normalize, std::span<double const>(scores),
                                    basin::row_context<double>{0, 0, keys - 1.0, double(keys)});
    std::printf("  %8.4f", basin::weigh(normalize, row, scores[0]));
  }
  std::printf("\n");
}

int main() {
  std::printf("weight of one score of 4 among normal ones, by number of keys\n");
  std::printf("%-22s  %8d  %8d  %8d  %8d\n", "", 8, 64, 512, 4096);
  show("softmax", basin::softmax{});
  show("softmax, T = 1/2", basin::softmax{.temperature = 0.5});
  show("length_scaled (SSMax)", basin::length_scaled<basin::softmax, basin::ssmax>{});
  show("length_scaled (log n)", basin::length_scaled<basin::softmax, basin::log_n>{.law = {.trained = 64}});
  show("top_k, k = 8", basin::top_k{.k = 8});
  show("top_p, p = 0.85", basin::top_p{.p = 0.85});
  show("sparsemax", basin::sparsemax{});
  show("entmax15", basin::entmax15{});
  show("entmax, alpha = 1.25", basin::entmax{.alpha = {1.25}});
  show("ASEntmax", basin::length_scaled<basin::entmax15, basin::asentmax>{});
  show("adaptive_temperature", basin::adaptive_temperature{});
  show("softmax_n, n = 1", basin::softmax_n{});
  show("sink_logit of 2", basin::sink_logit{.logit = {2.0}});
  show("softpick", basin::softpick{});
  show("self_adjusted", basin::self_adjusted{});
  show("sigmoid", basin::sigmoid::for_length(512));
  show("relu", basin::relu{});
  show("squared_relu", basin::squared_relu{});
}
