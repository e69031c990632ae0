// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found: what sinks/marks.cuh runs on a GPU. Its program runs the same on the host, against the
// functions for one row; it needs no GPU, and exits with 1 and a word on the first difference.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/sinks/marks.cuh"
#include "basin/sinks/ranking.hpp"

namespace basin {
namespace {

void require(bool holds, char const* what) {
  if (holds) return;
  std::printf("sinks_on_a_device: %s\n", what);
  std::exit(1);
}

template <class Call>
bool refuses(Call const& call) {
  try {
    call();
  } catch (error const&) {
    return true;
  }
  return false;
}

}  // namespace

void on_a_gpu(cudaStream_t stream, view<double const, 2> received, view<std::uint8_t, 2> marks) {
  auto const there = thrust::cuda::par.on(stream);
  sinks::mark_sinks(there, {}, received, 8, marks);
  sinks::mark_strongest_keys(there, received, 3, marks);
  sinks::sink_rate(there, received, 0, sinks::sight::causal);
}

static void run_on_the_host() {
  index_t const rows = 6, keys = 37;
  std::vector<double> sums(rows * keys);
  philox rng(1);
  for (double& c : sums) c = static_cast<double>(below(rng, 9));  // many equals
  std::vector<std::uint8_t> marks(sums.size()), expected(keys);
  auto const received = contiguous(static_cast<double const*>(sums.data()), rows, keys);
  auto const all = contiguous(marks.data(), rows, keys);
  sinks::epsilon_rule const rule{.epsilon = 2};
  auto const row = [&](index_t r) { return std::span<double const>(sums).subspan(r * keys, keys); };
  auto const same = [&](index_t r) { return std::equal(expected.begin(), expected.end(), marks.begin() + r * keys); };

  sinks::mark_sinks(thrust::host, rule, received, 40, all);
  for (index_t r = 0; r < rows; ++r) {
    require(sinks::mark_sinks(rule, row(r), 40, expected) > 0, "a row has no sink to find");
    require(same(r), "sinks of many rows are not those of one");
  }
  for (index_t const count : {0, 1, 5, 37}) {
    sinks::mark_strongest_keys(thrust::host, received, count, all);
    for (index_t r = 0; r < rows; ++r) {
      sinks::mark_keys(sinks::strongest_keys(row(r), count), expected);
      require(same(r), "the strongest keys of many rows are not those of one");
    }
  }
  for (auto const sight : {sinks::sight::causal, sinks::sight::bidirectional})
    require(sinks::sink_rate(thrust::host, received, 30, sight, 0.2) == sinks::sink_rate(received, 30, sight, 0.2),
            "the sink rate differs");

  auto const fewer = contiguous(marks.data(), rows, keys - 1);
  require(refuses([&] { sinks::mark_sinks(thrust::host, rule, received, 40, fewer); }), "fewer marks are not refused");
  require(refuses([&] { sinks::mark_sinks(thrust::host, rule, received, 0, all); }), "no query is not refused");
  require(refuses([&] { sinks::mark_strongest_keys(thrust::host, received, keys + 1, all); }),
          "more keys than there are, are not refused");
  require(refuses([&] { sinks::sink_rate(thrust::host, received, keys, sinks::sight::causal); }),
          "a key outside is not refused");
}

}  // namespace basin

int main() { basin::run_on_the_host(); }
