// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Rows of an exponential normalizer. A lane keeps, for each row, the largest number so far (`top`), the sum of
// unnormalised weights, and log2 of an unnormalised weight as a linear function of a number of the tile. Numbers are
// products where the score is a multiple of the product, else scores.

#include "basin/cuda/detail/exponential.hpp"
#include "basin/cuda/detail/query_rows.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
struct exponent_rows : query_rows<M, Call> {
  using base = query_rows<M, Call>;
  using typename base::row_type;
  using typename base::scores_type;
  using base::m, base::c, base::keys_of_sequence, base::mine, base::row;
  using base::each, base::hidden, base::started;
  static constexpr bool of_products = Call::terms_of_products;
  /// Smaller exponents count as hidden: the rounding of the linear function is too coarse there for a weight of 1.
  static constexpr float least_exponent = -0x1p24f;

  /// log2 of an unnormalised weight is slope * number - offset; `top` is the running maximum of the numbers.
  struct line_of_row {
    float slope = 0, offset = 0, top = math::minus_inf<float>();
    bool falls = false;                                          // the slope was negative: judge() negates numbers

    BASIN_DEVICE float hidden() const { return falls ? -math::minus_inf<float>() : math::minus_inf<float>(); }
  };

  float terms[2] = {};                                           // sums of this lane's unnormalised weights
  line_of_row line[2];                                           // `row` does not change before merge_lanes()

  BASIN_DEVICE exponent_rows(M const& machine, Call const& call, index_t block) : base(machine, call, block) {}

  /// Turns the products of a tile into scores, -inf where a key is hidden; or, where weights are computed from
  /// products, marks hidden ones. Numbers of a row with a negative slope are negated, so that the largest has the most
  /// weight.
  BASIN_DEVICE void judge(scores_type& s, index_t first, coverage seen) const {
    if (seen == coverage::all) {
      if constexpr (!of_products)
        each(s, [&](int i, int column, float& x) {
          x = score_of(c, keys_of_sequence, mine[i], first + column, coverage::all, x).score;
        });
    } else {
      float const unseen[2] = {line[0].hidden(), line[1].hidden()};
      each(s, [&](int i, int column, float& x) {
        auto const [score, is_seen] = score_of(c, keys_of_sequence, mine[i], first + column, coverage::some, x);
        if constexpr (!of_products) x = score;
        else if (!is_seen) x = unseen[i];
      });
    }
    if (falls())
      each(s, [&](int i, int, float& x) { x = line[i].falls && (of_products || !hidden(x)) ? -x : x; });
  }

  /// The unnormalised weight of a number of a tile after judge(), and its logarithm.
  BASIN_DEVICE float term(int i, float x) const { return math::exp2(exponent(i, x)); }
  BASIN_DEVICE float log_of(int i, float x, float) const {
    return static_cast<float>(math::log_of_2) * exponent(i, x);
  }

  /// Adds a number of a tile after judge() to its row. Returns the unnormalised weight.
  BASIN_DEVICE float take_in(int i, float number, exponential how = exponential::by_unit) {
    bool const by_unit = how == exponential::by_unit;
    float const term = by_unit ? this->term(i, number) : exp2_by_multiply_adds(exponent(i, number));
    terms[i] += term;
    return term;
  }

  /// Updates the running maxima of both rows by a tile after judge(). Calls raised(row, factor of earlier sums, row
  /// before) for each, or for none where no row of the warp has a new maximum.
  template <class Raised>
  BASIN_DEVICE void raise(scores_type const& s, Raised const& raised) {
    float top[2];
    largest(s, top);
    if (!m.any_of_warp(top[0] > line[0].top || top[1] > line[1].top)) return;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      row_type const old = whole(i, terms[i]);
      float const offset = line[i].offset;
      if (line[i].slope * top[i] > least_exponent) line[i].top = std::fmax(line[i].top, top[i]);
      draw(i);
      float const by = math::exp2(std::fmin(offset - line[i].offset, 0.0f));
      terms[i] *= by;
      raised(i, by, old);
    }
  }
  BASIN_DEVICE void start() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i), draw(i);
  }
  /// Sums over the four lanes of each row, and sets `row` to its finished state.
  BASIN_DEVICE void merge_lanes() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = whole(i, sum_over_row(m, terms[i]));
  }

 private:
  /// The state of a row with its maximum and this sum of unnormalised weights.
  BASIN_DEVICE row_type whole(int i, float sum) const {
    row_type r = row[i];
    float const top = line[i].top, x = line[i].falls ? -top : top;
    if (top > math::minus_inf<float>()) {
      if constexpr (of_products)
        c.use.normalize.raise(r, c.use.score.score(x, pair_at<float>{.rsqrt_dim = c.rsqrt_dim}));
      else c.use.normalize.raise(r, x);
    }
    c.use.normalize.add(r, 0.0f, sum);
    return r;
  }
  /// Computes the line of a row, after a start or a new maximum. A slope of 0 becomes the smallest positive number, so
  /// that -inf stays -inf.
  BASIN_DEVICE void draw(int i) {
    auto const at = c.use.normalize.exponent(whole(i, 0.0f));
    float slope = at.slope;
    if constexpr (of_products) slope *= c.use.score.factor(c.rsqrt_dim);
    line[i].slope = slope == 0.0f ? math::least<float> : std::fabs(slope);
    line[i].falls = slope < 0.0f;
    line[i].offset = at.offset;
  }
  BASIN_DEVICE float exponent(int i, float x) const { return math::fma(line[i].slope, x, -line[i].offset); }

  /// Whether a row of the warp has a negative slope: where the factor of the scores or of a scaling law is negative.
  BASIN_DEVICE bool falls() const { return m.any_of_warp(line[0].falls || line[1].falls); }
  /// The largest number of each row of a tile, the same in its four lanes. NaNs are ignored here and appear in the
  /// sums.
  BASIN_DEVICE void largest(scores_type const& s, float (&top)[2]) const {
    top[0] = top[1] = math::minus_inf<float>();
    each(s, [&](int i, int, float x) { top[i] = std::fmax(top[i], x); });
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) top[i] = largest_over_row(m, top[i]);
  }
};

}  // namespace basin::gpu::detail
