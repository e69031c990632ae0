// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The rows of a block of queries as a lane holds them: two rows, and of each what the lane's own columns have made of its state.

#include "basin/cuda/detail/call.hpp"
#include "basin/cuda/detail/exponential.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
struct query_rows {
  using N = typename Call::normalizer_type;
  using row_type = row_of<N, float>;
  using scores_type = typename Call::scores_type;
  static constexpr bool by_exponents = exponential_normalizer<N>, of_products = Call::terms_of_products;
  static constexpr float least_exponent = -0x1p24f;              // scores below count as not seen: lines further down are too coarse for a term of 1

  /// log2 of a term as a line in the numbers of a tile, and the largest of them that a row was raised by.
  struct line_of_row {
    float slope = 0, offset = 0, top = math::minus_inf<float>();
    bool falls = false;                                          // the slope was negative: numbers are turned by judge()

    BASIN_DEVICE float hidden() const { return falls ? -math::minus_inf<float>() : math::minus_inf<float>(); }
  };

  M const& m;
  Call const& c;
  rows_of_block rows;
  index_t keys_of_sequence;
  row_of_lane mine[2];                                           // rows g and g + 8 of the warp's sixteen, g = lane / 4
  bool here[2] = {};                                             // whether there is a query
  float visible[2] = {};
  row_type row[2];                                               // by exponents: as it started, until merge_lanes()
  float terms[2] = {};                                           // by exponents: what those of this lane sum up to
  line_of_row line[2];

