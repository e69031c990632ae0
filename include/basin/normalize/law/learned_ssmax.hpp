// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/parameters.hpp"

namespace basin {

/// A scaling law of length_scaled: scores times s log n, with a learned s per head, n the number of visible keys.
///
/// Source    Nakanishi 2025, arXiv 2501.19399; its initial value is 0.168 = 1 / (mean of log n up to 1024)
/// Shapes    s [heads], or one for all
/// Edges     d loss / d s is reported as 0 where s itself is 0
/// Errors    value_error: s is not finite; shape_error: fewer numbers than heads, gradients of another call
struct learned_ssmax {
  static constexpr int parameters = 1;
  static constexpr per_head::range s_range{-math::largest<float>, math::largest<float>, "it must be finite"};
  per_head s{0.168};
  parameter_gradients gradients{};

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    return T(static_cast<math::scalar_of<T>>(s(context.head))) * log_length(context);
  }
  template <class T>
  BASIN_HD for_parameters<learned_ssmax, T> scale_slopes(row_context<T> const& context) const {
    return {log_length(context)};
  }
  BASIN_HD void sees_parameter_gradient(row_at at, int which, double gradient) const {
    gradients.put(at, which, gradient);
  }

  void validate() const { s.require_one("basin::learned_ssmax", "s", s_range); }
  void validate_values(problem const& call) const { s.require_each("basin::learned_ssmax", "s", s_range, call); }
  void validate(problem const& call) const {
    s.validate("basin::learned_ssmax", "s", call);
    gradients.validate("basin::learned_ssmax", parameters, call);
  }
  template <class F>
  void views(F&& f) const {
    f("basin::learned_ssmax", "s", s.values);
    f("basin::learned_ssmax", "gradients", gradients.rows);
  }

 private:
  template <class T>
  BASIN_HD static T log_length(row_context<T> const& context) { return math::log(math::max(context.visible, T(1))); }
};

}  // namespace basin
