// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: does a step of generation read keys and values at memory bandwidth, and half the bytes in half the time?

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "basin/basin.hpp"
#include "support/suite.hpp"

namespace {

using basin::index_t;

/// Keys and values of one sequence in one storage type, [1, heads, keys, dim].
template <class Storage>
struct cache {
  std::vector<Storage> k, v;
  basin::view<Storage const, 4> keys, values;

  cache(index_t heads, index_t length, index_t dim) : k(static_cast<std::size_t>(heads * length * dim)), v(k.size()) {
#pragma omp parallel for schedule(static)
    for (index_t head = 0; head < heads; ++head) {
      basin::philox rng(static_cast<std::uint64_t>(head));
      for (index_t n = head * length * dim; n < (head + 1) * length * dim; ++n)
        for (auto* const to : {&k, &v})
          (*to)[static_cast<std::size_t>(n)] = static_cast<Storage>(static_cast<float>(2 * basin::uniform(rng) - 1));
    }
    keys = basin::contiguous(static_cast<Storage const*>(k.data()), 1, heads, length, dim);
    values = basin::contiguous(static_cast<Storage const*>(v.data()), 1, heads, length, dim);
  }
};

/// The baseline: every thread adds up its share of the same memory in registers. It prefetches lines 4 KiB ahead;
/// without that it is a third slower (Sapphire Rapids, one core: 8.8 and 11.8 GB/s; 1 to 8 KiB ahead are alike).
class reader {
 public:
  void run(std::vector<float> const& from) {
    using batch = basin::simd<float>;
    constexpr index_t step = 8 * static_cast<index_t>(batch::size), piece = index_t{1} << 17;
    index_t const size = static_cast<index_t>(from.size()) / step * step;
    float total = 0;
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : total)
    for (index_t first = 0; first < size; first += piece) {
      batch sum[8];
      for (batch& s : sum) s = batch(0.0f);
      for (index_t n = first; n < std::min(size, first + piece); n += step)
        for (std::size_t c = 0; c < 8; ++c) {
          float const* const line = from.data() + n + static_cast<index_t>(c * batch::size);
          BASIN_PREFETCH(line + 1024, 3);
          sum[c] = sum[c] + batch::load_unaligned(line);
        }
      for (batch const& s : sum) total += xsimd::hadd(s);
    }
    result_ = total;
  }
  float result() const { return result_; }

 private:
  float volatile result_ = 0;
};

/// For |q|, |k|, |v| <= 1; see attention_case.hpp.
double tolerance(index_t keys, index_t dim) {
  double const eps = std::numeric_limits<float>::epsilon() / 2, d = static_cast<double>(dim);
  return 2 * d * d * eps / std::sqrt(d) + static_cast<double>(keys) * eps;
}

}  // namespace

int main(int argc, char** argv) {
  using basin::index_t;
  bench::suite suite{argc, argv, bench::clock::wall,
                     "How fast does a step of generation read its cache? 32 heads, d = 128, 32768 keys, one query a "
                     "head, all threads"};
  bool const dry = suite.how() == bench::mode::dry;
  index_t const heads = dry ? 2 : 32, length = dry ? 700 : 32768, dim = 128;
  std::vector<float> q(static_cast<std::size_t>(heads * dim)), out(q.size());
  basin::philox rng(17);
  for (float& x : q) x = static_cast<float>(2 * basin::uniform(rng) - 1);
  auto const queries = basin::contiguous(static_cast<float const*>(q.data()), 1, heads, 1, dim);
  auto const outputs = basin::contiguous(out.data(), 1, heads, 1, dim);
  cache<float> const wide(heads, length, dim);
  cache<basin::bfloat16> const narrow(heads, length, dim);
  cache<basin::float16> const half(heads, length, dim);

  auto const step = [&](auto const& from) {
    return [&] { basin::cpu::decode(basin::attention<>{}, queries, from.keys, from.values, outputs); };
  };
  auto const agrees = [&](auto const& from) {
    std::vector<double> expected(out.size());
    basin::reference::forward(basin::attention<>{}, queries, from.keys, from.values,
                              basin::contiguous(expected.data(), 1, heads, 1, dim));
    step(from)();
    double worst = 0;
    for (std::size_t n = 0; n < out.size(); ++n)
      worst = std::max(worst, std::fabs(static_cast<double>(out[n]) - expected[n]));
    return worst <= tolerance(length, dim);
  };
  suite.expect("decode agrees with the reference, fp32", [&] { return agrees(wide); });
  suite.expect("decode agrees with the reference, bf16", [&] { return agrees(narrow); });
  suite.expect("decode agrees with the reference, fp16", [&] { return agrees(half); });

  reader memory;
  suite.expect("the reader reads everything", [&] {
    double const sum = std::accumulate(wide.k.begin(), wide.k.end(), 0.0), size = static_cast<double>(wide.k.size());
    return memory.run(wide.k), std::fabs(memory.result() - sum) <= size * std::numeric_limits<float>::epsilon() * 16;
  });

  double const numbers = static_cast<double>(wide.k.size() + wide.v.size());
  auto const t = suite.alternate({
      {"decode, fp32", 2 * numbers, step(wide)},
      {"reading k and v, fp32", numbers, [&] { memory.run(wide.k), memory.run(wide.v); }},
      {"decode, bf16", 2 * numbers, step(narrow)},
      {"decode, fp16", 2 * numbers, step(half)},
  });
  suite.claim("cpu_decode_bandwidth_share",
              "bytes of k and v per second in a step, over those of threads that only read",
              bench::ratios(t[1].seconds, t[0].seconds));
  suite.claim("cpu_decode_bf16_speedup", "time of a step with fp32 keys and values over its time with bf16",
              bench::ratios(t[0].seconds, t[2].seconds));
  suite.claim("cpu_decode_fp16_speedup", "the same with fp16", bench::ratios(t[0].seconds, t[3].seconds));
  return suite.report();
}
