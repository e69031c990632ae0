// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The scores of a query tile become unnormalised weights (terms): w_ij = factor_i * term_ij. Two strategies share one
// interface: rows in SIMD lanes for streamable normalizers, rows one by one in scalars for whole-row normalizers.

#include <algorithm>
#include <utility>

#include "basin/concepts/parameters.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/cpu/detail/panel.hpp"
#include "basin/cpu/detail/sum_tree.hpp"

namespace basin::cpu::detail {

/// Calls f(v, batch of scores, offset) for all scores of a query tile, keys in the outer loop: consecutive vectors form
/// independent dependency chains.
template <class T, int Vectors, class F>
BASIN_INLINE void over_scores(index_t rows, T const* scores, F&& f) {
  for (index_t at = 0; at < rows * Vectors * lanes<T>; at += Vectors * lanes<T>) {
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) f(v, simd<T>::load_aligned(scores + at + v * lanes<T>), at + v * lanes<T>);
  }
}

/// Blocks of a query tile that are contiguous in its scores and belong to one part of a long sum.
struct row_part {
  index_t part, row, count;
};

/// Calls f(row_part) for all parts of a tile's rows.
template <class F>
void over_parts(std::span<key_block const> blocks, index_t keys_per_part, F&& f) {
  for (std::size_t n = 0; n < blocks.size();) {
    row_part now{blocks[n].first / keys_per_part, blocks[n].row, 0};
    for (; n < blocks.size() && blocks[n].first / keys_per_part == now.part; ++n) now.count += blocks[n].count;
    f(now);
  }
}

/// All the scores of a query tile, from which its rows are made.
template <class T>
struct panel_scores {
  std::span<key_block const> blocks;
  T const* scores;
  T* terms;     // may be the scores
  T* gathered;  // [keys]: one row, if the normalizer needs the whole row
  index_t keys_per_part;

  index_t rows() const { return blocks.empty() ? 0 : blocks.back().row + blocks.back().count; }
};

/// Whether the rows of a tile have been started and hold the maxima of all its scores before stage 2 begins.
enum class rows_start { fresh, raised };

/// Every lane is a row: measure, search, sum (concepts/normalizer.hpp). Panel: panel, or another type that has its rows
/// (dispatch.hpp).
template <class Panel>
struct rows_in_lanes {
  using T = typename Panel::value_type;
  using batch = simd<T>;
  using panel_type = Panel;
  using normalizer_type = typename panel_type::normalizer_type;
  static constexpr int Vectors = Panel::vectors;

  row_of<normalizer_type, batch> row[Vectors];
  batch factor[Vectors];

  void start(panel_type const& tile) {
    for (int v = 0; v < Vectors; ++v) row[v] = start_row(tile.use.normalize, tile.context(v));
  }
  void measure(panel_type const& tile, index_t rows, T const* scores) {
    measure_scores(tile.use.normalize, [&](auto const& step) {
      over_scores<T, Vectors>(rows, scores, [&](int v, batch s, index_t) { step(row[v], s); });
    });
  }
  /// Repeats passes for all vectors of rows at once while all of them need it, because their chains of additions are
  /// independent; then for each vector alone.
  void search(panel_type const& tile, panel_scores<T> const& of) {
    if constexpr (sweeps_rows<normalizer_type>) {
      auto const n = tile.use.normalize;
      bool again[Vectors];
      auto const begin = [&] {
        for (int v = 0; v < Vectors; ++v) begin_search(n, row[v]);
      };
      auto const pass = [&](auto const& step) { sweep<0, Vectors>(n, of, step); };
      auto const next = [&] {
        for (int v = 0; v < Vectors; ++v) again[v] = math::any(n.next(row[v]));
        return std::all_of(again, again + Vectors, [](bool needed) { return needed; });
      };
      search_thresholds(n, begin, pass, next);
      search_alone<0>(n, of, again);
    }
  }
  /// terms may alias scores.
  template <class States>
  void sum(panel_type const& tile, index_t rows, T const* scores, T* terms, States& states,
           coverage seen = coverage::some) {
    if (seen == coverage::all) sum_seen<coverage::all>(tile, rows, scores, terms, states);
    else sum_seen<coverage::some>(tile, rows, scores, terms, states);
    set_factors(tile);
  }
  /// Whether each block of scores can update the rows' maxima as it is computed, before the visible keys are counted.
  static constexpr auto raised_on_the_way = raises_rows<normalizer_type> && starts_uncounted<normalizer_type>;

