// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/variant>

#include "basin/lm/policies/held_policy.hpp"
#include "basin/score/alibi.hpp"
#include "basin/score/scaled.hpp"
#include "basin/score/soft_cap.hpp"

namespace basin::lm {

/// A scorer that is chosen at run time, so that engines are compiled once for all of them.
///
/// Models    scorer
/// Source    each scorer's own file
/// Cost      that of the chosen scorer and a branch a vector of scores; engines do not fold a scale into the queries
/// Errors    those of the chosen scorer
struct any_scorer {
  cuda::std::variant<scaled, soft_cap, alibi<scaled>> which{};

  /// f(scorer).
  BASIN_WHERE_ITS_ARGUMENTS_DO
  template <class F>
  BASIN_HD auto visit(F const& f) const {
    return visit_held(which, f);
  }

  template <class T>
  BASIN_HD T score(T dot, pair_at<T> at) const {
    return visit([&](auto const& s) { return s.score(dot, at); });
  }
  template <class T>
  BASIN_HD T slope(T dot, pair_at<T> at) const {
    return visit([&](auto const& s) { return s.slope(dot, at); });
  }

  void validate() const {
    visit([](auto const& s) { basin::validate(s); });
  }
  void validate(basin::problem const& call) const {
    visit([&](auto const& s) { basin::validate(s, call); });
  }
  void validate_values(basin::problem const& call) const {
    visit([&](auto const& s) { basin::validate_on_host(s, call); });
  }
  template <class F>
  void views(F&& f) const {
    visit([&](auto const& s) { for_each_view(s, f); });
  }
};

static_assert(scorer<any_scorer> && !linear_scorer<any_scorer>);

}  // namespace basin::lm
