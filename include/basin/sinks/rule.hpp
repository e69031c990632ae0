// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Which keys are attention sinks: the rule, its units, and the share of heads that a key is a sink of.

#include <cmath>
#include <cstdint>
#include <span>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::sinks {

/// The unit in which attention received by a key is compared. With S queries, c_j = sum_i A_ij:
/// column_sum c_j (mean 1, at most S), percent 100 c_j / S (at most 100), mean c_j / S (at most 1).
enum class scale { column_sum, percent, mean };

/// A key is a sink when it receives more than the mean of the other keys by epsilon: u_j > (sum_{k != j} u_k) / (S - 1) + epsilon.
///
/// Source    Rulli et al. 2025, arXiv 2510.15731, section 4.1, eq. 3, where epsilon = 3. As printed there (unit: mean) no key could
///           ever exceed it; column_sum and percent are the two units in which 3 makes sense, and agree at S = 100
/// Shapes    one row of c_j, as observe/received_attention.hpp gives it
/// Edges     a single key has no others and is no sink; all keys equal: no sink; an epsilon below 0 is allowed
/// Order     does not matter but for the rounding of the sum
/// Errors    value_error from validate(): an epsilon that is not a finite number
/// Example   examples/study
struct epsilon_rule {
  scale unit = scale::column_sum;
  double epsilon = 3.0;

  /// What a column sum is multiplied by to stand in `unit`.
  BASIN_HD constexpr double per_column_sum(index_t queries) const {
    double const s = static_cast<double>(queries);
    return unit == scale::column_sum ? 1.0 : unit == scale::percent ? 100.0 / s : 1.0 / s;
  }

  /// `received` is c_j, `total` the sum of all c_k, self included.
  BASIN_HD constexpr bool is_sink(double received, double total, index_t keys, index_t queries) const {
    if (keys < 2) return false;
    double const others = (total - received) / static_cast<double>(keys - 1);
    return (received - others) * per_column_sum(queries) > epsilon;
  }

  void validate() const {
    if (!std::isfinite(epsilon))
      throw value_error(message("basin::sinks::epsilon_rule: epsilon is ", epsilon, "; it must be a finite number, such as 3 for column sums"));
  }
};

/// The epsilon that belongs to a unit: 3 where the paper's 3 can be meant, and 3 percent written as a share.
constexpr double usual_epsilon(scale unit) { return unit == scale::mean ? 0.03 : 3.0; }

/// Marks the sinks of one row (1, others 0) and gives their number.
///
/// Shapes    received [keys], marks [keys]; `queries` is the number of rows that were summed
/// Errors    shape_error: another number of marks, no query; value_error: see epsilon_rule
inline index_t mark_sinks(epsilon_rule rule, std::span<double const> received, index_t queries, std::span<std::uint8_t> marks) {
  rule.validate();
  if (marks.size() != received.size())
    throw shape_error(message("basin::sinks::mark_sinks: there are ", received.size(), " keys and room for ", marks.size(), " marks; give one each"));
  if (queries < 1) throw shape_error(message("basin::sinks::mark_sinks: queries is ", queries, "; the sums come from at least 1 row"));
  double total = 0;
  for (double const c : received) total += c;
  index_t const keys = static_cast<index_t>(received.size());
  index_t found = 0;
  for (std::size_t j = 0; j < received.size(); ++j) found += marks[j] = rule.is_sink(received[j], total, keys, queries);
  return found;
}

/// Who sees a key: every query, or only those at its own position and after it.
enum class sight { bidirectional, causal };

namespace detail {

/// How many queries see the key.
inline double viewers_of(view<double const, 2> received, index_t key, sight seen_by) {
  index_t const rows = received.extent(0), keys = received.extent(1);
  if (rows < 1 || key < 0 || key >= keys)
    throw shape_error(message("basin::sinks::sink_rate: received is [", rows, ", ", keys, "] and the key is ", key,
                              "; it needs at least 1 row, and a key among them"));
  return static_cast<double>(seen_by == sight::causal ? keys - key : keys);
}

}  // namespace detail

/// Sink rate of one key: the share of rows (heads, layers, samples) whose queries give it more than `threshold` on average,
///   alpha_j = c_j / |{i : i sees j}|,   rate_j = mean over rows of [alpha_j > threshold].
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
