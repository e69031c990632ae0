// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Every batch element has its own number of keys; keys after them are padding and hidden.
///
/// Models    mask
/// Shapes    lengths [batch]; a stride of 0 shares one length
/// Edges     a length of 0 hides every key; queries at padded positions are computed like all others, over the keys
///           that are no padding
/// Errors    shape_error: another number of lengths than the batch; value_error, on the host: a length outside 0 .. Nk
struct key_padding {
  using alike_for_heads = std::true_type;

  view<std::int32_t const, 1> lengths{};

  BASIN_HD bool allows(coord c) const { return c.key < lengths(c.batch); }
  BASIN_HD coverage covers(tile t) const {
    index_t const length = lengths(t.batch);
    if (t.first_key >= length) return coverage::none;
    return t.last_key <= length ? coverage::all : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::key_padding", "lengths", lengths); }
  void validate(problem const& p) const {
    if (lengths.data_handle() == nullptr || lengths.extent(0) != p.batch)
      throw shape_error(message("basin::key_padding: there are ",
                                lengths.data_handle() == nullptr ? 0 : lengths.extent(0),
                                " lengths but the call has batch ", p.batch,
                                "; give one length for every batch element (a stride of 0 may share it)"));
  }
  void validate_values(problem const& p) const {
    for (index_t b = 0; b < p.batch; ++b)
      if (lengths(b) < 0 || lengths(b) > p.keys)
        throw value_error(message("basin::key_padding: the length of batch element ", b, " is ", lengths(b),
                                  "; it must be from 0 to the ", p.keys, " keys of the call"));
  }
};

static_assert(mask<key_padding>);

}  // namespace basin
