// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The sizes of a call, and the reports of its observers.

#include <memory>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/max_weight.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/observe/together.hpp"
#include "support/archetypes.hpp"
#include "support/tensors.hpp"

namespace basin_test {

/// Sizes and layouts of one call.
struct shape {
  index_t batch = 1, heads = 1, kv_heads = 1, queries = 1, keys = 1, dim = 1, value_dim = 1;
  layout inputs = layout::heads_first, outputs = layout::heads_first;

  operator basin::problem() const { return {batch, heads, kv_heads, queries, keys, dim, value_dim}; }
};

inline std::string description(shape const& s) {
  return basin::message("B ", s.batch, " H ", s.heads, " Hk ", s.kv_heads, " Nq ", s.queries, " Nk ", s.keys, " D ",
                        s.dim, " Dv ", s.value_dim, ", ", name_of(s.inputs), " -> ", name_of(s.outputs));
}

/// The reports of the library's observers on one call; Allocator determines the kind of memory.
template <template <class> class Allocator>
struct reports_in {
  shape s;
  std::vector<double, Allocator<double>> received, nats, heaviest, squares;

  explicit reports_in(shape const& at)
      : s(at),
        received(static_cast<std::size_t>(s.batch * s.heads * s.keys), nan),
        nats(static_cast<std::size_t>(s.batch * s.heads * s.queries), nan),
        heaviest(nats.size(), nan),
        squares(received.size(), nan) {}
  auto watch_rows() {
    return basin::together(basin::entropy{basin::contiguous(nats.data(), s.batch, s.heads, s.queries)},
                           basin::max_weight{basin::contiguous(heaviest.data(), s.batch, s.heads, s.queries)});
  }
  auto watch_keys() {
    return basin::together(basin::received_attention{basin::contiguous(received.data(), s.batch, s.heads, s.keys)},
                           received_squares{basin::contiguous(squares.data(), s.batch, s.heads, s.keys)});
  }
  auto watch_all() { return basin::together(watch_rows(), watch_keys()); }
};
using reports = reports_in<std::allocator>;

}  // namespace basin_test
