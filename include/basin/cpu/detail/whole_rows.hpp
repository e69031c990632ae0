// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The whole-row strategy: all scores of a query tile first, then its rows, then its values. The scores stay in the L2
// cache, so any normalizer and any observer runs on them exactly, and <q, k> is computed once.

#include <array>
#include <optional>

#include "basin/cpu/detail/mix_values.hpp"
#include "basin/cpu/detail/watch.hpp"

namespace basin::cpu::detail {

/// A query tile whose rows are complete before its values are read.
template <class Call, int Vectors>
struct whole_panel : panel_pass<Call, Vectors, output_sum> {
  using base = panel_pass<Call, Vectors, output_sum>;
  using base::base;

  weighed_rows<typename Call::T, Vectors, typename Call::attention_type> fit;
  typename base::panel_type::states_type states{};

  /// Computes the terms of all its scores, into `terms`.
  void weigh(forward_buffers<Call> const& buffers, typename Call::T* terms, tuning const& cut) {
    fit.weigh(this->tile,
              panel_scores<typename Call::T>{this->blocks, this->kept, terms, buffers.gathered, keys_per_part(cut)},
              states, decltype(fit)::raised_on_the_way ? rows_start::raised : rows_start::fresh);
  }
};

/// The scores of one block; if the normalizer permits, they update the rows' maxima while in registers.
template <class Panel, class T>
void score_block(Panel& panel, key_block block, key_rows<T> const& rows) {
  auto& tile = panel.tile;
  T* const scores = panel.kept + block.row * tile.width;
  constexpr auto raises = decltype(panel.fit)::raised_on_the_way;
  if constexpr (raises && Panel::panel_type::scores_are_products)
    if (block.seen == coverage::all) {
      tile.hide(block, scores);
      return make_scores(panel, block, rows, scores,
                         [&](int v, simd<T> s) { tile.use.normalize.raise(panel.fit.row[v], s); });
    }
  make_scores(panel, block, rows, scores);
  tile.hide(block, scores);
  if constexpr (raises) panel.fit.measure(tile, block.count, scores);
}

/// All scores of the query tiles of a group.
template <class Call, class Panels>
void score_all(Call const& call, panel_range range, Panels& panels, forward_buffers<Call> const& buffers) {
  for (index_t n = 0; n < range.count; ++n) {
    auto& panel = *panels[static_cast<std::size_t>(n)];
    if constexpr (std::remove_reference_t<decltype(panel.fit)>::raised_on_the_way) panel.fit.start(panel.tile);
  }
  over_keys<reads::keys>(call, range, panels, buffers,
                         [&](auto& panel, std::span<key_block const> parts, auto const& rows) {
                           for (key_block const block : parts) score_block(panel, block, rows.of(block));
                         });
}

/// The keys of a block with a nonzero term for any query, and their terms moved together; sparse normalizers leave few.
template <index_t Width, class T>
index_t gather_used(index_t count, T* terms, index_t* used) {
  constexpr int vectors = static_cast<int>(Width / lanes<T>);
  index_t n = 0;
  for (index_t r = 0; r < count; ++r) {
    simd<T> row[vectors];
    for (int u = 0; u < vectors; ++u) row[u] = simd<T>::load_aligned(terms + r * Width + u * lanes<T>);
    auto some = !(row[0] == simd<T>(T(0)));                      // a NaN counts as nonzero
    for (int u = 1; u < vectors; ++u) some = some || !(row[u] == simd<T>(T(0)));
    for (int u = 0; u < vectors; ++u) row[u].store_aligned(terms + n * Width + u * lanes<T>);
    used[n] = r;
    n += math::any(some);
  }
  return n;
}

/// Whole rows in addition to a stream: the output is that of the stream, as without observers, and the rows are
/// computed a second time.
template <int Vectors, class Call>
void show_again(Call const& call, panel_range range, panel_at where, index_t n, forward_buffers<Call> const& buffers) {
  using T = typename Call::T;
  using panel_type = whole_panel<Call, Vectors>;
  std::array<std::optional<panel_type>, 1> panels;
  auto& again = panels[0].emplace(call, where, buffers, n, nullptr);
  range.count = 1;
  score_all(call, range, panels, buffers);
  again.weigh(buffers, buffers.terms, call.cut);
  show_whole_rows(again.tile, again.blocks, again.kept, static_cast<T const*>(buffers.terms), again.fit.factor,
                  buffers);
}

/// o_i += terms of one block times its values; keys that no query uses are skipped.
template <class Call, class Panel, class T>
void mix_block(Call const& call, Panel& panel, key_block block, key_rows<T> const& rows,
               forward_buffers<Call> const& buffers) {
  constexpr index_t width = Panel::panel_type::width;
  T* const terms = panel.kept + block.row * width;
  row_block<T> values;
  if (buffers.by_tiles || zeros_must_win(call, panel.tile.at, block, rows, buffers, values))
    return mix_values(call, panel, block, terms, rows, all_terms{block.count}, buffers);
  index_t const used = gather_used<width>(block.count, terms, buffers.used);
  if (used < block.count) mix_values(call, panel, block, terms, rows, listed_terms{buffers.used, used}, buffers);
  else mix_values(call, panel, block, terms, rows, all_terms{block.count}, buffers);
}

template <int Vectors, class Call>
void whole_rows_panels(Call const& call, panel_range range, panel_cuts const& cuts,
                       forward_buffers<Call> const& buffers, double* totals) {
  using T = typename Call::T;
  using watch_type = typename Call::watch_type;
  using panel_type = whole_panel<Call, Vectors>;
  constexpr index_t width = panel_type::panel_type::width;
  std::array<std::optional<panel_type>, 16> panels;
  for (index_t n = 0; n < range.count; ++n)
    panels[static_cast<std::size_t>(n)].emplace(call, cuts.at(call.p, range, n), buffers, n, totals);
  score_all(call, range, panels, buffers);
  for (index_t n = 0; n < range.count; ++n) {
    auto& panel = *panels[static_cast<std::size_t>(n)];
    T* const terms = watch_type::wants_whole_rows ? buffers.terms : panel.kept;
    panel.weigh(buffers, terms, call.cut);
    for (key_block const block : panel.blocks)
      give_keys(panel.tile, block, terms + block.row * width, panel.fit.factor, panel.totals);
    report_rows(panel.tile, panel.states, panel.fit);
    if constexpr (watch_type::wants_whole_rows) {
      show_whole_rows(panel.tile, panel.blocks, static_cast<T const*>(panel.kept), static_cast<T const*>(terms),
                      panel.fit.factor, buffers);
      std::copy_n(terms, panel.rows() * width, panel.kept);
    }
    panel.next = 0;
  }
  using sum_type = typename panel_type::sum_type;
  auto const add = [&](sum_type& into, sum_type& from) {
    move_into(into.outputs, from.outputs, call.p.value_dim * width);
  };
  auto const lift = [](sum_type& to, sum_type& from) { std::swap(to, from); };  // unused sums are 0
  over_keys<reads::values>(call, range, panels, buffers,
                           [&](panel_type& panel, std::span<key_block const> parts, key_rows<T> const& rows) {
                             panel.sums.move_to(parts[0].first / keys_per_part(call.cut), add, lift);
                             for (key_block const block : parts) mix_block(call, panel, block, rows.of(block), buffers);
                           });
  for (index_t n = 0; n < range.count; ++n) {
    auto& panel = *panels[static_cast<std::size_t>(n)];
    unpack_lanes(static_cast<T const*>(panel.sums.total(add).outputs), panel.tile.at, width, panel.fit.factor,
                 call.out);
  }
}

}  // namespace basin::cpu::detail
