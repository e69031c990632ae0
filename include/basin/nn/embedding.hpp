// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/config.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// A table lookup: y_i = table[token_i].

namespace basin::nn {
namespace detail {

inline void require_tokens(char const* function, std::span<int const> tokens, index_t vocabulary) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= vocabulary)
      throw value_error(message("basin::nn::", function, ": token ", i, " is ", tokens[i], "; it must be in [0, ",
                                vocabulary, ")"));
}

/// Requires one row per token, with the dim of the table.
template <class Table, class Rows>
void require_lookup_shapes(char const* function, std::span<int const> tokens, char const* table_name,
                           Table const& table, char const* rows_name, Rows const& rows) {
  require_rows(function, table_name, table);
  require_rows(function, rows_name, rows);
  require_equal(function, "the number of tokens", std::ssize(tokens), "the number of rows", rows.extent(0));
  require_equal(function, "the dim of the table", table.extent(1), "the dim of the rows", rows.extent(1));
}

/// The same, and every token in the table.
template <class Table, class Rows>
void require_lookup(char const* function, std::span<int const> tokens, char const* table_name, Table const& table,
                    char const* rows_name, Rows const& rows) {
  require_lookup_shapes(function, tokens, table_name, table, rows_name, rows);
  require_tokens(function, tokens, table.extent(0));
}

}  // namespace detail

/// y_i = table[token_i]
///
/// Shapes    tokens [rows], table [vocabulary, dim], y [rows, dim]
/// Errors    shape_error; value_error: a token outside the table; then nothing is written
template <class T>
void embedding_forward(host const&, std::span<int const> tokens, const_view<T, 2> table, view<T, 2> y) {
  detail::require_lookup("embedding_forward", tokens, "table", table, "y", y);
  BASIN_OMP(parallel for schedule(static) if (y.extent(0) * y.extent(1) > detail::worth_threads))
  for (index_t i = 0; i < y.extent(0); ++i)
    std::copy_n(detail::row(table, tokens[i]), y.extent(1), detail::row(y, i));
}

/// dtable[token_i] += dy_i. Threads divide the columns, not the rows: each element is summed in token order.
///
/// Shapes    tokens [rows], dy [rows, dim], dtable [vocabulary, dim]
/// Errors    shape_error; value_error: a token outside the table; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void embedding_backward(host const&, std::span<int const> tokens, const_view<T, 2> dy, view<T, 2> dtable) {
  detail::require_lookup("embedding_backward", tokens, "dtable", dtable, "dy", dy);
  index_t const dim = dy.extent(1), width = 64 / static_cast<index_t>(sizeof(T)) * 2;
  index_t const strips = (dim + width - 1) / width;
  BASIN_OMP(parallel for schedule(static) if (dy.extent(0) * dim > detail::worth_threads))
  for (index_t strip = 0; strip < strips; ++strip) {
    index_t const first = strip * width, last = std::min(dim, first + width);
    for (index_t i = 0; i < dy.extent(0); ++i) {
      T const* from = detail::row(dy, i);
      T* to = detail::row(dtable, tokens[i]);
      BASIN_OMP(simd)
      for (index_t d = first; d < last; ++d) to[d] += from[d];
    }
  }
}

}  // namespace basin::nn
