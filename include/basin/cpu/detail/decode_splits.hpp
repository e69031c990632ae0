// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A decoding step in splits of keys. All query rows of a key head (its group of query heads, a few queries each)
// process a split together, so that k and v are read once.

#include <cmath>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/detail/decode_kernels.hpp"
#include "basin/cpu/detail/decode_rows.hpp"

namespace basin::cpu::detail {

/// The sizes of a step. They depend on its shape alone, so the number of threads changes no bit.
template <class T>
struct decode_sizes {
  problem p;                                                     // p.keys: the longest sequence
  index_t rows;  // query rows of one key head: row n is query n % Nq of head n / Nq
  index_t keys_per_block, keys_per_split, splits;
  index_t row_step;  // the distance between rows of scores, in whole vectors
  index_t bytes_at_once;  // memory kept between phases, unless one head needs more
  row_cut keys, values;

  template <class K, class V>
  decode_sizes(problem const& call, tuning const& cut, K const& k, V const& v)
      : p(call), rows(p.heads / p.kv_heads * p.queries), keys_per_block(cut.keys_per_block),
        keys_per_split((std::min(8 * keys_per_block, std::max<index_t>(1, p.keys)) + 63) / 64 *
                       64),  // whole vectors of every type
        splits((p.keys + keys_per_split - 1) / keys_per_split), row_step(in_whole_vectors<T>(p.keys)),
        bytes_at_once(64 * cut.panel_bytes), keys(cut_of<T>(k)), values(cut_of<T>(v)) {}

  index_t query_size() const { return keys.vectors * lanes<T>; }
  index_t output_size() const { return values.vectors * lanes<T>; }
  /// How many key heads pass through the phases together, with stored scores or without.
  index_t heads_at_once(index_t row_of_scores) const {
    index_t const bytes = rows * (row_of_scores + splits * output_size()) * static_cast<index_t>(sizeof(T));
    return std::clamp<index_t>(bytes_at_once / (bytes + 1), 1, p.batch * p.kv_heads);
  }
};

/// One key head of one sequence.
struct head_at {
  int batch = 0, kv_head = 0;
  index_t length = 0;                                            // of the sequence
};

/// The workspace of a thread.
template <class T>
struct decode_buffers {
  line_buffer<T> queries, packed, scores,
      terms;  // [rows, query_size], [keys_per_chunk, dim], [rows, keys_per_split] twice
  line_buffer<T> gathered;                                       // one whole row, if the normalizer needs the whole row
  std::vector<coverage> seen;                                    // [rows] of the current block
  std::vector<index_t> visible;  // [rows]: number of keys of the split visible to each row

  decode_buffers(decode_sizes<T> const& of, index_t row)
      : queries(of.rows * of.query_size()), packed(keys_per_chunk * std::max(of.query_size(), of.output_size())),
        scores(of.rows * of.keys_per_split + lanes<T>),  // a vector more: zeros_among() reads over the end
        terms(of.rows * of.keys_per_split + lanes<T>), gathered(row), seen(static_cast<std::size_t>(of.rows)),
        visible(static_cast<std::size_t>(of.rows)) {}
};

/// A decoding step: its arguments, and the location of its parts.
template <class T, class Attention, class Q, class K, class V>
struct decode_step {
  using normalizer_type = decltype(Attention::normalize);

  Attention const& use;
  Q const& q;
  K const& k;
  V const& v;
  decode_sizes<T> const& size;

  int head_of(head_at at, index_t row) const {
    return static_cast<int>(at.kv_head * (size.p.heads / size.p.kv_heads) + row / size.p.queries);
  }
  index_t query_of(index_t row) const { return row % size.p.queries; }
  /// The last query has the position of the last key of its own sequence.
  index_t position_of(head_at at, index_t row) const { return query_of(row) + at.length - size.p.queries; }
  row_context<T> context(head_at at, index_t row, index_t visible) const {
    return {at.batch, head_of(at, row), static_cast<T>(position_of(at, row)), static_cast<T>(visible)};
  }
  T rsqrt_dim() const { return T(1) / std::sqrt(static_cast<T>(size.p.dim)); }

  /// The queries of a head as the products read them, times the scale where scores are linear. // [rows, query_size]
  void pack_queries(head_at at, T* to) const {
    T factor = T(1);
    if constexpr (linear_scorer<decltype(use.score)>) factor = use.score.factor(rsqrt_dim());
    for (index_t row = 0; row < size.rows; ++row)
      for (index_t n = 0; n < size.query_size(); ++n) {
        index_t const d = size.keys.template number_at<T>(n);
        to[row * size.query_size() + n] =
            d >= 0 && d < size.p.dim ? factor * static_cast<T>(q(at.batch, head_of(at, row), query_of(row), d)) : T(0);
      }
  }