  BASIN_DEVICE query_rows(M const& machine, Call const& call, index_t block) : m(machine), c(call) {
    index_t const group = c.group(), all = c.p.queries * group, blocks = (all + Call::rows - 1) / Call::rows;
    index_t const head = block / blocks, first = (blocks - 1 - block % blocks) * Call::rows;  // the last queries, who may see most, first
    rows = {static_cast<int>(head / c.p.kv_heads), head % c.p.kv_heads, static_cast<unsigned>(all - first < Call::rows ? all - first : Call::rows),
            static_cast<unsigned>(group), static_cast<unsigned>(first % group), first / group, 0};
    rows.high = rows.query(rows.count - 1);
    keys_of_sequence = length_of(c.k, rows.batch);
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      unsigned const n = static_cast<unsigned>(m.thread() / 32 * 16 + m.thread() % 32 / 4 + 8 * i);
      here[i] = n < rows.count;
      mine[i].batch = rows.batch;
      if (here[i]) mine[i] = row_of_lane::of(rows.batch, rows.head(n), rows.query(n), c.p.queries, keys_of_sequence);
    }
  }

  /// Blocks of a whole call.
  static index_t blocks(Call const& c) {
    index_t const all = c.p.queries * (c.p.heads / c.p.kv_heads);
    return c.p.batch * c.p.kv_heads * ((all + Call::rows - 1) / Call::rows);
  }

  /// f(row of the lane, column, number) for all numbers of a lane.
  template <class Scores, class F>
  BASIN_DEVICE void each(Scores& s, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e]);
    }
  }

  /// f(row of the lane, column, number, number beside it) for all numbers of a lane.
  template <class F>
  BASIN_DEVICE void each(scores_type& s, scores_type& beside, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e], beside[n][e]);
    }
  }

  /// What the products of a tile become: scores, -inf where a key is not seen; or marked products, where terms are made of them. By exponents
  /// the numbers of a row whose line falls are turned, so that the largest weighs most in any row.
  BASIN_DEVICE void judge(scores_type& s, index_t first, coverage seen) const {
    if (seen == coverage::all) {
      if constexpr (!of_products) each(s, [&](int i, int column, float& x) { x = score_of(c, keys_of_sequence, mine[i], first + column, coverage::all, x).score; });
    } else {
      float const unseen[2] = {line[0].hidden(), line[1].hidden()};
      each(s, [&](int i, int column, float& x) {
        auto const [score, is_seen] = score_of(c, keys_of_sequence, mine[i], first + column, coverage::some, x);
        if constexpr (!of_products) x = score;
        else if (!is_seen) x = unseen[i];
      });
    }
    if constexpr (by_exponents) {
      if (falls()) each(s, [&](int i, int, float& x) { x = line[i].falls && (of_products || !hidden(x)) ? -x : x; });
    }
  }
  /// Counts the keys of a tile that rows see.
  BASIN_DEVICE void count(scores_type const& s, index_t first, coverage seen) {
    each(s, [&](int i, int column, float x) { visible[i] += score_of(c, keys_of_sequence, mine[i], first + column, seen, x).seen ? 1.0f : 0.0f; });
  }

  BASIN_DEVICE row_type started(int i) const { return start_row(c.use.normalize, row_context<float>{mine[i].batch, mine[i].head, static_cast<float>(mine[i].position), visible[i]}); }
  static BASIN_DEVICE bool hidden(float s) { return s == math::minus_inf<float>(); }

  /// By exponents: the row that its top and the sum of its terms make.
  BASIN_DEVICE row_type whole(int i, float sum) const {
    row_type r = row[i];
    float const top = line[i].top, x = line[i].falls ? -top : top;
    if (top > math::minus_inf<float>()) {
      if constexpr (of_products) c.use.normalize.raise(r, c.use.score.score(x, pair_at<float>{.rsqrt_dim = c.rsqrt_dim}));
      else c.use.normalize.raise(r, x);
    }
    c.use.normalize.add(r, 0.0f, sum);
    return r;
  }
  /// Draws the line of a row anew, after a start or a raise. A slope of 0 becomes the least there is, so that -inf stays -inf.
  BASIN_DEVICE void draw(int i) {
    if constexpr (by_exponents) {
      auto const at = c.use.normalize.exponent(whole(i, 0.0f));
      float slope = at.slope;
      if constexpr (of_products) slope *= c.use.score.factor(c.rsqrt_dim);
      line[i].slope = slope == 0.0f ? math::least<float> : std::fabs(slope);
      line[i].falls = slope < 0.0f;
      line[i].offset = at.offset;
    }
  }
  BASIN_DEVICE float exponent(int i, float x) const { return math::fma(line[i].slope, x, -line[i].offset); }

  /// The term of a number of a judged tile, and its logarithm.
  BASIN_DEVICE float term(int i, float x) const {
    if constexpr (by_exponents) return math::exp2(exponent(i, x));
    else return hidden(x) ? 0.0f : c.use.normalize.term(row[i], x);
  }
  BASIN_DEVICE float log_of(int i, float x, float of_term) const {
    if constexpr (by_exponents) return static_cast<float>(math::log_of_2) * exponent(i, x);
    else return hidden(x) ? x : log_of_term(c.use.normalize, row[i], x, of_term);
  }

  /// A number of a judged tile becomes a term or a weight, and its row takes it in.
  BASIN_DEVICE float take_in(int i, float score, bool by_multiply_adds = false) {
    auto const& n = c.use.normalize;
    if constexpr (by_exponents) {
      float const term = by_multiply_adds ? exp2_by_multiply_adds(exponent(i, score)) : this->term(i, score);
      terms[i] += term;
      return term;
    } else if constexpr (has_terms<N>) {
      float const term = hidden(score) ? 0.0f : n.term(row[i], score);
      n.add(row[i], score, term);
      return term;
    } else {
      return hidden(score) ? 0.0f : n.weight(row[i], score);
    }
  }
  /// Raises both rows by a judged tile; raised(row, what was added up is multiplied by, the row before) for each, or for none where no row of
  /// the warp rises.
  template <class Raised>
  BASIN_DEVICE void raise(scores_type const& s, Raised const& raised) {
    auto const& n = c.use.normalize;
    if constexpr (by_exponents) {
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
    } else {
      row_type part[2] = {started(0), started(1)};
      each(s, [&](int i, int, float x) { n.raise(part[i], x); });
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        row_type const old = row[i];
        n.merge(row[i], merged_over_row(m, n, part[i]));
        raised(i, n.rescale(old, row[i]), old);
      }
    }
  }
  /// Raises the part of both rows that this lane holds.
  BASIN_DEVICE void raise_part(scores_type const& s) {
    each(s, [&](int i, int, float x) { c.use.normalize.raise(row[i], x); });
  }
  BASIN_DEVICE void start() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i), draw(i);
  }
  BASIN_DEVICE void merge_lanes() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      if constexpr (by_exponents) row[i] = whole(i, sum_over_row(m, terms[i]));
      else row[i] = merged_over_row(m, c.use.normalize, row[i]);
    }
  }

  /// What terms of a finished row are multiplied by.
  BASIN_DEVICE float factor(int i) const {
    if constexpr (has_terms<N>) return c.use.normalize.factor(row[i]);
    else return 1.0f;
  }

 private:
  /// Whether the line of a row of the warp falls: where the scorer's factor or a law's scale is negative.
  BASIN_DEVICE bool falls() const { return m.any_of_warp(line[0].falls || line[1].falls); }
  /// The largest number of each row in a tile, the same in its four lanes; NaNs show elsewhere.
  BASIN_DEVICE void largest(scores_type const& s, float (&top)[2]) const {
    top[0] = top[1] = math::minus_inf<float>();
    each(s, [&](int i, int, float x) { top[i] = std::fmax(top[i], x); });
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) top[i] = largest_over_row(m, top[i]);
  }
};

}  // namespace basin::gpu::detail
