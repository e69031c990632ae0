// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Documents packed into one sequence, given by a document id for every position: the keys of a query's own document
/// are visible to it. Packed training uses all_of(documents{ids}, causal{}).
///
/// Models    mask
/// Source    Krell et al. 2021, arXiv 2107.02027 (packing without contamination)
/// Shapes    ids [batch, >= Nk]; any numbers, in any order; the query at position i has the id of key i
/// Edges     no key is visible to a query before the first key (Nq > Nk)
/// Cost      reads the ids of both sides of a tile once; covers() is `none` if the ranges of ids are disjoint. So if
///           ids increase, every tile without a common document is skipped
/// Errors    shape_error from validate(): another batch, fewer ids than keys
struct documents {
  using alike_for_heads = std::true_type;

  view<std::int32_t const, 2> ids{};

  BASIN_HD bool allows(coord c) const { return c.query >= 0 && ids(c.batch, c.query) == ids(c.batch, c.key); }
  BASIN_HD coverage covers(tile t) const {
    if (t.last_query <= 0) return coverage::none;
    range const queries = ids_in(t.batch, t.first_query < 0 ? 0 : t.first_query, t.last_query);
    range const keys = ids_in(t.batch, t.first_key, t.last_key);
    if (keys.most < queries.least || keys.least > queries.most) return coverage::none;
    bool const one = t.first_query >= 0 && queries.least == queries.most && keys.least == keys.most;
    return one ? coverage::all : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::documents", "ids", ids); }
  void validate(problem const& p) const {
    if (ids.data_handle() == nullptr || ids.extent(0) != p.batch || ids.extent(1) < p.keys)
      throw shape_error(message("basin::documents: ids is [", ids.extent(0), ", ", ids.extent(1),
                                "] but the call has [batch, keys] = [", p.batch, ", ", p.keys,
                                "]; give the document of every key"));
  }

 private:
  struct range {
    std::int32_t least, most;
  };
  BASIN_HD range ids_in(index_t batch, index_t first, index_t last) const {
    range r{ids(batch, first), ids(batch, first)};
    for (index_t position = first + 1; position < last; ++position) {
      std::int32_t const id = ids(batch, position);
      r = {id < r.least ? id : r.least, id > r.most ? id : r.most};
    }
    return r;
  }
};

static_assert(mask<documents>);

}  // namespace basin
