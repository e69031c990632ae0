// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The scores of a panel become terms, w_ij = factor_i * term_ij. Two ways, one interface: rows in lanes for normalizers
// that stream, rows one by one in scalars for those that must see a whole row.

#include <algorithm>
#include <vector>

#include "basin/concepts/parameters.hpp"
#include "basin/cpu/detail/panel.hpp"

namespace basin::cpu::detail {

/// Calls f(v, batch of scores, offset) for all scores of a panel, keys outside: consecutive vectors are independent chains.
template <class T, int Vectors, class F>
BASIN_INLINE void over_scores(index_t rows, T const* scores, F&& f) {
  for (index_t at = 0; at < rows * Vectors * lanes<T>; at += Vectors * lanes<T>) {
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
  void measure(panel_type const& who, index_t rows, T const* scores) {
    if constexpr (raises_rows<normalizer_type>)
      over_scores<T, Vectors>(rows, scores, [&](int v, batch s, index_t) { who.use.normalize.raise(row[v], s); });
  }
  /// Sweeps all vectors of rows at once while all need it, as their chains of additions do not wait for each other; then each alone.
  void search(panel_type const& who, index_t rows, T const* scores) {
    if constexpr (sweeps_rows<normalizer_type>) {
      auto const n = who.use.normalize;
      bool again[Vectors];
      for (int v = 0; v < Vectors; ++v) begin_search(n, row[v]);
      do {
        row_of<normalizer_type, batch> mine[Vectors];
        std::copy_n(row, Vectors, mine);
        over_scores<T, Vectors>(rows, scores, [&](int v, batch s, index_t) { n.absorb(mine[v], s); });
        for (int v = 0; v < Vectors; ++v) again[v] = math::any(n.next(mine[v])), row[v] = mine[v];
      } while (std::all_of(again, again + Vectors, [](bool needed) { return needed; }));
      for (int v = 0; v < Vectors; ++v)
        while (again[v]) {
          auto mine = row[v];
          for (index_t at = v * lanes<T>; at < rows * Vectors * lanes<T>; at += Vectors * lanes<T>) n.absorb(mine, batch::load_aligned(scores + at));
          again[v] = math::any(n.next(mine));
          row[v] = mine;
        }
    }
  }
  /// terms may be scores.
  template <class States>
  void sum(panel_type const& who, index_t rows, T const* scores, T* terms, States& states, coverage seen = coverage::some) {
    if (seen == coverage::all) sum_seen<false>(who, rows, scores, terms, states);
    else sum_seen<true>(who, rows, scores, terms, states);
    for (int v = 0; v < Vectors; ++v) {
      if constexpr (has_terms<normalizer_type>) factor[v] = who.use.normalize.factor(row[v]);
      else factor[v] = batch(T(1));
    }
  }
  /// Whether rows can be raised by every block of scores as it is made, before the visible keys are counted.
  static constexpr auto raised_on_the_way = raises_rows<normalizer_type> && starts_uncounted<normalizer_type>;

  template <class States>
  void weigh(panel_type const& who, index_t rows, T const* scores, T* terms, States& states, bool is_raised = false) {
    if (!is_raised) {
      start(who);
      measure(who, rows, scores);
    }
    search(who, rows, scores);
    sum(who, rows, scores, terms, states);
  }
  batch log_sum(panel_type const& who, int v) const { return log_sum_of<batch>(who.use.normalize, row[v]); }
  template <class State>
  term_totals<batch> totals(panel_type const& who, int v, State const& state) const { return who.watch.totals(state, who.use.normalize, row[v]); }
  auto jacobian(panel_type const& who, int v, batch score, batch weight) const {
    auto j = as_low_rank(who.use.normalize.jacobian(row[v], score, weight));
    j.diag = unless_hidden(score, j.diag);
    for (std::size_t r = 0; r < j.rank; ++r) j.outer[r] = unless_hidden(score, j.outer[r]), j.carry[r] = unless_hidden(score, j.carry[r]);
    return j;
  }
  auto parameter_gradient(panel_type const& who, int v, batch score, batch weight, batch dweight, batch dscore) const {
    auto given = who.use.normalize.parameter_gradient(row[v], score, weight, dweight, dscore);
    for (batch& one : given) one = unless_hidden(score, one);
    return given;
  }

 private:
  /// Rows and states stay in registers: the copies are nobody else's.
  template <bool Hides, class States>
  void sum_seen(panel_type const& who, index_t rows, T const* scores, T* terms, States& states) {
    auto const n = who.use.normalize;
    auto const watch = who.watch;
    for (int v = 0; v < Vectors; ++v) {                          // one vector of rows after the other: fewer registers at once
      auto mine = row[v];
      auto saw = states[v];
      for (index_t at = v * lanes<T>; at < rows * Vectors * lanes<T>; at += Vectors * lanes<T>) {
        batch const s = batch::load_aligned(scores + at);
        batch term;
        if constexpr (has_terms<normalizer_type>) term = n.term(mine, s);
        else term = n.weight(mine, s);
        if constexpr (Hides) term = unless_hidden(s, term);
        if constexpr (has_terms<normalizer_type>) n.add(mine, s, term);
        if constexpr (panel_type::watch_type::row_values > 0) watch.template absorb<normalizer_type>(saw, seen_term<batch>{term, log_of_term(n, mine, s, term)});
        term.store_aligned(terms + at);
      }
      row[v] = mine, states[v] = saw;
    }
  }
  /// 0 where a key is not seen, even in a row that a NaN has spoiled.
  static batch unless_hidden(batch score, batch x) { return math::select(score == math::minus_inf<batch>(), batch(T(0)), x); }
};

/// Every lane is gathered, fitted and weighed on its own, in scalars: all that a whole-row normalizer allows.
template <class T, int Vectors, class Attention>
struct scalar_rows {
  using batch = simd<T>;
  using panel_type = panel<T, Vectors, Attention>;
  using normalizer_type = typename panel_type::normalizer_type;
  static constexpr index_t width = panel_type::width;

  row_of<normalizer_type, T> row[static_cast<std::size_t>(width)];
  batch factor[Vectors];

  static constexpr auto raised_on_the_way = false;

  template <class States>
  void weigh(panel_type const& who, index_t rows, T const* scores, T* terms, States& states, bool = false) {
    std::vector<T> gathered;
    gathered.reserve(static_cast<std::size_t>(rows));
    for (index_t lane = 0; lane < width; ++lane) {
      gathered.clear();
      for (index_t r = 0; r < rows; ++r)
        if (scores[r * width + lane] != minus_inf) gathered.push_back(scores[r * width + lane]);
      if (lane < who.at.count) row[lane] = who.use.normalize.fit(std::span<T const>(gathered), who.context_of_lane(lane));
      for (index_t r = 0; r < rows; ++r) {
        T const s = scores[r * width + lane];
        terms[r * width + lane] = lane >= who.at.count || s == minus_inf ? T(0) : who.use.normalize.weight(row[lane], s);
      }
    }
    for (int v = 0; v < Vectors; ++v) factor[v] = batch(T(1));
    if constexpr (panel_type::watch_type::row_values > 0)
      over_scores<T, Vectors>(rows, terms, [&](int v, batch w, index_t) { who.watch.absorb(states[v], seen_term<batch>{w, math::log(w)}); });
  }
  batch log_sum(panel_type const& who, int v) const {
    alignas(64) T values[lanes<T>] = {};
    for (index_t lane = 0; lane < lanes<T> && v * lanes<T> + lane < who.at.count; ++lane) values[lane] = log_sum_of<T>(who.use.normalize, row[v * lanes<T> + lane]);
    return batch::load_aligned(values);
  }
  template <class State>
  term_totals<batch> totals(panel_type const&, int, State const& state) const { return state.added; }
  auto jacobian(panel_type const& who, int v, batch score, batch weight) const {
    using terms = jacobian_of<normalizer_type, T>;
    constexpr std::size_t rank = terms::rank;
    alignas(64) T s[lanes<T>], w[lanes<T>], diag[lanes<T>], outer[rank + 1][lanes<T>], carry[rank + 1][lanes<T>];
    score.store_aligned(s);
    weight.store_aligned(w);
    for (index_t lane = 0; lane < lanes<T>; ++lane) {
      terms j{T(0)};
      if (sees(who, v, lane, s[lane])) j = as_low_rank(who.use.normalize.jacobian(row[v * lanes<T> + lane], s[lane], w[lane]));
      diag[lane] = j.diag;
      for (std::size_t r = 0; r < rank; ++r) outer[r][lane] = j.outer[r], carry[r][lane] = j.carry[r];
    }
    jacobian_of<normalizer_type, batch> all{batch::load_aligned(diag)};
    for (std::size_t r = 0; r < rank; ++r) all.outer[r] = batch::load_aligned(outer[r]), all.carry[r] = batch::load_aligned(carry[r]);
    return all;
  }
  auto parameter_gradient(panel_type const& who, int v, batch score, batch weight, batch dweight, batch dscore) const {
    alignas(64) T s[lanes<T>], w[lanes<T>], dw[lanes<T>], ds[lanes<T>], given[parameters_of<normalizer_type>][lanes<T>] = {};
    score.store_aligned(s), weight.store_aligned(w), dweight.store_aligned(dw), dscore.store_aligned(ds);
    for (index_t lane = 0; lane < lanes<T>; ++lane) {
      if (!sees(who, v, lane, s[lane])) continue;
      auto const one = who.use.normalize.parameter_gradient(row[v * lanes<T> + lane], s[lane], w[lane], dw[lane], ds[lane]);
      for (std::size_t n = 0; n < one.size(); ++n) given[n][lane] = one[n];
    }
    for_parameters<normalizer_type, batch> all;
    for (std::size_t n = 0; n < all.size(); ++n) all[n] = batch::load_aligned(given[n]);
    return all;
  }

 private:
  static constexpr T minus_inf = -std::numeric_limits<T>::infinity();
  static bool sees(panel_type const& who, int v, index_t lane, T score) { return v * lanes<T> + lane < who.at.count && score != minus_inf; }
};

/// The better of the two that the normalizer allows.
template <class T, int Vectors, class Attention>
using weighed_rows = std::conditional_t<streamable_normalizer<decltype(Attention::normalize)> || online_normalizer<decltype(Attention::normalize)>,
                                        lane_rows<T, Vectors, Attention>, scalar_rows<T, Vectors, Attention>>;

}  // namespace basin::cpu::detail
