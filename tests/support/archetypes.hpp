// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The smallest type that models each concept. The library must work with these as with its own models. Where there is a
// choice, they are awkward: a Jacobian with three different parts, a mask that answers `some` for every tile, a score
// that depends on the position.

#include <algorithm>
#include <cmath>

#include "basin/concepts/mask.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/observer.hpp"
#include "basin/concepts/parameters.hpp"
#include "basin/concepts/pruner.hpp"
#include "basin/concepts/scorer.hpp"

namespace basin_test {

/// Tier 1, whole rows: w_j = (1 + s_j^2) / sum_k (1 + s_k^2). Adding a constant to the scores changes the weights; the
/// Jacobian is ds_j = 2 s_j / A (dw_j - sum_k w_k dw_k), so diag may be negative and carry differs from outer.
struct one_plus_square {
  template <class T>
  struct row {
    T total;
  };
  template <class T>
  row<T> fit(std::span<T const> scores, basin::row_context<T>) const {
    T total = T(0);
    for (T const s : scores)
      if (s != basin::math::minus_inf<T>()) total += T(1) + s * s;
    return {total};
  }
  template <class T>
  T weight(row<T> const& r, T score) const {
    return basin::math::select(score == basin::math::minus_inf<T>(), T(0), (T(1) + score * score) / r.total);
  }
  template <class T>
  basin::jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    return {T(2) * score / r.total, T(2) * score / r.total, weight};
  }
};
static_assert(basin::whole_row_normalizer<one_plus_square> && basin::differentiable_normalizer<one_plus_square>);
static_assert(!basin::streamable_normalizer<one_plus_square> && !basin::online_normalizer<one_plus_square>);

/// Tier 1 as a user may write it without regard to hidden keys: engines must not pass these.
struct trusting_square {
  template <class T>
  struct row {
    T total;
  };
  template <class T>
  row<T> fit(std::span<T const> scores, basin::row_context<T>) const {
    T total = T(0);
    for (T const s : scores) total += T(1) + s * s;
    return {total};
  }
  template <class T>
  T weight(row<T> const& r, T score) const { return (T(1) + score * score) / r.total; }
  template <class T>
  basin::jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    return {T(2) * score / r.total, T(2) * score / r.total, weight};
  }
};
static_assert(basin::whole_row_normalizer<trusting_square>);

/// Tier 1 with two learned numbers, the first one per head, and a Jacobian of rank 2. For n scores with sum S and sum
/// of squares Q, w_j = (a s_j S + b Q) / n^2, so that n^2 ds_k = a S dw_k + sum_j a s_j dw_j + 2 b s_k sum_j dw_j.
struct tilted_square {
  static constexpr int parameters = 2;
  basin::per_head a{0.75};
  double b = 0.5;
  basin::parameter_gradients gradients{};

  template <class T>
  struct row {
    T a, b, sum, squares;
  };
  template <class T>
  row<T> fit(std::span<T const> scores, basin::row_context<T> context) const {
    T n = T(0), sum = T(0), squares = T(0);
    for (T const s : scores)
      if (s != basin::math::minus_inf<T>()) n += T(1), sum += s, squares += s * s;
    T const squared = std::max(n * n, T(1));
    return {static_cast<T>(a(context.head)) / squared, static_cast<T>(b) / squared, sum, squares};
  }
  template <class T>
  T weight(row<T> const& r, T score) const {
    return score == basin::math::minus_inf<T>() ? T(0) : r.a * score * r.sum + r.b * r.squares;
  }
  template <class T>
  basin::low_rank_jacobian<T, 2> jacobian(row<T> const& r, T score, T) const {
    return {r.a * r.sum, {T(-1), T(-2) * r.b * score}, {r.a * score, T(1)}};
  }
  template <class T>
  basin::for_parameters<tilted_square, T> parameter_gradient(row<T> const& r, T score, T, T dweight, T) const {
    T const per_b = r.b / static_cast<T>(b);                     // 1 / n^2
    return {dweight * score * r.sum * per_b, dweight * r.squares * per_b};
  }
  void sees_parameter_gradient(basin::row_at at, int which, double gradient) const {
    gradients.put(at, which, gradient);
  }
  void validate(basin::problem const& call) const {
    a.validate("tilted_square", "a", call);
    gradients.validate("tilted_square", parameters, call);
  }
};
static_assert(basin::whole_row_normalizer<tilted_square> && basin::has_parameters<tilted_square>);
static_assert(basin::differentiable_normalizer<tilted_square>);

/// Tier 2 with weights, but without raise and terms: w_j = s_j^2 / (1 + sum_k s_k^2), whose sum is below 1. One pass.
struct shy_square {
  template <class T>
  struct row {
    T total = T(1), gathered = T(0);
  };
  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const { r.gathered = r.gathered + square(score); }
  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    r.total = T(1) + r.gathered;
    r.gathered = T(0);
    return r.total < T(0);
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const { into.gathered = into.gathered + from.gathered; }
  template <class T>
  BASIN_HD T weight(row<T> const& r, T score) const { return square(score) / r.total; }
  template <class T>
  BASIN_HD basin::jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    return {T(2) * score / r.total, T(2) * score / r.total, weight};
  }
  template <class T>
  BASIN_HD static T square(T s) { return basin::math::select(s == basin::math::minus_inf<T>(), T(0), s * s); }
};
static_assert(basin::streamable_normalizer<shy_square> && basin::differentiable_normalizer<shy_square>);
static_assert(!basin::whole_row_normalizer<shy_square> && !basin::online_normalizer<shy_square>);

