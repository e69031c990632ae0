// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The scores of a panel become terms, w_ij = factor_i * term_ij. Two ways, one interface: rows in lanes for normalizers
// that stream, rows one by one in scalars for those that must see a whole row.

#include <vector>

#include "basin/cpu/detail/panel.hpp"

namespace basin::cpu::detail {

/// Calls f(v, batch of scores, offset) for all scores of a panel, keys outside: consecutive vectors are independent chains.
template <class T, int Vectors, class F>
BASIN_INLINE void over_scores(index rows, T const* scores, F&& f) {
  for (index at = 0; at < rows * Vectors * lanes<T>; at += Vectors * lanes<T>) {
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) f(v, simd<T>::load_aligned(scores + at + v * lanes<T>), at + v * lanes<T>);
  }
}

/// Every lane is a row: measure, search, sum (concepts/normalizer.hpp).
template <class T, int Vectors, class Attention>
struct lane_rows {
  using batch = simd<T>;
  using panel_type = panel<T, Vectors, Attention>;
  using normalizer_type = typename panel_type::normalizer_type;

  row_of<normalizer_type, batch> row[Vectors];
  batch factor[Vectors];

  void start(panel_type const& who) {
    for (int v = 0; v < Vectors; ++v) row[v] = start_row(who.use.normalize, who.context(v));
  }
  void measure(panel_type const& who, index rows, T const* scores) {
    if constexpr (raises_rows<normalizer_type>)
      over_scores<T, Vectors>(rows, scores, [&](int v, batch s, index) { who.use.normalize.raise(row[v], s); });
  }
  void search(panel_type const& who, index rows, T const* scores) {
    if constexpr (sweeps_rows<normalizer_type>) {
      for (auto again = true; again;) {
        over_scores<T, Vectors>(rows, scores, [&](int v, batch s, index) { who.use.normalize.absorb(row[v], s); });
        again = false;
        for (int v = 0; v < Vectors; ++v) again |= math::any(who.use.normalize.next(row[v]));
      }
    }
  }
  /// terms may be scores.
  template <class States>
  void sum(panel_type const& who, index rows, T const* scores, T* terms, States& states) {
    auto const n = who.use.normalize;
    over_scores<T, Vectors>(rows, scores, [&](int v, batch s, index at) {
      batch term;
      if constexpr (has_terms<normalizer_type>) {
        term = unless_hidden(s, n.term(row[v], s));
        n.add(row[v], s, term);
      } else {
        term = unless_hidden(s, n.weight(row[v], s));
      }
      if constexpr (panel_type::watch_type::row_values > 0)
        who.watch.absorb(states[v], seen_term<batch>{term, log_of_term(n, row[v], s, term)});
      term.store_aligned(terms + at);
    });
    for (int v = 0; v < Vectors; ++v) {
      if constexpr (has_terms<normalizer_type>) factor[v] = n.factor(row[v]);
      else factor[v] = batch(T(1));
    }
  }
  template <class States>
  void weigh(panel_type const& who, index rows, T const* scores, T* terms, States& states) {
    start(who);
    measure(who, rows, scores);
    search(who, rows, scores);
    sum(who, rows, scores, terms, states);
  }
  batch log_sum(panel_type const& who, int v) const { return log_sum_of<batch>(who.use.normalize, row[v]); }
  jacobian_terms<batch> jacobian(panel_type const& who, int v, batch score, batch weight) const {
    auto const j = who.use.normalize.jacobian(row[v], score, weight);
    return {unless_hidden(score, j.diag), unless_hidden(score, j.outer), unless_hidden(score, j.carry)};
  }

 private:
  /// 0 where a key is not seen, even in a row that a NaN has spoiled.
  static batch unless_hidden(batch score, batch x) { return math::select(score == math::minus_inf<batch>(), batch(T(0)), x); }
};

/// Every lane is gathered, fitted and weighed on its own, in scalars: all that a whole-row normalizer allows.
template <class T, int Vectors, class Attention>
struct scalar_rows {
  using batch = simd<T>;
  using panel_type = panel<T, Vectors, Attention>;
  using normalizer_type = typename panel_type::normalizer_type;
  static constexpr index width = panel_type::width;

  row_of<normalizer_type, T> row[static_cast<std::size_t>(width)];
  batch factor[Vectors];

  template <class States>
  void weigh(panel_type const& who, index rows, T const* scores, T* terms, States& states) {
    std::vector<T> gathered;
    gathered.reserve(static_cast<std::size_t>(rows));
    for (index lane = 0; lane < width; ++lane) {
      gathered.clear();
      for (index r = 0; r < rows; ++r)
        if (scores[r * width + lane] != minus_inf) gathered.push_back(scores[r * width + lane]);
      if (lane < who.at.count) row[lane] = who.use.normalize.fit(std::span<T const>(gathered), who.context_of_lane(lane));
      for (index r = 0; r < rows; ++r) {
        T const s = scores[r * width + lane];
        terms[r * width + lane] = lane >= who.at.count || s == minus_inf ? T(0) : who.use.normalize.weight(row[lane], s);
      }
    }
    for (int v = 0; v < Vectors; ++v) factor[v] = batch(T(1));
    if constexpr (panel_type::watch_type::row_values > 0)
      over_scores<T, Vectors>(rows, terms, [&](int v, batch w, index) { who.watch.absorb(states[v], seen_term<batch>{w, math::log(w)}); });
  }
  batch log_sum(panel_type const& who, int v) const {
    alignas(64) T values[lanes<T>] = {};
    for (index lane = 0; lane < lanes<T> && v * lanes<T> + lane < who.at.count; ++lane) values[lane] = log_sum_of<T>(who.use.normalize, row[v * lanes<T> + lane]);
    return batch::load_aligned(values);
  }
  jacobian_terms<batch> jacobian(panel_type const& who, int v, batch score, batch weight) const {
    alignas(64) T s[lanes<T>], w[lanes<T>], diag[lanes<T>], outer[lanes<T>], carry[lanes<T>];
    score.store_aligned(s);
    weight.store_aligned(w);
    for (index lane = 0; lane < lanes<T>; ++lane) {
      jacobian_terms<T> j{T(0), T(0), T(0)};
      if (v * lanes<T> + lane < who.at.count && s[lane] != minus_inf) j = who.use.normalize.jacobian(row[v * lanes<T> + lane], s[lane], w[lane]);
      diag[lane] = j.diag, outer[lane] = j.outer, carry[lane] = j.carry;
    }
    return {batch::load_aligned(diag), batch::load_aligned(outer), batch::load_aligned(carry)};
  }

 private:
  static constexpr T minus_inf = -std::numeric_limits<T>::infinity();
};

/// The better of the two that the normalizer allows.
template <class T, int Vectors, class Attention>
using weighed_rows = std::conditional_t<streamable_normalizer<decltype(Attention::normalize)> || online_normalizer<decltype(Attention::normalize)>,
                                        lane_rows<T, Vectors, Attention>, scalar_rows<T, Vectors, Attention>>;

}  // namespace basin::cpu::detail