  template <class States>
  void weigh(panel_type const& tile, panel_scores<T> const& of, States& states, rows_start how = rows_start::fresh) {
    if (how == rows_start::fresh) {
      start(tile);
      measure(tile, of.rows(), of.scores);
    }
    search(tile, of);
    sum_parts(tile, of, states);
  }
  batch log_sum(panel_type const& tile, int v) const { return log_sum_of<batch>(tile.use.normalize, row[v]); }
  template <class State> term_totals<batch> totals(panel_type const& tile, int v, State const& state) const {
    return tile.watch.totals(state, tile.use.normalize, row[v]);
  }
  auto jacobian(panel_type const& tile, int v, batch score, batch weight) const {
    auto j = as_low_rank(tile.use.normalize.jacobian(row[v], score, weight));
    j.diag = unless_hidden(score, j.diag);
    for (std::size_t r = 0; r < j.rank; ++r)
      j.outer[r] = unless_hidden(score, j.outer[r]), j.carry[r] = unless_hidden(score, j.carry[r]);
    return j;
  }
  auto parameter_gradient(panel_type const& tile, int v, batch score, batch weight, batch dweight, batch dscore) const {
    auto given = tile.use.normalize.parameter_gradient(row[v], score, weight, dweight, dscore);
    for (batch& one : given) one = unless_hidden(score, one);
    return given;
  }

 private:
  using rows_type = std::array<row_of<normalizer_type, batch>, Vectors>;

  /// Calls step(part, score) for all scores of rows First .. First + Count - 1, and merges the parts.
  template <int First, int Count, class Step>
  void sweep(normalizer_type const& n, panel_scores<T> const& of, Step const& step) {
    std::array<row_of<normalizer_type, batch>, Count> fresh;
    std::copy_n(row + First, Count, fresh.begin());
    sum_tree<decltype(fresh)> parts(fresh);
    auto const add = [&](auto& into, auto& from) {
      for (std::size_t v = 0; v < Count; ++v) n.merge(into[v], from[v]);
      from = fresh;
    };
    auto const lift = [&](auto& to, auto& from) { to = std::exchange(from, fresh); };
    over_parts(of.blocks, of.keys_per_part, [&](row_part const now) {
      parts.move_to(now.part, add, lift);
      auto mine = fresh;
      for (index_t at = now.row * Vectors * lanes<T>, end = at + now.count * Vectors * lanes<T>; at < end;
           at += Vectors * lanes<T>) {
        BASIN_UNROLL
        for (int v = 0; v < Count; ++v)
          step(mine[static_cast<std::size_t>(v)], batch::load_aligned(of.scores + at + (First + v) * lanes<T>));
      }
      parts.open() = mine;
    });
    std::copy_n(parts.total(add).begin(), Count, row + First);
  }
  template <int First>
  void search_alone(normalizer_type const& n, panel_scores<T> const& of, bool const* again) {
    if constexpr (First < Vectors) {
      auto const pass = [&](auto const& step) { sweep<First, 1>(n, of, step); };
      auto const next = [&] { return math::any(n.next(row[First])); };
      if (again[First]) search_thresholds(n, [] {}, pass, next);
      search_alone<First + 1>(n, of, again);
    }
  }
  /// Computes the terms of all scores, their sums and what row observers gather of them, part by part.
  template <class States>
  void sum_parts(panel_type const& tile, panel_scores<T> const& of, States& states) {
    struct sums {
      rows_type rows;
      std::remove_reference_t<States> states;
    };
    constexpr auto merges = panel_type::watch_type::merges;
    auto const n = tile.use.normalize;
    sums fresh{{}, {}};
    std::copy_n(row, Vectors, fresh.rows.begin());
    sum_tree<sums> parts(fresh);
    auto const add = [&](sums& into, sums& from) {
      for (std::size_t v = 0; v < Vectors; ++v) {
        n.merge(into.rows[v], from.rows[v]);
        if constexpr (merges) tile.watch.merge(into.states[v], from.states[v]);
      }
      from = fresh;
    };
    auto const lift = [&](sums& to, sums& from) { to = std::exchange(from, fresh); };
    over_parts(of.blocks, of.keys_per_part, [&](row_part const now) {
      parts.move_to(now.part, add, lift);
      std::copy_n(fresh.rows.begin(), Vectors, row);
      if constexpr (merges) std::copy_n(fresh.states, Vectors, states);
      index_t const at = now.row * Vectors * lanes<T>;
      sum(tile, now.count, of.scores + at, of.terms + at, states);
      std::copy_n(row, Vectors, parts.open().rows.begin());
      std::copy_n(states, Vectors, parts.open().states);
    });
    sums const& all = parts.total(add);
    std::copy_n(all.rows.begin(), Vectors, row);
    if constexpr (merges) std::copy_n(all.states, Vectors, states);
    set_factors(tile);
  }
  void set_factors(panel_type const& tile) {
    for (int v = 0; v < Vectors; ++v) {
      if constexpr (has_terms<normalizer_type>) factor[v] = tile.use.normalize.factor(row[v]);
      else factor[v] = batch(T(1));
    }
  }
  /// Rows and states stay in registers: nothing else refers to these copies.
  template <coverage Seen, class States>
  void sum_seen(panel_type const& tile, index_t rows, T const* scores, T* terms, States& states) {
    auto const n = tile.use.normalize;
    auto const watch = tile.watch;
    for (int v = 0; v < Vectors; ++v) {  // one vector of rows after the other, for fewer registers at once
      auto mine = row[v];
      auto saw = states[v];
      for (index_t at = v * lanes<T>; at < rows * Vectors * lanes<T>; at += Vectors * lanes<T>) {
        batch const s = batch::load_aligned(scores + at);
        batch term;
        if constexpr (has_terms<normalizer_type>) term = n.term(mine, s);
        else term = n.weight(mine, s);
        if constexpr (Seen == coverage::some) term = unless_hidden(s, term);
        if constexpr (has_terms<normalizer_type>) n.add(mine, s, term);
        if constexpr (panel_type::watch_type::row_values > 0)
          watch.template absorb<normalizer_type>(saw, seen_term<batch>{term, log_of_term(n, mine, s, term)});
        term.store_aligned(terms + at);
      }
      row[v] = mine, states[v] = saw;
    }
  }
  /// 0 for a hidden key, even in a row that contains a NaN.
  static batch unless_hidden(batch score, batch x) {
    return math::select(score == math::minus_inf<batch>(), batch(T(0)), x);
  }
};

