// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The number of keys of every row whose weight exceeds a threshold: #{j : w_ij > above}.
///
/// Models    whole_row_observer
/// Shapes    counts [batch, heads, queries]; overwritten by every call
/// Precision exact for the weights that the engine computes. With above = 0 it counts the support of a sparse
///           normalizer (sparsemax, top_k), or the weights of softmax that did not underflow, which differ between
///           single and double precision
/// Edges     an empty row gives 0; a weight that is NaN is not above anything
/// Cost      1 comparison per weight
/// Errors    shape_error from validate(); value_error: a threshold that is NaN
struct active_set_size {
  view<double, 3> counts{};
  double above = 0;

  void sees_whole_row(row_at at, whole_row const& row) const {
    double count = 0;
    for (double const w : row.weights) count += w > above;
    counts(at.batch, at.head, at.query) = count;
  }

  template <class F>
  void views(F&& f) const { f("basin::active_set_size", "counts", counts); }
  void validate(problem const& p) const {
    detail::require_row_room("basin::active_set_size", "counts", counts, p);
    if (above != above) throw value_error(message("basin::active_set_size: above is ", above, "; it must be a number"));
  }
};

static_assert(whole_row_observer<active_set_size>);

}  // namespace basin
