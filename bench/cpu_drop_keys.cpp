// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: how much of a forward's time is left when nine keys in ten are dropped?

#include <algorithm>
#include <cstdint>
#include <vector>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/suite.hpp"

namespace {

/// Keys form blocks of 64; of every ten blocks, one (at random) is kept.
std::vector<std::uint8_t> nine_in_ten(basin::index_t keys) {
  constexpr basin::index_t block = 64;
  basin::philox rng(5);
  std::vector<std::uint8_t> dropped(static_cast<std::size_t>(keys), 1);
  for (basin::index_t ten = 0; ten < keys / (10 * block); ++ten)
    std::fill_n(dropped.begin() + (10 * ten + basin::below(rng, 10)) * block, block, std::uint8_t{0});
  return dropped;
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What is left of a forward's time when 90 % of the keys are dropped, in blocks of 64? fp32, "
                     "d = 64, L = 5120, one thread"};
  basin::index_t const length = suite.how() == bench::mode::dry ? 640 : 5120;  // a multiple of ten blocks
  bench::attention_case shape(length, 64);
  auto const dropped = nine_in_ten(length);
  basin::attention<> const full;
  auto const pruned = full.with(basin::drop_keys{basin::contiguous(dropped.data(), 1, 1, length)});

  suite.expect("nine keys in ten are dropped",
               [&] { return 10 * std::count(dropped.begin(), dropped.end(), 1) == 9 * length; });
  suite.expect("the full forward agrees with the reference", [&] { return shape.agrees(full); });
  suite.expect("the pruned forward agrees with the reference", [&] { return shape.agrees(pruned); });

  auto const forward = [&](auto const& use) {
    return [&] { basin::cpu::forward(use, shape.q(), shape.k(), shape.v(), shape.out()); };
  };
  double const kept = shape.flops() / 10;
  auto const t = suite.alternate({{"90 % dropped", kept, forward(pruned), bench::times_for(kept)},
                                  {"full", shape.flops(), forward(full)}});
  suite.claim("cpu_drop_90_percent_over_full", "time with 90 % of the keys dropped over time with all",
              bench::ratios(t[0].seconds, t[1].seconds));
  return suite.report();
}
