// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <type_traits>

#include "basin/core/coord.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// A scaling law of length_scaled: scores times c^2, c = 0.1 log(factor) + 1, for a context extended by `factor`.
///
/// Source    Peng et al. 2023, arXiv 2309.00071, where q and k are each multiplied by c
/// Errors    value_error: factor is below 1 or not finite
struct yarn {
  using starts_uncounted = std::true_type;
  double factor = 1;

  template <class T>
  BASIN_HD T scale(row_context<T> const&) const {
    double const c = 0.1 * std::log(factor) + 1;
    return T(static_cast<math::scalar_of<T>>(c * c));
  }
  void validate() const {
    if (!(factor >= 1 && factor <= math::largest<float>))
      throw value_error(message("basin::yarn: factor is ", factor, "; it must be 1 or more, and finite"));
  }
};

}  // namespace basin