  /// s_ij of the keys [first, last) for all rows, -inf for what a row does not see and up to whole vectors. // [rows,
  /// step]
  void make_scores(head_at at, index_t first, index_t last, decode_buffers<T>& in, T* scores, index_t step,
                   double* queries_of_keys) const {
    std::fill(in.visible.begin(), in.visible.end(), 0);
    for (index_t block = first; block < last; block += size.keys_per_block) {
      index_t const end = std::min(last, block + size.keys_per_block);
      T* const to = scores + block - first;
      if (look(at, block, end, in.seen)) {
        over_chunks<T>(
            k, at.batch, at.kv_head, block, end, in.packed, [](index_t, index_t) { return true; },
            [&](index_t key, auto chunk) {
              dots(static_cast<T const*>(in.queries), size.rows, chunk, size.keys, to + key - block, step);
            });
      }
      for (index_t row = 0; row < size.rows; ++row) {
        coverage const seen = in.seen[static_cast<std::size_t>(row)];
        if (seen != coverage::none) score_row(at, row, block, end - block, to + row * step);
        in.visible[static_cast<std::size_t>(row)] +=
            hide(at, row, seen, block, end - block, to + row * step, queries_of_keys);
      }
    }
    for (index_t row = 0; row < size.rows; ++row)
      std::fill(scores + row * step + last - first, scores + row * step + in_whole_vectors<T>(last - first),
                math::minus_inf<T>());
  }

  /// o_i += sum_j term_ij v_j over the keys [first, last). // outputs [rows, output_size]
  void mix_values(head_at at, index_t first, index_t last, decode_buffers<T>& in, T const* terms, index_t step,
                  T* outputs) const {
    auto const wanted = [&](index_t key, index_t count) {
      for (index_t row = 0; row < size.rows; ++row)
        if (!zeros_among(terms + row * step + key - first, count).all) return true;
      return false;
    };
    over_chunks<T>(v, at.batch, at.kv_head, first, last, in.packed, wanted, [&](index_t key, auto chunk) {
      mix(terms + key - first, step, size.rows, chunk, size.values, outputs);
    });
  }

 private:
  /// The visibility of a block to each row; returns whether any of it is visible to any row.
  bool look(head_at at, index_t first, index_t end, std::vector<coverage>& seen) const {
    bool any = false;
    for (index_t row = 0; row < size.rows; ++row) {
      index_t const query = position_of(at, row);
      tile const t{at.batch, head_of(at, row), query, query + 1, first, end};
      coverage c = use.visible.covers(t);
      if (c != coverage::none) c = both(c, kept(use.prune, t));
      seen[static_cast<std::size_t>(row)] = c;
      any = any || c != coverage::none;
    }
    return any;
  }

  /// <q_i, k_j> -> s_ij in place.
  void score_row(head_at at, index_t row, index_t first, index_t count, T* scores) const {
    if constexpr (!linear_scorer<decltype(use.score)>) {
      using batch = simd<T>;
      pair_at<batch> pair{
          at.batch, head_of(at, row), batch(static_cast<T>(position_of(at, row))), {}, batch(rsqrt_dim())};
      for (index_t j = 0; j < count; j += lanes<T>) {
        pair.key = batch(static_cast<T>(first + j)) + lane_numbers<T>();
        alignas(64) T some[lanes<T>] = {};
        index_t const here = std::min(lanes<T>, count - j);
        std::copy_n(scores + j, here, some);
        use.score.score(batch::load_aligned(some), pair).store_aligned(some);
        std::copy_n(some, here, scores + j);
      }
    }
  }

  /// Writes -inf for the keys that are hidden from a row; returns the number of visible ones.
  index_t hide(head_at at, index_t row, coverage seen, index_t first, index_t count, T* scores,
               double* queries_of_keys) const {
    if (seen == coverage::none) {
      std::fill_n(scores, count, math::minus_inf<T>());
      return 0;
    }
    coord c{at.batch, head_of(at, row), position_of(at, row), 0};
    index_t visible = 0;
    for (index_t j = 0; j < count && (seen == coverage::some || queries_of_keys != nullptr); ++j) {
      c.key = first + j;
      bool const sees = seen == coverage::all || (use.visible.allows(c) && use.prune.keeps(c, scores[j]));
      if (!sees) scores[j] = math::minus_inf<T>();
      visible += sees;
      if (queries_of_keys != nullptr)
        queries_of_keys[c.head % (size.p.heads / size.p.kv_heads) * size.p.keys + c.key] += sees;
    }
    return seen == coverage::all ? count : visible;
  }
};

}  // namespace basin::cpu::detail
