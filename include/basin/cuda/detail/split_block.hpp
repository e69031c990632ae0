// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Few queries against many keys: each block processes a part of the keys and stores the unfinished state of its rows.
// Another kernel merges the parts. It needs an online normalizer, whose parts merge even if their maxima differ.

#include "basin/concepts/row_stages.hpp"
#include "basin/cuda/detail/forward_block.hpp"

namespace basin::gpu::detail {

/// The state of a row after one part of the keys.
template <class N, class Watch>
struct row_part {
  row_of<N, float> row;
  typename Watch::template rows<float> states;
};

/// The arguments of a call with split keys. `outputs` are not normalised.
template <class E, class N, class Out, class Keys, class Watch>
struct split_arguments : forward_arguments<E, N, Out, Keys> {
  index_t splits = 1, keys_per_split = 0;
  row_part<N, Watch>* parts = nullptr;                           // [batch, heads, queries, splits]
  float* outputs = nullptr;                                      // [batch, heads, queries, splits, value_dim]
};

template <class E, int Dim, class Attention, class Out, class Keys, class Selector = default_tuning>
using split_call =
    call<E, Dim, Attention,
         split_arguments<E, decltype(Attention::normalize), Out, Keys, observation<decltype(Attention::observe)>>,
         Selector, 1>;

template <class M, class Call>
class split_block : forward_block<M, Call> {
 public:
  using base = forward_block<M, Call>;

  BASIN_DEVICE split_block(M const& m, Call const& call, index_t block)
      : base(m, call, block / call.splits), split(block % call.splits) {
    auto& at = this->at;
    index_t const end = (split + 1) * call.keys_per_split;
    at.first_key = split * call.keys_per_split, at.last_key = end < at.keys_of_sequence ? end : at.keys_of_sequence;
  }

  static index_t blocks(Call const& c) { return base::blocks(c) * c.splits; }

  BASIN_DEVICE void run() {
    static_assert(base::watch_type::row_values == 0 || base::watch_type::rescales,
                  "basin: decode on a GPU needs rescale(row, by) of every row observer, as parts of a row are joined "
                  "(concepts/observer.hpp)");
    this->make_rows();
    auto const& c = this->at.c;
    int const t = this->at.m.thread() % 4;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      auto const state = this->merged_states(i);
      if (!this->at.here[i]) continue;
      auto const& mine = this->at.mine[i];
      index_t const part = c.row(mine.batch, mine.head, mine.query) * c.splits + split;
      if (t == 0) c.parts[part] = {this->at.row[i], state};
      write_row(this->at.m, this->out, i, c.p.value_dim, 1.0f, c.outputs + part * c.p.value_dim, 1);
    }
  }

 private:
  index_t split;
};

/// Merges the parts of rows, one row a warp.
template <class M, class Call>
class join_block {
 public:
  using N = typename Call::normalizer_type;
  using watch_type = typename Call::watch_type;

  BASIN_DEVICE join_block(M const& machine, Call const& call, index_t block)
      : m(machine), c(call), watch(call.use.observe), row(block * Call::cut.warps + machine.thread() / 32) {}

  static index_t blocks(Call const& c) {
    return (c.p.batch * c.p.heads * c.p.queries + Call::cut.warps - 1) / Call::cut.warps;
  }

  BASIN_DEVICE void run() {
    if (row >= c.p.batch * c.p.heads * c.p.queries) return;
    auto const& n = c.use.normalize;
    auto const* const parts = c.parts + row * c.splits;
    auto whole = parts[0].row;
    for (index_t s = 1; s < c.splits; ++s) n.merge(whole, parts[s].row);
    float const factor = n.factor(whole);
    index_t const query = row % c.p.queries, of_all = row / c.p.queries;
    row_at const at{static_cast<int>(of_all / c.p.heads), static_cast<int>(of_all % c.p.heads), query};
    for (index_t d = m.thread() % 32; d < c.p.value_dim; d += 32) {
      float sum = 0.0f;
      for (index_t s = 0; s < c.splits; ++s)
        sum += n.rescale(parts[s].row, whole) * c.outputs[(row * c.splits + s) * c.p.value_dim + d];
      c.out(at.batch, at.head, at.query, d) = std::remove_cvref_t<decltype(c.out(0, 0, 0, 0))>(factor * sum);
    }
    if (m.thread() % 32 != 0) return;
    typename watch_type::template rows<float> states{};
    for (index_t s = 0; s < c.splits; ++s) {
      auto part = parts[s].states;
      watch.rescale(part, n.rescale(parts[s].row, whole), watch.totals(part, n, parts[s].row));
      watch.merge(states, part);
    }
    if (c.kept != nullptr) c.kept[row] = keep_row(n, whole, factor);
    float log_sum = 0.0f;
    if constexpr (watch_type::needs_log_sum) log_sum = log_sum_of<float>(n, whole);
    watch.sees_row(at, watch.report(states, factor, log_sum, watch.totals(states, n, whole)));
  }

 private:
  M const& m;
  Call const& c;
  watch_type watch;
  index_t row;
};

}  // namespace basin::gpu::detail
