// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Sinks and strongest keys of many rows at once, in the memory that holds the column sums. The Thrust execution policy
// selects where the work runs: thrust::host for host memory, thrust::cuda::par.on(stream) for GPU memory. So received
// attention that was computed on a GPU can become the set that prune/drop_keys.hpp hides there without leaving the GPU.

#include <cstdint>

#include <thrust/count.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/sinks/rule.hpp"

namespace basin::sinks {
namespace detail {

/// One row. The total is summed in the order of the keys, so the marks are those of mark_sinks() for one row.
struct mark_sinks_of_row {
  epsilon_rule rule;
  view<double const, 2> received;
  index_t queries;
  view<std::uint8_t, 2> marks;

  BASIN_HD void operator()(index_t row) const {
    index_t const keys = received.extent(1);
    double total = 0;
    for (index_t j = 0; j < keys; ++j) total += received(row, j);
    for (index_t j = 0; j < keys; ++j) marks(row, j) = rule.is_sink(received(row, j), total, keys, queries);
  }
};

/// One key: it is marked if fewer than `count` keys of its row rank before it.
struct mark_if_strong {
  view<double const, 2> received;
  index_t count;
  view<std::uint8_t, 2> marks;

  BASIN_HD void operator()(index_t n) const {
    index_t const keys = received.extent(1), row = n / keys, key = n % keys;
    double const mine = received(row, key);
    index_t before = 0;
    for (index_t j = 0; j < keys; ++j) before += received(row, j) > mine || (received(row, j) == mine && j < key);
    marks(row, key) = before < count;
  }
};

struct gives_more_than {
  view<double const, 2> received;
  index_t key;
  double viewers, threshold;

  BASIN_HD bool operator()(index_t row) const { return received(row, key) / viewers > threshold; }
};

inline void require_marks(char const* function, view<double const, 2> received, view<std::uint8_t, 2> marks) {
  for (int r = 0; r < 2; ++r)
    if (received.extent(r) != marks.extent(r))
      throw shape_error(message("basin::sinks::", function, ": received is [", received.extent(0), ", ",
                                received.extent(1), "], marks are [", marks.extent(0), ", ", marks.extent(1),
                                "]; they must be equal"));
}

}  // namespace detail

/// Marks the sinks of every row (1, others 0).
///
/// Shapes    received, marks [rows, keys]; `queries` is the number of rows of weights that were summed
/// Errors    shape_error: extents of marks differ, no query; value_error: see epsilon_rule; then nothing is launched
/// Determinism  the marks of mark_sinks() for one row
template <class Policy>
void mark_sinks(Policy const& execution, epsilon_rule rule, view<double const, 2> received, index_t queries,
                view<std::uint8_t, 2> marks) {
  rule.validate();
  detail::require_marks("mark_sinks", received, marks);
  if (queries < 1)
    throw shape_error(message("basin::sinks::mark_sinks: queries is ", queries, "; the sums come from at least 1 row"));
  thrust::for_each_n(execution, thrust::counting_iterator<index_t>(0), received.extent(0),
                     detail::mark_sinks_of_row{rule, received, queries, marks});
}

/// Marks the `count` keys of every row that received most; of equal keys, the one at the lower position is taken first.
///
/// Shapes    received, marks [rows, keys]
/// Cost      O(keys^2) comparisons a row; every key computes its own rank
/// Errors    shape_error, value_error: count below 0 or above the number of keys; then nothing is launched
/// Determinism  the set of strongest_keys()
template <class Policy>
void mark_strongest_keys(Policy const& execution, view<double const, 2> received, index_t count,
                         view<std::uint8_t, 2> marks) {
  detail::require_marks("mark_strongest_keys", received, marks);
  index_t const keys = received.extent(1);
  if (count < 0 || count > keys)
    throw value_error(message("basin::sinks::mark_strongest_keys: count is ", count, " of ", keys,
                              " keys; it must lie in [0, ", keys, "]"));
  thrust::for_each_n(execution, thrust::counting_iterator<index_t>(0), received.extent(0) * keys,
                     detail::mark_if_strong{received, count, marks});
}

/// sink_rate() of rule.hpp, computed in the memory that holds the sums. Waits for the result.
template <class Policy>
double sink_rate(Policy const& execution, view<double const, 2> received, index_t key, sight seen_by,
                 double threshold = 0.3) {
  double const viewers = detail::viewers_of(received, key, seen_by);
  thrust::counting_iterator<index_t> const first(0);
  auto const found = thrust::count_if(execution, first, first + received.extent(0),
                                      detail::gives_more_than{received, key, viewers, threshold});
  return static_cast<double>(found) / static_cast<double>(received.extent(0));
}

}  // namespace basin::sinks
