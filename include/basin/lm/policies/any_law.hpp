// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/variant>

#include "basin/lm/policies/held_policy.hpp"
#include "basin/normalize/law/asentmax.hpp"
#include "basin/normalize/law/learned_ssmax.hpp"
#include "basin/normalize/law/position_steps.hpp"
#include "basin/normalize/law/su_log_n.hpp"
#include "basin/normalize/law/yarn.hpp"
#include "basin/normalize/length_scaled.hpp"

namespace basin::lm {

/// A law of length_scaled that is chosen at run time, so that every normalizer is compiled for one law. A law is
/// evaluated once a row.
///
/// Source    each law's own file
/// Edges     learned numbers that the chosen law does not have get a gradient of 0
/// Errors    those of the chosen law
struct any_law {
  static constexpr int parameters = 2;                           // asentmax has the most: beta, gamma

  cuda::std::variant<ssmax, log_n, su_log_n, yarn, position_steps, learned_ssmax, asentmax> which{};

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    return visit_held(which, [&](auto const& law) { return law.scale(context); });
  }
  template <class T>
  BASIN_HD for_parameters<any_law, T> scale_slopes(row_context<T> const& context) const {
    for_parameters<any_law, T> all{T(0), T(0)};
    visit_held(which, [&](auto const& law) {
      if constexpr (parameters_of<std::remove_cvref_t<decltype(law)>> > 0) {
        auto const slopes = law.scale_slopes(context);
        for (std::size_t n = 0; n < slopes.size(); ++n) all[n] = slopes[n];
      }
    });
    return all;
  }
  BASIN_HD void sees_parameter_gradient(row_at at, int which_one, double gradient) const {
    visit_held(which, [&](auto const& law) {
      constexpr int count = parameters_of<std::remove_cvref_t<decltype(law)>>;
      if constexpr (count > 0)
        if (which_one < count) law.sees_parameter_gradient(at, which_one, gradient);
    });
  }

  void validate() const {
    visit_held(which, [](auto const& law) { basin::validate(law); });
  }
  void validate(basin::problem const& call) const {
    visit_held(which, [&](auto const& law) { basin::validate(law, call); });
  }
  void validate_values(basin::problem const& call) const {
    visit_held(which, [&](auto const& law) { basin::validate_on_host(law, call); });
  }
  template <class F>
  void views(F&& f) const {
    visit_held(which, [&](auto const& law) { for_each_view(law, f); });
  }
};

}  // namespace basin::lm
