// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The phases of a decoding step. With a one-pass normalizer, each split makes its own row states, which are then
// merged. Other normalizers need all scores first, then the rows, then the values. Each phase is parallel over all
// heads and splits.

#include "basin/cpu/detail/decode_watch.hpp"
#include "basin/cpu/detail/parallel.hpp"
#include "basin/cpu/detail/workspace.hpp"
#include "basin/cpu/plan.hpp"

namespace basin::cpu::detail {

/// A step, phase by phase, and what it keeps between the phases.
template <class T, class Attention, class Q, class K, class V, class Out>
class decode_engine {
  using N = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  static constexpr bool watched = !blind_observer<decltype(Attention::observe)>;
  static constexpr bool in_splits = one_sweep<Attention>;          // rows are made split by split, and merged
  static constexpr bool keeps_scores = watched || !in_splits;

 public:
  decode_engine(decode_step<T, Attention, Q, K, V> const& what, Out const& to)
      : step(what),
        size(step.size),
        n(step.use.normalize),
        out(to),
        watch(step.use.observe),
        group(size.p.heads / size.p.kv_heads),
        heads(size.p.batch * size.p.kv_heads),
        together(size.heads_at_once(keeps_scores ? size.row_step : 0)),
        rows(in_splits ? count(together * size.splits * size.rows) : 0),
        finished(count(together * size.rows)),
        visible(count(together * size.splits * size.rows)),
        queries_of_keys(watch_type::counts_queries ? count(together * group * size.p.keys) : 0),
        outputs(together * size.splits * size.rows * size.output_size()),
        scores(keeps_scores ? together * size.rows * size.row_step : 0) {
    for (int t = 0; t < threads_here(); ++t) {
      buffers.emplace_back(size, streams<N> ? 0 : size.row_step);
      if constexpr (watched) seen.emplace_back(watch, size.p.keys);
    }
  }

  void run() {
    for (first_head = 0; first_head < heads; first_head += together) {
      index_t const now = std::min(together, heads - first_head);
      std::fill(queries_of_keys.begin(), queries_of_keys.end(), 0.0);
      if constexpr (in_splits) {
        over_tasks(now, size.splits,
                   [&](index_t head, index_t split, int thread) { make_split(head, split, buffers[count(thread)]); });
        over_tasks(now, size.rows, [&](index_t head, index_t row, int) { merge_row(head, row); });
      } else {
        over_tasks(now, size.splits,
                   [&](index_t head, index_t split, int thread) { score_split(head, split, buffers[count(thread)]); });
        over_tasks(now, size.rows,
                   [&](index_t head, index_t row, int thread) { fit_row(head, row, buffers[count(thread)].gathered); });
        over_tasks(now, size.splits,
                   [&](index_t head, index_t split, int thread) { mix_split(head, split, buffers[count(thread)]); });
        over_tasks(now, size.rows, [&](index_t head, index_t row, int) { add_row(head, row); });
      }
      if constexpr (watched)
        over_tasks(now, group,
                   [&](index_t head, index_t member, int thread) { show_head(head, member, seen[count(thread)]); });
    }
  }

 private:
  static std::size_t count(index_t number) { return static_cast<std::size_t>(number); }

  template <class F>
  static void over_tasks(index_t heads_now, index_t parts, F&& f) {
    detail::over_tasks(heads_now * parts, [&](index_t task) { f(task / parts, task % parts, threads::mine()); });
  }

  head_at where(index_t head) const {
    index_t const of_all = first_head + head, batch = of_all / size.p.kv_heads;
    return {static_cast<int>(batch), static_cast<int>(of_all % size.p.kv_heads), keys_of(step.k, batch)};
  }
  struct key_range {
    index_t first, last;
  };
  key_range keys_in_split(head_at at, index_t split) const {
    return {split * size.keys_per_split, std::min((split + 1) * size.keys_per_split, at.length)};
  }
  index_t splits_of(head_at at) const { return (at.length + size.keys_per_split - 1) / size.keys_per_split; }

