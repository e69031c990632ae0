// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "basin/core/coord.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// A scaling law of length_scaled: scores times 1 + strength log(floor((t + 1) / step) + 1), t the position of the
/// query from 0.
///
/// Source    Llama 4's temperature tuning, strength 0.1 and step 8192
/// Edges     t = -1 for queries before the first key
/// Errors    value_error: strength is negative or not finite, step is not a positive number
struct position_steps {
  using starts_uncounted = std::true_type;
  double strength = 0.1, step = 8192;

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    using scalar = math::scalar_of<T>;
    T const steps = math::floor(math::max(context.query + T(1), T(0)) / T(static_cast<scalar>(step)));
    return T(1) + T(static_cast<scalar>(strength)) * math::log(steps + T(1));
  }
  void validate() const {
    if (!(strength >= 0 && strength <= math::largest<float>))
      throw value_error(message("basin::position_steps: strength is ", strength, "; it must be 0 or more, and finite"));
    if (!(step > 0 && step <= math::largest<float>))
      throw value_error(message("basin::position_steps: step is ", step, "; it must be positive and finite"));
  }
};

}  // namespace basin
