// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One sweep: a run of panels meets one block of keys after another. Outputs so far are rescaled when the rows are raised, so the
// scores of a block never leave L1, and each block of keys is read from memory once a run.

#include "basin/cpu/detail/whole_rows.hpp"

namespace basin::cpu::detail {

/// The scores of the parts of one block, and the rows that they alone would make.
template <class Panel, class T>
auto score_parts(Panel& panel, std::span<key_block const> parts, key_rows<T> const& rows, T* scores) {
  auto& who = panel.who;
  using panel_type = std::remove_cvref_t<decltype(who)>;
  auto part = panel.fit;
  part.start(who);
  for (key_block const block : parts) {
    T* const here = scores + (block.row - parts[0].row) * who.width;
    if (panel_type::scores_are_products && block.seen == coverage::all) {  // raised by what leaves the registers
      who.hide(block, here);
      make_scores(panel, block, rows.of(block), here, [&](int v, simd<T> s) { who.use.normalize.raise(part.row[v], s); });
    } else {
      make_scores(panel, block, rows.of(block), here);
      who.hide(block, here);
      part.measure(who, block.count, here);
    }
  }
  return part;
}

/// Takes one block of keys into rows and outputs that stand before it; `scores` become terms.
template <class Call, class Panel, class T>
void absorb_block(Call const& call, Panel& panel, std::span<key_block const> parts, key_rows<T> const& rows, T* scores, forward_buffers<Call> const& at) {
  auto& who = panel.who;
  using panel_type = std::remove_cvref_t<decltype(who)>;
  constexpr index_t width = panel_type::width;
  constexpr int vectors = static_cast<int>(width / lanes<T>);
  auto const& n = who.use.normalize;
  auto const part = score_parts(panel, parts, rows, scores);
  for (int u = 0; u < vectors; ++u) {
    auto const old = panel.fit.row[u];
    n.merge(panel.fit.row[u], part.row[u]);
    simd<T> const by = n.rescale(old, panel.fit.row[u]);
    if (!math::any(!(by == simd<T>(T(1))))) continue;            // a NaN is not 1
    if constexpr (panel_type::watch_type::rescales) who.watch.rescale(panel.states[u], by, who.watch.totals(panel.states[u], n, old));
    for (index_t d = 0; d < who.p.value_dim; ++d) {
      T* const o = panel.outputs + d * width + u * lanes<T>;
      (by * simd<T>::load_aligned(o)).store_aligned(o);
    }
  }
  for (key_block const block : parts) {
    index_t const skip = (block.row - parts[0].row) * width;
    panel.fit.sum(who, block.count, scores + skip, scores + skip, panel.states, block.seen);
    mix_values(call, panel, block, scores + skip, rows.of(block), all_terms{block.count}, at);
  }
}

/// Kept terms belong to the row as it stood at their block: what they are multiplied by to be weights of the final row.
template <class Panel>
void give_kept_keys(Panel const& panel) {
  using T = typename Panel::T;
  constexpr int vectors = static_cast<int>(Panel::panel_type::width / lanes<T>);
  auto const& n = panel.who.use.normalize;
  std::size_t at = 0;
  for (key_block const block : panel.blocks) {
    simd<T> factor[vectors];
    for (int u = 0; u < vectors; ++u) factor[u] = panel.fit.factor[u] * n.rescale(panel.rows_then[at * vectors + static_cast<std::size_t>(u)], panel.fit.row[u]);
    give_keys(panel.who, block, static_cast<T const*>(panel.kept) + block.row * Panel::panel_type::width, factor, panel.totals);
    ++at;
  }
}

/// A second sweep with the rows complete, for observers of rows that cannot follow a row that is rescaled on the way.
template <class Call, class Panel>
void watch_again(Call const& call, run_at run, Panel& panel, forward_buffers<Call> const& at) {
  using T = typename Call::T;
  for (auto& state : panel.states) state = {};
  panel.who.count_from(nullptr, 0);                              // all is counted
  std::ranges::fill(panel.who.visible, T(0));
  panel.next = 0;
  std::array<Panel*, 1> alone{&panel};
  run.count = 1;
  auto again = panel.fit;                                        // its sums are spent; its maxima give the same terms
  over_keys<reads::keys>(call, run, alone, at, [&](Panel& one, std::span<key_block const> parts, auto const& rows) {
    for (key_block const block : parts) {
      make_scores(one, block, rows.of(block), at.scores);
      one.who.hide(block, at.scores);
      again.sum(one.who, block.count, at.scores, at.scores, one.states);
    }
  });
}

/// Ends a panel: outputs, and all that somebody wants to see.
template <class Call, class Panel>
void finish_stream(Call const& call, run_at run, Panel& panel, index_t n, forward_buffers<Call> const& at) {
  using watch_type = typename Call::watch_type;
  using T = typename Call::T;
  constexpr int vectors = static_cast<int>(Panel::panel_type::width / lanes<T>);
  for (int u = 0; u < vectors; ++u) panel.fit.factor[u] = call.use.normalize.factor(panel.fit.row[u]);
  unpack_lanes(panel.outputs, panel.who.at, panel.who.width, panel.fit.factor, call.out);
  if constexpr (watch_type::key_values > 0) give_kept_keys(panel);
  if constexpr (!watch_type::rescales) watch_again(call, run, panel, at);
  report_rows(panel.who, panel.states, panel.fit);
  if constexpr (watch_type::wants_whole_rows) show_again<vectors>(call, run, panel.who.at, n, at);
}

template <int Vectors, class Call>
void stream_run(Call const& call, run_at run, panel_cuts const& cuts, forward_buffers<Call> const& at, double* totals) {
  using T = typename Call::T;
  using panel_type = traveller<Call, Vectors, lane_rows>;
  constexpr auto keeps = Call::watch_type::key_values > 0;
  std::array<std::optional<panel_type>, 16> panels;
  for (index_t n = 0; n < run.count; ++n) {
    auto& panel = panels[static_cast<std::size_t>(n)].emplace(call, cuts.at(call.p, run, n), at, n, totals);
    panel.fit.start(panel.who);
  }
  over_keys<reads::both>(call, run, panels, at, [&](panel_type& panel, std::span<key_block const> parts, key_rows<T> const& rows) {
    absorb_block(call, panel, parts, rows, keeps ? panel.kept + parts[0].row * panel.who.width : at.scores, at);
    if constexpr (keeps)
      for (std::size_t i = panel.next - parts.size(); i < panel.next; ++i) std::copy_n(panel.fit.row, Vectors, panel.rows_then + i * Vectors);
  });
  for (index_t n = 0; n < run.count; ++n) finish_stream(call, run, *panels[static_cast<std::size_t>(n)], n, at);
}

}  // namespace basin::cpu::detail