  std::size_t row_of_split(index_t head, index_t split, index_t row) const {
    return count((head * size.splits + split) * size.rows + row);
  }
  T* outputs_of(index_t head, index_t split, index_t row = 0) const {
    return outputs + ((head * size.splits + split) * size.rows + row) * size.output_size();
  }
  T* scores_of(index_t head, index_t row) const { return scores + (head * size.rows + row) * size.row_step; }
  double* queries_of(index_t head) {
    return queries_of_keys.empty() ? nullptr : queries_of_keys.data() + head * group * size.p.keys;
  }

  void make_scores(index_t head, index_t split, key_range keys, decode_buffers<T>& in, T* to, index_t row_step) {
    head_at const at = where(head);
    step.pack_queries(at, in.queries);
    step.make_scores(at, keys.first, keys.last, in, to, row_step, queries_of(head));
    std::copy(in.visible.begin(), in.visible.end(),
              visible.begin() + static_cast<index_t>(row_of_split(head, split, 0)));
  }
  void mix(head_at at, key_range keys, decode_buffers<T>& in, T* to) const {
    std::fill_n(to, size.rows * size.output_size(), T(0));
    step.mix_values(at, keys.first, keys.last, in, in.terms, size.keys_per_split, to);
  }

  /// Scores, row and values of one split, for one-pass normalizers.
  void make_split(index_t head, index_t split, decode_buffers<T>& in) {
    head_at const at = where(head);
    key_range const keys = keys_in_split(at, split);
    if (keys.first >= keys.last) return;
    make_scores(head, split, keys, in, in.scores, size.keys_per_split);
    index_t const whole = in_whole_vectors<T>(keys.last - keys.first);
    for (index_t row = 0; row < size.rows; ++row) {
      using values = key_values_t<N, T>;
      T const* const mine = in.scores + row * size.keys_per_split;
      auto state = start_row(n, step.context(at, row, 0));
      measure_row<values, N, T>(n, state, mine, whole);
      sum_row<values, N, T>(n, state, mine, whole, in.terms + row * size.keys_per_split);
      rows[row_of_split(head, split, row)] = state;
      if constexpr (keeps_scores) std::copy_n(mine, whole, scores_of(head, row) + keys.first);
    }
    mix(at, keys, in, outputs_of(head, split));
  }

  void score_split(index_t head, index_t split, decode_buffers<T>& in) {
    key_range const keys = keys_in_split(where(head), split);
    if (keys.first < keys.last) make_scores(head, split, keys, in, scores_of(head, 0) + keys.first, size.row_step);
  }

  void fit_row(index_t head, index_t row, T* gathered) {
    head_at const at = where(head);
    finished[count(head * size.rows + row)] =
        finish_row<T>(n, step.context(at, row, visible_keys(head, row)), static_cast<T const*>(scores_of(head, row)),
                      in_whole_vectors<T>(at.length), gathered);
  }

  /// Adds the values of one split, weighted by the finished rows.
  void mix_split(index_t head, index_t split, decode_buffers<T>& in) {
    head_at const at = where(head);
    key_range const keys = keys_in_split(at, split);
    if (keys.first >= keys.last) return;
    using values = key_values_t<N, T>;
    for (index_t row = 0; row < size.rows; ++row) {
      auto const state = spread_row<values, N, T>(n, finished[count(head * size.rows + row)].row);
      T const* const mine = scores_of(head, row) + keys.first;
      for (index_t j = 0; j < keys.last - keys.first; j += keys_in<values>)
        store_keys(term_of<values>(n, state, load_keys<values>(mine + j)), in.terms + row * size.keys_per_split + j);
    }
    mix(at, keys, in, outputs_of(head, split));
  }