/// Passes the weights of a tile to row observers, part by part if they can merge what parts gathered.
template <class Panel, class T, class States>
void observe_rows(Panel const& tile, panel_scores<T> const& of, States& states) {
  using batch = simd<T>;
  struct sums {
    States states;
  };
  sums fresh;
  std::copy_n(states, Panel::vectors, fresh.states);             // empty states
  sum_tree<sums> parts(fresh);
  auto const add = [&](sums& into, sums& from) {
    if constexpr (Panel::watch_type::merges)
      for (int v = 0; v < Panel::vectors; ++v) tile.watch.merge(into.states[v], from.states[v]);
    from = fresh;
  };
  auto const lift = [&](sums& to, sums& from) { to = std::exchange(from, fresh); };
  over_parts(of.blocks, of.keys_per_part, [&](row_part const now) {
    if constexpr (Panel::watch_type::merges) parts.move_to(now.part, add, lift);
    over_scores<T, Panel::vectors>(now.count, static_cast<T const*>(of.terms) + now.row * Panel::width,
                                   [&](int v, batch w, index_t) {
                                     tile.watch.absorb(parts.open().states[v], seen_term<batch>{w, math::log(w)});
                                   });
  });
  std::copy_n(parts.total(add).states, Panel::vectors, states);
}

/// Each lane is gathered, fitted and weighed on its own, in scalars: the only form that whole-row normalizers allow.
template <class Panel>
struct rows_in_scalars {
  using T = typename Panel::value_type;
  using batch = simd<T>;
  using panel_type = Panel;
  using normalizer_type = typename panel_type::normalizer_type;
  static constexpr int Vectors = Panel::vectors;
  static constexpr index_t width = panel_type::width;

  row_of<normalizer_type, T> row[static_cast<std::size_t>(width)];
  batch factor[Vectors];

  static constexpr auto raised_on_the_way = false;

