// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Which keys are attention sinks: the rule, its units, and the share of heads in which a key is a sink.

#include <cmath>
#include <cstdint>
#include <span>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::sinks {

/// The unit in which received attention is compared. With S queries and c_j = sum_i w_ij:
/// column_sum c_j (mean 1, at most S), percent 100 c_j / S (at most 100), mean c_j / S (at most 1).
enum class scale { column_sum, percent, mean };

/// A key is a sink if it receives more than the mean of the other keys by epsilon:
///   u_j > (sum_{k != j} u_k) / (S - 1) + epsilon.
///
/// Source    Rulli et al. 2025, arXiv 2510.15731, section 4.1, eq. 3, where epsilon = 3. In the unit printed there
///           (mean) no key could ever exceed it; 3 makes sense in column_sum and percent, which agree at S = 100
/// Shapes    one row of c_j, as observe/received_attention.hpp computes it
/// Edges     a single key is no sink; if all keys are equal, none is a sink; epsilon may be below 0
/// Order     affects only the rounding of the sum
/// Errors    value_error from validate(): epsilon is not finite
/// Example   examples/study
struct epsilon_rule {
  scale unit = scale::column_sum;
  double epsilon = 3.0;

  /// Factor that converts a column sum to `unit`.
  BASIN_HD constexpr double per_column_sum(index_t queries) const {
    double const s = static_cast<double>(queries);
    return unit == scale::column_sum ? 1.0 : unit == scale::percent ? 100.0 / s : 1.0 / s;
  }

  /// `received` is c_j; `total` is the sum of all c_k, c_j included.
  BASIN_HD constexpr bool is_sink(double received, double total, index_t keys, index_t queries) const {
    if (keys < 2) return false;
    double const others = (total - received) / static_cast<double>(keys - 1);
    return (received - others) * per_column_sum(queries) > epsilon;
  }

  void validate() const {
    if (!std::isfinite(epsilon))
      throw value_error(message("basin::sinks::epsilon_rule: epsilon is ", epsilon,
                                "; it must be a finite number, such as 3 for column sums"));
  }
};

/// The usual epsilon of a unit: 3 for column_sum and percent, 0.03 (3 percent as a share) for mean.
constexpr double usual_epsilon(scale unit) { return unit == scale::mean ? 0.03 : 3.0; }

/// Marks the sinks of one row (1, others 0) and returns their number.
///
/// Shapes    received [keys], marks [keys]; `queries` is the number of rows of weights that were summed
/// Errors    shape_error: marks has another size, no query; value_error: see epsilon_rule
inline index_t mark_sinks(epsilon_rule rule, std::span<double const> received, index_t queries,
                          std::span<std::uint8_t> marks) {
  rule.validate();
  if (marks.size() != received.size())
    throw shape_error(message("basin::sinks::mark_sinks: there are ", received.size(), " keys and ", marks.size(),
                              " marks; the numbers must be equal"));
  if (queries < 1)
    throw shape_error(message("basin::sinks::mark_sinks: queries is ", queries, "; the sums come from at least 1 row"));
  double total = 0;
  for (double const c : received) total += c;
  index_t const keys = static_cast<index_t>(received.size());
  index_t found = 0;
  for (std::size_t j = 0; j < received.size(); ++j) found += marks[j] = rule.is_sink(received[j], total, keys, queries);
  return found;
}

/// To which queries a key is visible: to all, or only to those at its own position and after it.
enum class sight { bidirectional, causal };

namespace detail {

/// The number of queries to which the key is visible.
inline double viewers_of(view<double const, 2> received, index_t key, sight seen_by) {
  index_t const rows = received.extent(0), keys = received.extent(1);
  if (rows < 1 || key < 0 || key >= keys)
    throw shape_error(message("basin::sinks::sink_rate: received is [", rows, ", ", keys, "] and the key is ", key,
                              "; it needs at least 1 row, and a key among them"));
  return static_cast<double>(seen_by == sight::causal ? keys - key : keys);
}

}  // namespace detail

/// Sink rate of one key: the share of rows (heads, layers, samples) whose queries give it more than `threshold` on
/// average. alpha_j = c_j / |{i : key j visible to query i}|, rate_j = mean over rows of [alpha_j > threshold].
///
/// Source    Gu et al. 2025, arXiv 2410.10781, section 3.1 (threshold 0.3, key 0, causal)
/// Shapes    received [rows, keys]; as many queries as keys
/// Errors    shape_error: no row, or a key outside the row
inline double sink_rate(view<double const, 2> received, index_t key, sight seen_by, double threshold = 0.3) {
  index_t const rows = received.extent(0);
  double const viewers = detail::viewers_of(received, key, seen_by);
  index_t found = 0;
  for (index_t r = 0; r < rows; ++r) found += received(r, key) / viewers > threshold;
  return static_cast<double>(found) / static_cast<double>(rows);
}

}  // namespace basin::sinks
