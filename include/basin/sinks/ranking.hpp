// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Sets of keys for prune/drop_keys.hpp: the strongest keys of every head, or as many random keys.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/core/view.hpp"

namespace basin::sinks {

/// The `count` keys that received most, strongest first; of equal keys, the one at the lower position comes first.
///
/// Source    Rulli et al. 2025, arXiv 2510.15731, section 4.3: the ranking does not depend on the unit of the rule
/// Cost      O(keys log count)
/// Errors    value_error: count below 0 or above the number of keys
inline std::vector<index_t> strongest_keys(std::span<double const> received, index_t count) {
  index_t const keys = static_cast<index_t>(received.size());
  if (count < 0 || count > keys)
    throw value_error(message("basin::sinks::strongest_keys: count is ", count, " of ", keys,
                              " keys; it must lie in [0, ", keys, "]"));
  std::vector<index_t> order(received.size());
  std::iota(order.begin(), order.end(), index_t{0});
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](index_t a, index_t b) {
    double const x = received[static_cast<std::size_t>(a)], y = received[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  });
  order.resize(static_cast<std::size_t>(count));
  return order;
}

/// `count` different keys of [0, keys), in no particular order; every set is equally likely.
///
/// Source    Floyd's sampling (Bentley & Floyd 1987)
/// Cost      `count` draws from rng
/// Errors    value_error: count below 0 or above the number of keys
inline std::vector<index_t> random_keys(philox& rng, index_t keys, index_t count) {
  if (count < 0 || count > keys)
    throw value_error(message("basin::sinks::random_keys: count is ", count, " of ", keys,
                              " keys; it must lie in [0, ", keys, "]"));
  std::vector<index_t> chosen;
  for (index_t last = keys - count; last < keys; ++last) {
    index_t const drawn = below(rng, static_cast<std::uint32_t>(last + 1));
    bool const taken = std::find(chosen.begin(), chosen.end(), drawn) != chosen.end();
    chosen.push_back(taken ? last : drawn);
  }
  return chosen;
}

/// Sets one row of a drop set: 1 for the given keys, 0 for all others.
///
/// Errors    shape_error: a key outside the row
inline void mark_keys(std::span<index_t const> keys, std::span<std::uint8_t> marks) {
  for (index_t const key : keys)
    if (key < 0 || key >= static_cast<index_t>(marks.size()))
      throw shape_error(message("basin::sinks::mark_keys: key ", key, " is outside a row of ", marks.size(), " keys"));
  std::fill(marks.begin(), marks.end(), std::uint8_t{0});
  for (index_t const key : keys) marks[static_cast<std::size_t>(key)] = 1;
}

}  // namespace basin::sinks
