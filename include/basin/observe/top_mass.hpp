// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <bit>
#include <cstdint>

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The sum of the `largest` largest weights of every row.
///
/// Models    whole_row_observer
/// Source    the selection of arXiv 2508.17821; the weight that a pruner would keep with as many keys
/// Shapes    mass [batch, heads, queries]; overwritten by every call
/// Precision the engine's weights, selected exactly and added in double in the order of the keys
/// Edges     of weights that tie for the last rank, as many count as are needed for `largest`; a row with fewer keys
///           gives its whole sum; a row with a NaN gives NaN
/// Cost      a bisection over the bits of a weight: at most 64 passes over the row, usually about 20; no memory
/// Errors    shape_error from validate(); value_error: largest < 1
struct top_mass {
  view<double, 3> mass{};
  index_t largest = 10;

  void sees_whole_row(row_at at, whole_row const& row) const { mass(at.batch, at.head, at.query) = of(row.weights); }

  /// The sum of the `largest` largest of any weights.
  double of(std::span<double const> weights) const {
    double total = 0;
    for (double const w : weights) total += w;
    if (static_cast<index_t>(weights.size()) <= largest || total != total) return total;
    std::uint64_t const last = last_place(weights);
    double above = 0;
    index_t count = 0;
    for (double const w : weights)
      if (place(w) > last) {
        above += w;
        ++count;
      }
    for (double const w : weights)
      if (place(w) == last) return above + static_cast<double>(largest - count) * w;
    return above;                                                // unreachable: a weight has the order key `last`
  }

  template <class F>
  void views(F&& f) const { f("basin::top_mass", "mass", mass); }
  void validate(problem const& p) const {
    detail::require_row_room("basin::top_mass", "mass", mass, p);
    if (largest < 1)
      throw value_error(message("basin::top_mass: largest is ", largest, "; at least one weight must be counted"));
  }

 private:
  /// The order key of a weight: an unsigned integer in the same order.
  static std::uint64_t place(double w) {
    auto const bits = std::bit_cast<std::uint64_t>(w);
    return bits >> 63 ? ~bits : bits | std::uint64_t{1} << 63;
  }
  /// The order key of the `largest`-th largest weight: the highest key that at least `largest` weights reach.
  std::uint64_t last_place(std::span<double const> weights) const {
    std::uint64_t low = ~std::uint64_t{0}, high = 0;             // enough weights reach low, too few reach high + 1
    for (double const w : weights) {
      low = place(w) < low ? place(w) : low;
      high = place(w) > high ? place(w) : high;
    }
    while (low < high) {
      std::uint64_t const middle = high - (high - low) / 2;
      std::uint64_t next_low = ~std::uint64_t{0}, next_high = 0; // the order keys of weights next to middle
      index_t count = 0;
      for (double const w : weights) {
        std::uint64_t const here = place(w), from = here >= middle ? here : ~std::uint64_t{0};
        std::uint64_t const below = here >= middle ? 0 : here;
        count += here >= middle;
        next_low = from < next_low ? from : next_low;
        next_high = below > next_high ? below : next_high;
      }
      if (count == largest) return next_low;
      if (count > largest) low = next_low;
      else high = next_high;
    }
    return low;
  }
};

static_assert(whole_row_observer<top_mass>);

}  // namespace basin
