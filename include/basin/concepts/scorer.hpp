// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"

namespace basin {

/// The position of a score; T as in row_context. `rsqrt_dim` is 1/sqrt(dim), the usual scale.
template <class T>
struct pair_at {
  int batch = 0, head = 0;
  T query{}, key{}, rsqrt_dim{};
};

/// Turns the product <q_i, k_j> into a score.
///
/// Requires  score(dot, pair_at); slope(dot, pair_at): its derivative in dot;
///           optional: factor(rsqrt_dim), which guarantees score = factor * dot, so that an engine can scale q once, or
///           scale results computed from the products
/// Laws      the same dot and pair_at give the same bits wherever a score is computed, because normalizers compare
///           scores of different passes: products that a sum may follow are written as math::fma, so that no compiler
///           fuses them in one place and not in another
template <class S>
concept scorer = policy<S> && requires(S const s, double dot, pair_at<double> at) {
  { s.score(dot, at) } -> std::same_as<double>;
  { s.slope(dot, at) } -> std::same_as<double>;
};

/// A scorer that multiplies all products by the same factor.
template <class S>
concept linear_scorer = scorer<S> && requires(S const s, double x) {
  { s.factor(x) } -> std::same_as<double>;
};

}  // namespace basin
