// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The composition, and nothing else: five slots, each filled by one policy.

#include "basin/concepts/mask.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/observer.hpp"
#include "basin/concepts/pruner.hpp"
#include "basin/concepts/scorer.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/observe/unobserved.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/score/scaled.hpp"

namespace basin {

/// What attention computes: for query i and key j
///   s_ij = score(<q_i, k_j>);  visible_ij = mask and prune;  w_ij = normalize(s_ij : visible);  o_i = sum_j w_ij v_j
///
/// Models    a value; engines take it as their first argument
/// Edges     a query with no visible key gives o_i = 0, never NaN
/// Example   examples/01_hello.cpp
template <normalizer Normalizer = softmax, mask Mask = unmasked, pruner Pruner = keep_all, observer Observer = unobserved,
          scorer Scorer = scaled>
struct attention {
  BASIN_EMPTY Normalizer normalize{};
  BASIN_EMPTY Mask visible{};
  BASIN_EMPTY Pruner prune{};
  BASIN_EMPTY Observer observe{};
  BASIN_EMPTY Scorer score{};

  /// The same attention with one policy exchanged. The slot is found by concept: order never matters.
  template <class P>
  constexpr auto with(P p) const {
    static_assert(policy<P>, "basin: with(p) needs p to be trivially copyable and default constructible, so that it can be copied into a kernel");
    static_assert(normalizer<P> + mask<P> + pruner<P> + observer<P> + scorer<P> == 1,
                  "basin: with(p) needs p to model exactly one of normalizer, mask, pruner, observer, scorer; "
                  "write static_assert(basin::normalizer<P>) next to P to see which requirement fails");
    if constexpr (normalizer<P>) return attention<P, Mask, Pruner, Observer, Scorer>{p, visible, prune, observe, score};
    else if constexpr (mask<P>) return attention<Normalizer, P, Pruner, Observer, Scorer>{normalize, p, prune, observe, score};
    else if constexpr (pruner<P>) return attention<Normalizer, Mask, P, Observer, Scorer>{normalize, visible, p, observe, score};
    else if constexpr (observer<P>) return attention<Normalizer, Mask, Pruner, P, Scorer>{normalize, visible, prune, p, score};
    else return attention<Normalizer, Mask, Pruner, Observer, P>{normalize, visible, prune, observe, p};
  }
};

/// Lets every policy check its own numbers and its room for this call, before anything is computed.
template <class... Policies>
void validate(attention<Policies...> const& use, problem const& p) {
  validate(use.normalize, p);
  validate(use.visible, p);
  validate(use.prune, p);
  validate(use.observe, p);
  validate(use.score, p);
}

}  // namespace basin
