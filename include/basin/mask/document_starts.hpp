// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Documents packed into one sequence, given by their starts: document n is [starts(n), starts(n + 1)), and the keys of
/// a query's own document are visible to it. `documents` is the same mask, given by a document id for every position.
///
/// Models    mask
/// Shapes    starts [batch, documents + 1], non-decreasing: cumulative lengths, ending with the end of the last
///           document; a sequence with fewer documents repeats its end
/// Edges     a position before the first start, or at or after the last one, is in no document: no key is visible to
///           its query, and its key is hidden from all queries
/// Cost      4 binary searches per tile, 2 per element of a partly visible tile
/// Errors    shape_error: another batch, no document; value_error, on the host: a start before the one it follows
struct document_starts {
  using alike_for_heads = std::true_type;

  view<std::int32_t const, 2> starts{};

  BASIN_HD bool allows(coord c) const {
    index_t const own = started(c.batch, c.query);
    return inside(own) && own == started(c.batch, c.key);
  }
  BASIN_HD coverage covers(tile t) const {
    range const queries = clipped(t.batch, t.first_query, t.last_query);
    range const keys = clipped(t.batch, t.first_key, t.last_key);
    index_t const first = queries.first > keys.first ? queries.first : keys.first;
    index_t const last = queries.last < keys.last ? queries.last : keys.last;
    if (first > last) return coverage::none;
    bool const one = queries.whole && keys.whole && queries.first == queries.last && keys.first == keys.last;
    return one ? coverage::all : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::document_starts", "starts", starts); }
  void validate(problem const& p) const {
    if (starts.data_handle() == nullptr || starts.extent(0) != p.batch || starts.extent(1) < 2)
      throw shape_error(message("basin::document_starts: starts is [", starts.extent(0), ", ", starts.extent(1),
                                "] but the call has batch ", p.batch,
                                "; give every batch element the starts of its documents and the end of the last one"));
  }
  void validate_values(problem const& p) const {
    for (index_t b = 0; b < p.batch; ++b)
      for (index_t n = 1; n < starts.extent(1); ++n)
        if (starts(b, n) < starts(b, n - 1))
          throw value_error(message("basin::document_starts: start ", n, " of batch element ", b, " is ", starts(b, n),
                                    " and follows ", starts(b, n - 1), "; starts must not decrease"));
  }

 private:
  /// The number of starts at or before a position: 0 before the first document, extent(1) after the last one.
  BASIN_HD index_t started(index_t batch, index_t position) const {
    index_t low = 0, high = starts.extent(1);
    while (low < high) {
      index_t const middle = (low + high) / 2;
      if (starts(batch, middle) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  BASIN_HD bool inside(index_t document) const { return document > 0 && document < starts.extent(1); }

  /// The documents at positions [first, last). `whole`: every one of these positions is in a document.
  struct range {
    index_t first, last;
    bool whole;
  };
  BASIN_HD range clipped(index_t batch, index_t first, index_t last) const {
    index_t const from = started(batch, first), to = started(batch, last - 1), end = starts.extent(1) - 1;
    return {from < 1 ? 1 : from, to > end ? end : to, inside(from) && inside(to)};
  }
};

static_assert(mask<document_starts>);

}  // namespace basin