  template <class States>
  void weigh(panel_type const& tile, panel_scores<T> const& of, States& states, rows_start = rows_start::fresh) {
    index_t const rows = of.rows();
    for (index_t lane = 0; lane < width; ++lane) {
      std::size_t count = 0;
      for (index_t r = 0; r < rows; ++r)
        if (T const s = of.scores[r * width + lane]; s != minus_inf) of.gathered[count++] = s;
      if (lane < tile.at.count)
        row[lane] = tile.use.normalize.fit(std::span<T const>(of.gathered, count), tile.context_of_lane(lane));
      for (index_t r = 0; r < rows; ++r) {
        T const s = of.scores[r * width + lane];
        of.terms[r * width + lane] =
            lane >= tile.at.count || s == minus_inf ? T(0) : tile.use.normalize.weight(row[lane], s);
      }
    }
    for (int v = 0; v < Vectors; ++v) factor[v] = batch(T(1));
    if constexpr (panel_type::watch_type::row_values > 0) observe_rows(tile, of, states);
  }
  batch log_sum(panel_type const& tile, int v) const {
    alignas(64) T values[lanes<T>] = {};
    for (index_t lane = 0; lane < lanes<T> && v * lanes<T> + lane < tile.at.count; ++lane)
      values[lane] = log_sum_of<T>(tile.use.normalize, row[v * lanes<T> + lane]);
    return batch::load_aligned(values);
  }
  template <class State>
  term_totals<batch> totals(panel_type const&, int, State const& state) const { return state.added; }
  auto jacobian(panel_type const& tile, int v, batch score, batch weight) const {
    using terms = jacobian_of<normalizer_type, T>;
    constexpr std::size_t rank = terms::rank;
    alignas(64) T s[lanes<T>], w[lanes<T>], diag[lanes<T>], outer[rank + 1][lanes<T>], carry[rank + 1][lanes<T>];
    score.store_aligned(s);
    weight.store_aligned(w);
    for (index_t lane = 0; lane < lanes<T>; ++lane) {
      terms j{T(0)};
      if (sees(tile, v, lane, s[lane]))
        j = as_low_rank(tile.use.normalize.jacobian(row[v * lanes<T> + lane], s[lane], w[lane]));
      diag[lane] = j.diag;
      for (std::size_t r = 0; r < rank; ++r) outer[r][lane] = j.outer[r], carry[r][lane] = j.carry[r];
    }
    jacobian_of<normalizer_type, batch> all{batch::load_aligned(diag)};
    for (std::size_t r = 0; r < rank; ++r)
      all.outer[r] = batch::load_aligned(outer[r]), all.carry[r] = batch::load_aligned(carry[r]);
    return all;
  }
  auto parameter_gradient(panel_type const& tile, int v, batch score, batch weight, batch dweight, batch dscore) const {
    alignas(64) T s[lanes<T>], w[lanes<T>], dw[lanes<T>], ds[lanes<T>],
        given[parameters_of<normalizer_type>][lanes<T>] = {};
    score.store_aligned(s), weight.store_aligned(w), dweight.store_aligned(dw), dscore.store_aligned(ds);
    for (index_t lane = 0; lane < lanes<T>; ++lane) {
      if (!sees(tile, v, lane, s[lane])) continue;
      auto const one =
          tile.use.normalize.parameter_gradient(row[v * lanes<T> + lane], s[lane], w[lane], dw[lane], ds[lane]);
      for (std::size_t n = 0; n < one.size(); ++n) given[n][lane] = one[n];
    }
    for_parameters<normalizer_type, batch> all;
    for (std::size_t n = 0; n < all.size(); ++n) all[n] = batch::load_aligned(given[n]);
    return all;
  }

 private:
  static constexpr T minus_inf = -std::numeric_limits<T>::infinity();
  static bool sees(panel_type const& tile, int v, index_t lane, T score) {
    return v * lanes<T> + lane < tile.at.count && score != minus_inf;
  }
};

/// Whether the rows of a tile are gathered and fitted one by one.
template <class Normalizer>
inline constexpr bool fits_scalar_rows = !streamable_normalizer<Normalizer> && !online_normalizer<Normalizer>;

/// The rows of a tile in the faster form that its normalizer allows. A normalizer that is known only at run time has a
/// form of its own (dispatch.hpp).
template <class Panel>
struct rows_of_panel {
  using type = std::conditional_t<fits_scalar_rows<typename Panel::normalizer_type>, rows_in_scalars<Panel>,
                                  rows_in_lanes<Panel>>;
};

template <class T, int Vectors, class Attention>
using lane_rows = rows_in_lanes<panel<T, Vectors, Attention>>;
template <class T, int Vectors, class Attention>
using weighed_rows = typename rows_of_panel<panel<T, Vectors, Attention>>::type;

}  // namespace basin::cpu::detail
