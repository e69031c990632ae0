// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Attention on the host: panels of queries in SIMD lanes, threads over batch x head x panels.

#include "basin/cpu/detail/tasks.hpp"
#include "basin/cpu/detail/weigh.hpp"

namespace basin::cpu {

namespace detail {

/// What a thread works in. With observers of whole rows it holds all scores and all terms of a panel, however it is swept.
template <class T>
struct forward_buffers {
  T *queries, *scores, *outputs;        // [dim, width], [keys or keys_per_block, width], [value_dim, width]
  T* terms;                             // [keys, width]; `scores` where nobody needs both
  double *row_weights, *row_scores;     // [keys]: one whole row
  double* totals;                       // [keys, numbers_per_key], of the task
  key_block* blocks;

  template <class Watch>
  forward_buffers(workspace&& memory, problem const& p, tuning const& cut, index score_rows, index width, Watch const& watch)
      : forward_buffers(memory, p, cut, score_rows, width, watch) {}
  template <class Watch>
  forward_buffers(workspace& memory, problem const& p, tuning const& cut, index score_rows, index width, Watch const&)
      : queries(memory.take<T>(p.dim * width)),
        scores(memory.take<T>((Watch::wants_whole_rows ? p.keys : score_rows) * width)),
        outputs(memory.take<T>(p.value_dim * width)),
        terms(Watch::wants_whole_rows ? memory.take<T>(p.keys * width) : scores),
        row_weights(memory.take<double>(Watch::wants_whole_rows ? p.keys : 0)),
        row_scores(memory.take<double>(Watch::wants_whole_rows ? p.keys : 0)),
        totals(nullptr),
        blocks(memory.take<key_block>(p.keys / cut.keys_per_block + 1)) {}
};

/// o_i += terms of one block times its values.
template <int Vectors, class T, class Attention, class V>
void mix_values(panel<T, Vectors, Attention> const& who, key_block block, T const* terms, V const& v, T* outputs) {
  constexpr index width = panel<T, Vectors, Attention>::width;
  auto const* const values = &v(who.at.batch, who.p.kv_head(who.at.head), block.first, 0);
  if (block.seen == coverage::some && !all_finite(values, v.stride(2), v.stride(3), block.count, who.p.value_dim))
    zero_wins_product(values, v.stride(3), v.stride(2), who.p.value_dim, block.count, terms, width, outputs);
  else
    product<Vectors, into::added>(values, v.stride(3), v.stride(2), who.p.value_dim, block.count, terms, width, outputs, width);
}

/// What each key of a block receives, where somebody watches.
template <int Vectors, class T, class Attention>
void give_keys(panel<T, Vectors, Attention> const& who, key_block block, T const* terms, simd<T> const* factor, double* totals) {
  using panel_type = panel<T, Vectors, Attention>;
  if constexpr (constexpr auto count = panel_type::watch_type::key_values; count > 0) {
    simd<T> const lane = lane_numbers<T>();
    for (index r = 0; r < block.count; ++r) {
      std::array<simd<T>, count> given{};
      for (int u = 0; u < Vectors; ++u) {
        simd<T> const term = simd<T>::load_aligned(terms + r * who.width + u * lanes<T>);
        auto const seen = (lane < simd<T>(static_cast<T>(who.at.count - u * lanes<T>))) && (term != simd<T>(T(0)));
        auto const gives = who.watch.gives(math::select(seen, factor[u] * term, simd<T>(T(0))));
        for (std::size_t n = 0; n < count; ++n) given[n] = u == 0 ? gives[n] : given[n] + gives[n];
      }
      for (std::size_t n = 0; n < count; ++n)
        totals[static_cast<std::size_t>(block.first + r) * numbers_per_key<typename panel_type::watch_type> + n] += static_cast<double>(xsimd::hadd(given[n]));
    }
  }
}

/// out rows of the panel = factor * outputs, transposed.
template <int Vectors, class T, class Attention, class Out>
void write_rows(panel<T, Vectors, Attention> const& who, T const* outputs, simd<T> const* factor, Out const& out) {
  constexpr index width = panel<T, Vectors, Attention>::width;
  alignas(64) T scale[width];
  for (int v = 0; v < Vectors; ++v) factor[v].store_aligned(scale + v * lanes<T>);
  for (index lane = 0; lane < who.at.count; ++lane)
    for (index d = 0; d < who.p.value_dim; ++d)
      out(who.at.batch, who.at.head, who.at.first + lane, d) = static_cast<typename Out::value_type>(scale[lane] * outputs[d * width + lane]);
}

template <int Vectors, class T, class Attention, class States, class Fit>
void report_rows(panel<T, Vectors, Attention> const& who, States const& states, Fit const& fit) {
  using watch_type = typename panel<T, Vectors, Attention>::watch_type;
  if constexpr (constexpr auto count = watch_type::row_values; count > 0) {
    for (int v = 0; v < Vectors; ++v) {
      simd<T> log_sum(T(0));
      if constexpr (watch_type::needs_log_sum) log_sum = fit.log_sum(who, v);
      auto const reported = who.watch.report(states[v], fit.factor[v], log_sum);
      alignas(64) T lane_values[count][lanes<T>];
      for (std::size_t n = 0; n < count; ++n) reported[n].store_aligned(lane_values[n]);
      for (index lane = 0; lane < lanes<T> && v * lanes<T> + lane < who.at.count; ++lane) {
        std::array<T, count> values{};
        for (std::size_t n = 0; n < count; ++n) values[n] = lane_values[n][lane];
        who.watch.sees_row({who.at.batch, who.at.head, who.at.first + v * lanes<T> + lane}, values);
      }
    }
  }
}

/// Tells the panel where to count the queries that see a key: the last number of each key.
template <class Panel>
void count_from_here(Panel& who, double* totals) {
  using watch_type = typename Panel::watch_type;
  if constexpr (watch_type::counts_queries) {
    who.queries_of_keys = totals + watch_type::key_values;
    who.count_step = static_cast<index>(numbers_per_key<watch_type>);
  }
}

/// Shows every row of the panel with all its weights and scores, from `scores` and `terms` of all its blocks.
template <int Vectors, class T, class Attention>
void show_whole_rows(panel<T, Vectors, Attention> const& who, std::span<key_block const> blocks, forward_buffers<T> const& at, simd<T> const* factor) {
  constexpr index width = panel<T, Vectors, Attention>::width;
  alignas(64) T scale[width];
  for (int v = 0; v < Vectors; ++v) factor[v].store_aligned(scale + v * lanes<T>);
  auto const keys = static_cast<std::size_t>(who.p.keys);
  std::span const weights(at.row_weights, keys), scores(at.row_scores, keys);
  std::fill(weights.begin(), weights.end(), 0.0);                // what is in no block is not visible
  std::fill(scores.begin(), scores.end(), -math::infinity);
  for (index lane = 0; lane < who.at.count; ++lane) {
    for (key_block const block : blocks)
      for (index r = 0; r < block.count; ++r) {
        T const term = at.terms[(block.row + r) * width + lane];
        at.row_weights[block.first + r] = term == T(0) ? 0.0 : static_cast<double>(scale[lane] * term);
        at.row_scores[block.first + r] = static_cast<double>(at.scores[(block.row + r) * width + lane]);
      }
    who.watch.sees_whole_row({who.at.batch, who.at.head, who.at.first + lane}, {weights, scores, static_cast<double>(who.visible[lane])});
  }
}

/// All scores of the panel, then its rows and the terms of every key.
template <int Vectors, class T, class Attention, class Fit, class States, class K>
void weigh_all(panel<T, Vectors, Attention>& who, std::span<key_block const> blocks, Fit& fit, States& states, forward_buffers<T> const& at, K const& k) {
  constexpr index width = panel<T, Vectors, Attention>::width;
  for (key_block const block : blocks) {
    T* const scores = at.scores + block.row * width;
    who.multiply(block, at.queries, k, scores);                  // [keys, queries]
    who.score(block, scores, scores);
    who.hide(block, scores);
  }
  fit.weigh(who, blocks.empty() ? 0 : blocks.back().row + blocks.back().count, at.scores, at.terms, states);
}

/// All scores of the panel first, then its rows, then its values: any normalizer, any observer.
template <int Vectors, class T, class Attention, class K, class V, class Out>
void forward_panel(panel<T, Vectors, Attention>& who, std::span<key_block const> blocks, forward_buffers<T> const& at, K const& k, V const& v, Out const& out) {
  constexpr index width = panel<T, Vectors, Attention>::width;
  weighed_rows<T, Vectors, Attention> fit;
  typename panel<T, Vectors, Attention>::states_type states{};
  count_from_here(who, at.totals);
  weigh_all(who, blocks, fit, states, at, k);
  std::fill_n(at.outputs, who.p.value_dim * width, T(0));        // [value_dim, queries]
  for (key_block const block : blocks) {
    mix_values(who, block, at.terms + block.row * width, v, at.outputs);
    give_keys(who, block, at.terms + block.row * width, fit.factor, at.totals);
  }
  write_rows(who, at.outputs, fit.factor, out);
  report_rows(who, states, fit);
  if constexpr (panel<T, Vectors, Attention>::watch_type::wants_whole_rows) show_whole_rows(who, blocks, at, fit.factor);
}

/// Takes one block of keys into rows and outputs that stand before it: the step of the one-sweep algorithm.
template <int Vectors, class T, class Attention, class States, class K, class V>
void absorb_block(panel<T, Vectors, Attention>& who, key_block block, lane_rows<T, Vectors, Attention>& fit, States& states, forward_buffers<T> const& at, K const& k,
                  V const& v) {
  constexpr index width = panel<T, Vectors, Attention>::width;
  auto const& n = who.use.normalize;
  who.multiply(block, at.queries, k, at.scores);
  who.score(block, at.scores, at.scores);
  who.hide(block, at.scores);
  lane_rows<T, Vectors, Attention> part;
  part.start(who);
  part.measure(who, block.count, at.scores);
  for (int u = 0; u < Vectors; ++u) {
    auto const old = fit.row[u];
    n.merge(fit.row[u], part.row[u]);
    simd<T> const by = n.rescale(old, fit.row[u]);
    if constexpr (panel<T, Vectors, Attention>::watch_type::rescales) who.watch.rescale(states[u], by);
    if (math::any(by != simd<T>(T(1))))
      for (index d = 0; d < who.p.value_dim; ++d) {
        T* const o = at.outputs + d * width + u * lanes<T>;
        (by * simd<T>::load_aligned(o)).store_aligned(o);
      }
  }
  fit.sum(who, block.count, at.scores, at.scores, states);
  mix_values(who, block, at.scores, v, at.outputs);
}

/// A second sweep with the rows complete, for observers that need final weights: the outputs are the same with and without.
template <int Vectors, class T, class Attention, class States, class K>
void watch_again(panel<T, Vectors, Attention>& who, std::span<key_block const> blocks, lane_rows<T, Vectors, Attention> const& fit, States& states,
                 forward_buffers<T> const& at, K const& k) {
  count_from_here(who, at.totals);
  for (key_block const block : blocks) {
    who.multiply(block, at.queries, k, at.scores);
    who.score(block, at.scores, at.scores);
    who.hide(block, at.scores);
    auto again = fit;                                            // its sums are spent; its maxima give the same terms
    typename panel<T, Vectors, Attention>::states_type unused{};
    if constexpr (panel<T, Vectors, Attention>::watch_type::rescales) again.sum(who, block.count, at.scores, at.scores, unused);
    else again.sum(who, block.count, at.scores, at.scores, states);
    give_keys(who, block, at.scores, fit.factor, at.totals);
  }
}

/// Whole rows beside a stream: the output stays that of the stream, as with nobody watching, and the rows are made once more.
template <int Vectors, class T, class Attention, class K>
void show_again(panel<T, Vectors, Attention> const& who, std::span<key_block const> blocks, forward_buffers<T> const& at, K const& k) {
  panel<T, Vectors, Attention> again(who.use, who.watch, who.p, who.at);
  weighed_rows<T, Vectors, Attention> fit;
  typename panel<T, Vectors, Attention>::states_type unused{};
  weigh_all(again, blocks, fit, unused, at, k);
  show_whole_rows(again, blocks, at, fit.factor);
}

/// One block of scores at a time, which never leaves L1; outputs so far are rescaled when the rows are raised.
template <int Vectors, class T, class Attention, class K, class V, class Out>
void forward_stream(panel<T, Vectors, Attention>& who, std::span<key_block const> blocks, forward_buffers<T> const& at, K const& k, V const& v, Out const& out) {
  lane_rows<T, Vectors, Attention> fit;
  typename panel<T, Vectors, Attention>::states_type states{};
  fit.start(who);
  std::fill_n(at.outputs, who.p.value_dim * who.width, T(0));
  for (key_block const block : blocks) absorb_block(who, block, fit, states, at, k, v);
  for (int u = 0; u < Vectors; ++u) fit.factor[u] = who.use.normalize.factor(fit.row[u]);
  write_rows(who, at.outputs, fit.factor, out);
  using watch_type = typename panel<T, Vectors, Attention>::watch_type;
  if constexpr (watch_type::key_values > 0 || !watch_type::rescales) {
    if constexpr (!watch_type::rescales)
      for (auto& state : states) state = {};
    watch_again(who, blocks, fit, states, at, k);
  }
  report_rows(who, states, fit);
  if constexpr (watch_type::wants_whole_rows) show_again(who, blocks, at, k);
}

/// Whether the rows can be made in one sweep: they need no count of visible keys first. It does not depend on who observes, as
/// that must change no bit of the output.
template <class Attention>
inline constexpr bool one_sweep = online_normalizer<decltype(Attention::normalize)> && starts_uncounted<decltype(Attention::normalize)>;

/// How many rows of scores a panel holds at once: all keys, unless one sweep will do and all of them would leave the cache.
template <class T, class Attention>
constexpr index score_rows_of(problem const& p, tuning const& cut) {
  if (one_sweep<Attention> && p.keys * panel_vectors * lanes<T> * static_cast<index>(sizeof(T)) > cut.panel_bytes) return std::min(p.keys, cut.keys_per_block);
  return p.keys;
}

template <int Vectors, class T, class Attention, class Watch, class Q, class K, class V, class Out>
void forward_queries(Attention const& use, Watch const& watch, problem const& p, tuning const& cut, panel_at where, forward_buffers<T> const& at, Q const& q, K const& k,
                     V const& v, Out const& out) {
  panel<T, Vectors, Attention> who(use, watch, p, where);
  pack_lanes(q, where, who.width, who.packed_factor(), at.queries);
  auto const blocks = visible_blocks(use, p, where, cut.keys_per_block, at.blocks, 0, p.keys);
  if constexpr (one_sweep<Attention>) {
    if (score_rows_of<T, Attention>(p, cut) < p.keys) return forward_stream(who, blocks, at, k, v, out);
  }
  forward_panel(who, blocks, at, k, v, out);
}

}  // namespace detail

/// o_i = sum_j w_ij v_j on the host, and what the observers see.
///
/// Shapes      q [B, H, Nq, D], k [B, Hk, Nk, D], v [B, Hk, Nk, Dv], out [B, H, Nq, Dv]; any strides; H a multiple of Hk
/// Precision   fp32 in fp32, fp64 in fp64; against the reference |error| <= tolerance.hpp of the tests, about (D + Nk) eps
/// Edges       a query that sees nothing gives 0; a NaN or an infinity in q, k or v spoils the queries that see it, no other
/// Cost        2 B H Nq Nk (D + Dv) flop; memory beside the operands: 32 queries x Nk scores a thread, twice that and two
///             doubles a key with observers of whole rows
/// Throws      shape_error, value_error; nothing is written before all checks have passed
/// Determinism run_to_run, for any number of threads
/// Example     examples/01_hello.cpp
template <class Attention, class Q, class K, class V, class Out>
void forward(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, tuning const& cut = {}) {
  using T = compute_t<typename Q::value_type>;
  problem const p = check_forward("basin::cpu::forward", q, k, v, out);
  validate(use, p);
  cut.validate("basin::cpu::forward");
  observation const watch(use.observe);
  constexpr index width = panel_vectors * lanes<T>;
  index const score_rows = detail::score_rows_of<T, Attention>(p, cut);
  detail::workspaces const memory([&](detail::workspace& w) { detail::forward_buffers<T>(w, p, cut, score_rows, width, watch); });
  index const panels = (p.queries + width - 1) / width;
  detail::over_heads(p, panels, cut, watch, [&](int b, int h, index n, double* totals) {
    detail::forward_buffers<T> at(memory.mine(), p, cut, score_rows, width, watch);
    at.totals = totals;
    detail::panel_at const where{b, h, n * width, std::min(width, p.queries - n * width)};
    if (where.count <= lanes<T>) detail::forward_queries<1>(use, watch, p, cut, where, at, q, k, v, out);
    else detail::forward_queries<panel_vectors>(use, watch, p, cut, where, at, q, k, v, out);
  });
}

}  // namespace basin::cpu