/// Hides every third pair, and answers `some` for every tile.
struct holes {
  BASIN_HD bool allows(basin::coord c) const { return (c.query + 2 * c.key + c.head) % 3 != 0; }
  BASIN_HD basin::coverage covers(basin::tile) const { return basin::coverage::some; }
};
static_assert(basin::mask<holes>);

/// Hides everything, but answers `some` for every tile.
struct blindfold {
  BASIN_HD bool allows(basin::coord) const { return false; }
  BASIN_HD basin::coverage covers(basin::tile) const { return basin::coverage::some; }
};
static_assert(basin::mask<blindfold>);

/// Keeps scores from a threshold on: a pruner without covers() that depends on the score.
struct from_score {
  double least = 0;
  template <class T>
  BASIN_HD bool keeps(basin::coord, T score) const { return score >= static_cast<T>(least); }
};
static_assert(basin::pruner<from_score>);

/// score = x / sqrt(1 + x^2 / 9) - (query - key) / 32, x = dot / sqrt(dim): not linear, and dependent on the position.
struct bent {
  template <class T>
  T score(T dot, basin::pair_at<T> at) const {
    T const x = dot * at.rsqrt_dim;
    return x / basin::math::sqrt(T(1) + x * x * T(1.0f / 9)) - (at.query - at.key) * T(0.03125f);
  }
  template <class T>
  T slope(T dot, basin::pair_at<T> at) const {
    T const x = dot * at.rsqrt_dim;
    T const bend = T(1) + x * x * T(1.0f / 9);
    return at.rsqrt_dim / (bend * basin::math::sqrt(bend));
  }
};
static_assert(basin::scorer<bent> && !basin::linear_scorer<bent>);

/// Gives every third pair the score -inf, which must have the same effect as a mask; other pairs as `scaled`.
struct severed {
  template <class T>
  T score(T dot, basin::pair_at<T> at) const {
    return basin::math::select(cut(at) == T(0), basin::math::minus_inf<T>(), dot * at.rsqrt_dim);
  }
  template <class T>
  T slope(T, basin::pair_at<T> at) const { return basin::math::select(cut(at) == T(0), T(0), at.rsqrt_dim); }

  /// 0 if query + key, which must be below 1536, is a multiple of 3.
  template <class T>
  static T cut(basin::pair_at<T> at) {
    T rest = at.query + at.key;
    for (T const step : {T(768), T(384), T(192), T(96), T(48), T(24), T(12), T(6), T(3)})
      rest = basin::math::select(rest >= step, rest - step, rest);
    return rest;
  }
};
static_assert(basin::scorer<severed> && !basin::linear_scorer<severed>);

/// The mask that hides the pairs to which `severed` gives -inf.
struct severed_pairs {
  bool allows(basin::coord c) const { return (c.query + c.key) % 3 != 0; }
  basin::coverage covers(basin::tile) const { return basin::coverage::some; }
};
static_assert(basin::mask<severed_pairs>);

/// Row observer: sum of the squares of the weights of a row.
struct concentration {
  basin::view<double, 3> values{};
  template <class T>
  struct row {
    T sum = T(0);
  };
  template <class T>
  void absorb(row<T>& r, basin::seen_term<T> seen) const { r.sum = r.sum + seen.term * seen.term; }
  template <class T>
  T report(row<T> const& r, T factor) const { return factor * factor * r.sum; }
  void sees_row(basin::row_at at, double value) const { values(at.batch, at.head, at.query) = value; }
};
static_assert(basin::row_observer<concentration>);

/// Key observer: sum of the squares of the weights of a key.
struct received_squares {
  basin::view<double, 3> values{};
  template <class T>
  BASIN_HD T gives(T weight) const { return weight * weight; }
  BASIN_HD void sees_key(basin::key_at at, double value) const { values(at.batch, at.head, at.key) = value; }
};
static_assert(basin::key_observer<received_squares>);

/// Key observer: the number of queries to which a key is visible; ignores the weights.
struct visitors {
  basin::view<double, 3> values{};
  template <class T>
  T gives(T) const { return T(0); }
  void sees_key(basin::key_at at, double, double queries) const { values(at.batch, at.head, at.key) = queries; }
};
static_assert(basin::key_observer<visitors> && !basin::told_totals<visitors>);

/// Whole-row observer: copies of all rows, [batch, heads, queries, keys], and of their numbers of visible keys.
struct row_copies {
  basin::view<double, 4> weights{}, scores{};
  basin::view<double, 3> visible{};
  void sees_whole_row(basin::row_at at, basin::whole_row const& row) const {
    for (std::size_t j = 0; j < row.weights.size(); ++j) {
      weights(at.batch, at.head, at.query, static_cast<basin::index_t>(j)) = row.weights[j];
      scores(at.batch, at.head, at.query, static_cast<basin::index_t>(j)) = row.scores[j];
    }
    visible(at.batch, at.head, at.query) = row.visible;
  }
};
static_assert(basin::whole_row_observer<row_copies> && !basin::row_observer<row_copies>);
static_assert(!basin::key_observer<row_copies>);

}  // namespace basin_test
