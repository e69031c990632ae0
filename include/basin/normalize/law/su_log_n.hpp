// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/coord.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// A scaling law of length_scaled: scores times kappa log n at every length, n the number of visible keys.
///
/// Source    Su 2022, kexue.fm/archives/9034: kappa = 1 / log 512 leaves rows of 512 keys unchanged; Chiang & Cholak
///           2022: 1
/// Errors    value_error: kappa is not a positive number
struct su_log_n {
  double kappa = 0.1602994489876626;                            // 1 / log 512

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    return T(static_cast<math::scalar_of<T>>(kappa)) * math::log(math::max(context.visible, T(1)));
  }
  void validate() const {
    if (!(kappa > 0 && kappa <= math::largest<float>))
      throw value_error(message("basin::su_log_n: kappa is ", kappa, "; it must be positive and finite"));
  }
};

}  // namespace basin
