// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A decorator: the scores of any scorer, minus a penalty that grows with the distance.

#include <cmath>
#include <vector>

#include "basin/concepts/scorer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Attention with linear biases: score = inner score - slope_h |i - j|. alibi<scaled> is the usual form;
/// alibi<soft_cap> caps the product and not the bias.
///
/// Models    scorer
/// Source    Press et al. 2022, arXiv 2108.12409, extended to keys after the query by |i - j|, which under a causal
///           mask is i - j
/// Shapes    slopes [heads of the queries]; a stride of 0 shares one; alibi_slopes() returns the usual ones
/// Edges     a slope of 0 gives its head no bias; a negative slope favours distant keys
/// Cost      4 flop per score beside the inner one
/// Errors    shape_error: the number of slopes is not that of heads; value_error, on the host: a slope that is not
///           finite; those of the inner scorer
template <scorer Scorer>
struct alibi {
  view<float const, 1> slopes{};
  BASIN_EMPTY Scorer inner{};

  template <class T>
  BASIN_HD T score(T dot, pair_at<T> at) const {
    T const slope_of_head = T(static_cast<math::scalar_of<T>>(slopes(at.head)));
    return math::fma(T(0) - slope_of_head, math::abs(at.query - at.key), inner.score(dot, at));
  }
  template <class T>
  BASIN_HD T slope(T dot, pair_at<T> at) const { return inner.slope(dot, at); }

  void validate(problem const& p) const {
    if (slopes.data_handle() == nullptr || slopes.extent(0) != p.heads)
      throw shape_error(message("basin::alibi: there are ", slopes.data_handle() == nullptr ? 0 : slopes.extent(0),
                                " slopes but the call has ", p.heads,
                                " query heads; give one slope for every head (alibi_slopes returns the usual ones)"));
  }
  void validate_values(problem const& p) const {
    for (index_t h = 0; h < p.heads; ++h)
      if (!(std::abs(slopes(h)) <= math::largest<float>))
        throw value_error(message("basin::alibi: the slope of head ", h, " is ", slopes(h), "; it must be finite"));
  }
  template <class F>
  void views(F&& f) const { f("basin::alibi", "slopes", slopes); }
  template <class F>
  void policies(F&& f) const { f(inner); }
};

/// The usual slopes: for n = 2^m heads the geometric series 2^(-8/n), 2^(-16/n), ..., 2^-8; for any other number those
/// of the power of two below, then every other slope of the power above.
///
/// Source    Press et al. 2022 and the code of its authors
/// Errors    value_error: no head
inline std::vector<float> alibi_slopes(index_t heads) {
  if (heads < 1)
    throw value_error(message("basin::alibi_slopes: there are ", heads, " heads; there must be at least 1"));
  index_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<float> slopes;
  for (index_t h = 0; h < heads; ++h) {
    double const step = h < power ? 8.0 * static_cast<double>(h + 1) : 4.0 * static_cast<double>(2 * (h - power) + 1);
    slopes.push_back(static_cast<float>(std::exp2(-step / static_cast<double>(power))));
  }
  return slopes;
}

}  // namespace basin