  /// Merges the splits of one row: first the row of all splits, then the outputs of each, rescaled to it.
  void merge_row(index_t head, index_t row) {
    head_at const at = where(head);
    auto const none = start_row(n, step.context(at, row, 0));
    auto whole = none;
    n.merge(whole, joined_rows(head, row, 0, splits_of(at), none));
    finished[count(head * size.rows + row)] = {whole, n.factor(whole)};
    write_row(head, row, [&](index_t split) { return n.rescale(rows[row_of_split(head, split, row)], whole); });
  }
  void add_row(index_t head, index_t row) {
    write_row(head, row, [](index_t) { return T(1); });
  }
  /// The row of splits [first, last), merged pairwise: rounding errors grow with the logarithm of their number.
  row_of<N, T> joined_rows(index_t head, index_t row, index_t first, index_t last, row_of<N, T> const& none) const {
    if (last - first < 2) return first == last ? none : rows[row_of_split(head, first, row)];
    index_t const half = first + (last - first) / 2;
    auto joined = joined_rows(head, row, first, half, none);
    n.merge(joined, joined_rows(head, row, half, last, none));
    return joined;
  }

  /// The sum of by(split) * outputs of splits [first, last) at index d, pairwise.
  template <class By>
  simd<T> joined_outputs(index_t head, index_t row, index_t d, index_t first, index_t last, By const& by) const {
    if (last - first == 1) return simd<T>(by(first)) * simd<T>::load_aligned(outputs_of(head, first, row) + d);
    index_t const half = first + (last - first) / 2;
    return joined_outputs(head, row, d, first, half, by) + joined_outputs(head, row, d, half, last, by);
  }

  /// out = factor * sum of by(split) * outputs of the split.
  template <class By>
  void write_row(index_t head, index_t row, By const& by) {
    head_at const at = where(head);
    T* const sum = outputs_of(head, 0, row);
    index_t const splits = splits_of(at);
    for (index_t d = 0; d < (splits > 0 ? size.output_size() : 0); d += lanes<T>)
      joined_outputs(head, row, d, 0, splits, by).store_aligned(sum + d);
    T const factor = finished[count(head * size.rows + row)].factor;
    for (index_t place = 0; place < size.output_size(); ++place) {
      index_t const d = size.values.template number_at<T>(place);
      if (d < 0 || d >= size.p.value_dim) continue;
      T const o = at.length == 0 ? T(0) : factor * sum[place];
      out(at.batch, step.head_of(at, row), step.query_of(row), d) = static_cast<typename Out::value_type>(o);
    }
  }

  index_t visible_keys(index_t head, index_t row) const {
    index_t sum = 0;
    for (index_t split = 0; split < splits_of(where(head)); ++split) sum += visible[row_of_split(head, split, row)];
    return sum;
  }

  /// Passes all rows of one query head to the observers.
  void show_head(index_t head, index_t member, watch_buffers& in) {
    head_at const at = where(head);
    std::fill(in.totals.begin(), in.totals.end(), 0.0);
    for (index_t row = member * size.p.queries; row < (member + 1) * size.p.queries; ++row)
      watch_row<T>(watch, n, {at.batch, step.head_of(at, row), step.query_of(row)},
                   finished[count(head * size.rows + row)], static_cast<T const*>(scores_of(head, row)), at.length,
                   visible_keys(head, row), in);
    double const* const queries = queries_of(head);
    watch_keys(watch, at.batch, step.head_of(at, member * size.p.queries), size.p.keys, in,
               queries == nullptr ? nullptr : queries + member * size.p.keys);
  }

  decode_step<T, Attention, Q, K, V> const& step;
  decode_sizes<T> const& size;
  N const& n;
  Out const& out;
  watch_type const watch;
  index_t group, heads, together, first_head = 0;
  std::vector<row_of<N, T>> rows;                                // [heads, splits, rows]: states of splits
  std::vector<finished_row<N, T>> finished;                      // [heads, rows]
  std::vector<index_t> visible;                                  // [heads, splits, rows]
  std::vector<double> queries_of_keys;                           // [heads, group, keys]
  line_buffer<T> outputs, scores;  // [heads, splits, rows, output_size], [heads, rows, row_step]
  std::vector<decode_buffers<T>> buffers;                        // one a thread
  std::vector<watch_buffers> seen;
};

}  // namespace basin::cpu::detail
