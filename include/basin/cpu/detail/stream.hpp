// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The streaming strategy: one pass in which a group of query tiles processes one block of keys after another. Outputs
// are rescaled when the maxima of the rows grow. The scores of a block never leave L1, and a group reads each block of
// keys from memory once.

#include <array>
#include <optional>

#include "basin/cpu/detail/whole_rows.hpp"

namespace basin::cpu::detail {

/// The sums of a stream: rows, row observers' states, and outputs, all relative to the maxima of the same keys.
struct stream_sum {
  template <class Call, int Vectors>
  struct of {
    lane_rows<typename Call::T, Vectors, typename Call::attention_type> fit;
    typename panel<typename Call::T, Vectors, typename Call::attention_type>::states_type states{};
    typename Call::T* outputs = nullptr;
  };
};
template <class Call, int Vectors>
using stream_panel = panel_pass<Call, Vectors, stream_sum>;

/// Whether row observers gather during the pass: they must support rescaled rows, and merge the states of the parts of
/// a long row.
template <class Watch>
bool watches_on_the_way(int levels) {
  return Watch::rescales && (Watch::merges || levels == 1);
}

/// into += from, both rescaled to the larger of their maxima; `from` is empty afterwards.
template <class Panel, class Sum>
void join_sums(Panel const& panel, Sum& into, Sum& from) {
  using watch_type = typename Panel::panel_type::watch_type;
  using T = typename Panel::T;
  auto const& tile = panel.tile;
  auto const& n = tile.use.normalize;
  for (index_t u = 0; u < tile.width / lanes<T>; ++u) {
    auto const old = into.fit.row[u], other = from.fit.row[u];
    n.merge(into.fit.row[u], other);
    simd<T> const by = n.rescale(old, into.fit.row[u]), by_other = n.rescale(other, into.fit.row[u]);
    if constexpr (watch_type::rescales && watch_type::merges) {
      tile.watch.rescale(into.states[u], by, tile.watch.totals(into.states[u], n, old));
      tile.watch.rescale(from.states[u], by_other, tile.watch.totals(from.states[u], n, other));
      tile.watch.merge(into.states[u], from.states[u]);
    }
    for (index_t d = u * lanes<T>; d < tile.p.value_dim * tile.width; d += tile.width) {
      (by * simd<T>::load_aligned(into.outputs + d) + by_other * simd<T>::load_aligned(from.outputs + d))
          .store_aligned(into.outputs + d);
      simd<T>(T(0)).store_aligned(from.outputs + d);
    }
    from.states[u] = {};
  }
  from.fit.start(tile);
}

/// Advances to the part of the keys that contains `block`.
template <class Panel>
void move_to_part(Panel& panel, key_block block, index_t part) {
  using sum_type = typename Panel::sum_type;
  panel.sums.move_to(
      block.first / part, [&](sum_type& into, sum_type& from) { join_sums(panel, into, from); },
      [&](sum_type& to, sum_type& from) {
        std::swap(to, from);
        from.fit.start(panel.tile);
      });
}

/// The scores of the parts of one block, and the maxima of the rows with these scores alone.
template <class Panel, class T>
auto score_parts(Panel& panel, std::span<key_block const> parts, key_rows<T> const& rows, T* scores) {
  auto& tile = panel.tile;
  using panel_type = std::remove_cvref_t<decltype(tile)>;
  auto part = panel.sums.open().fit;
  part.start(tile);
  for (key_block const block : parts) {
    T* const here = scores + (block.row - parts[0].row) * tile.width;
    if (panel_type::scores_are_products && block.seen == coverage::all) {  // raised by what leaves the registers
      tile.hide(block, here);
      make_scores(panel, block, rows.of(block), here,
                  [&](int v, simd<T> s) { tile.use.normalize.raise(part.row[v], s); });
    } else {
      make_scores(panel, block, rows.of(block), here);
      tile.hide(block, here);
      part.measure(tile, block.count, here);
    }
  }
  return part;
}

/// Adds one block of keys to rows and outputs; `scores` become terms.
template <class Call, class Panel, class T>
void absorb_block(Call const& call, Panel& panel, std::span<key_block const> parts, key_rows<T> const& rows, T* scores,
                  forward_buffers<Call> const& buffers) {
  auto& tile = panel.tile;
  using panel_type = std::remove_cvref_t<decltype(tile)>;
  constexpr index_t width = panel_type::width;
  constexpr int vectors = static_cast<int>(width / lanes<T>);
  auto const& n = tile.use.normalize;
  move_to_part(panel, parts[0], keys_per_part(call.cut));
  auto& sum = panel.sums.open();
  auto const part = score_parts(panel, parts, rows, scores);
  for (int u = 0; u < vectors; ++u) {
    auto const old = sum.fit.row[u];
    n.merge(sum.fit.row[u], part.row[u]);
    simd<T> const by = n.rescale(old, sum.fit.row[u]);
    if (!math::any(!(by == simd<T>(T(1))))) continue;            // a NaN is not 1
    if constexpr (panel_type::watch_type::rescales)
      tile.watch.rescale(sum.states[u], by, tile.watch.totals(sum.states[u], n, old));
    for (index_t d = 0; d < tile.p.value_dim; ++d) {
      T* const o = sum.outputs + d * width + u * lanes<T>;
      (by * simd<T>::load_aligned(o)).store_aligned(o);
    }
  }
  for (key_block const block : parts) {
    index_t const skip = (block.row - parts[0].row) * width;
    sum.fit.sum(tile, block.count, scores + skip, scores + skip, sum.states, block.seen);
    mix_values(call, panel, block, scores + skip, rows.of(block), all_terms{block.count}, buffers);
  }
}

/// Kept terms are relative to the row at the time of their block: the factors that turn them into weights of the final
/// row.
template <class Panel, class Sum>
void give_kept_keys(Panel const& panel, Sum const& sum) {
  using T = typename Panel::T;
  constexpr int vectors = static_cast<int>(Panel::panel_type::width / lanes<T>);
  auto const& n = panel.tile.use.normalize;
  std::size_t at = 0;
  for (key_block const block : panel.blocks) {
    simd<T> factor[vectors];
    for (int u = 0; u < vectors; ++u)
      factor[u] =
          sum.fit.factor[u] * n.rescale(panel.rows_then[at * vectors + static_cast<std::size_t>(u)], sum.fit.row[u]);
    give_keys(panel.tile, block, static_cast<T const*>(panel.kept) + block.row * Panel::panel_type::width, factor,
              panel.totals);
    ++at;
  }
}

/// A second pass with the final rows, for row observers that do not support rescaled rows.
template <class Call, class Panel, class Sum>
void watch_again(Call const& call, panel_range range, Panel& panel, Sum& sum, forward_buffers<Call> const& buffers) {
  constexpr auto merges = Call::watch_type::merges;
  struct gathered {
    std::remove_reference_t<decltype(sum.states)> states{};
  };
  panel.tile.count_from(nullptr, 0);                       // every key has already been counted
  std::ranges::fill(panel.tile.visible, typename Call::T(0));
  panel.next = 0;
  std::array<Panel*, 1> alone{&panel};
  range.count = 1;
  auto again = sum.fit;  // its sums have been used; its maxima give the same terms
  sum_tree<gathered> seen(gathered{});
  auto const add = [&](gathered& into, gathered& from) {
    if constexpr (merges)
      for (std::size_t u = 0; u < std::size(into.states); ++u) panel.tile.watch.merge(into.states[u], from.states[u]);
    from = gathered{};
  };
  auto const lift = [](gathered& to, gathered& from) { to = std::exchange(from, gathered{}); };
  over_keys<reads::keys>(call, range, alone, buffers,
                         [&](Panel& one, std::span<key_block const> parts, auto const& rows) {
                           if constexpr (merges) seen.move_to(parts[0].first / keys_per_part(call.cut), add, lift);
                           for (key_block const block : parts) {
                             make_scores(one, block, rows.of(block), buffers.scores);
                             one.tile.hide(block, buffers.scores);
                             again.sum(one.tile, block.count, buffers.scores, buffers.scores, seen.open().states);
                           }
                         });
  std::ranges::copy(seen.total(add).states, std::begin(sum.states));
}

/// Finishes a query tile: writes its outputs and calls the observers.
template <class Call, class Panel>
void finish_stream(Call const& call, panel_range range, Panel& panel, index_t n, forward_buffers<Call> const& buffers) {
  using watch_type = typename Call::watch_type;
  using T = typename Call::T;
  using sum_type = typename Panel::sum_type;
  constexpr int vectors = static_cast<int>(Panel::panel_type::width / lanes<T>);
  auto& sum = panel.sums.total([&](sum_type& into, sum_type& from) { join_sums(panel, into, from); });
  for (int u = 0; u < vectors; ++u) sum.fit.factor[u] = call.use.normalize.factor(sum.fit.row[u]);
  unpack_lanes(static_cast<T const*>(sum.outputs), panel.tile.at, panel.tile.width, sum.fit.factor, call.out);
  if constexpr (watch_type::key_values > 0) give_kept_keys(panel, sum);
  if constexpr (!watch_type::rescales || !watch_type::merges)
    if (!watches_on_the_way<watch_type>(buffers.levels)) watch_again(call, range, panel, sum, buffers);
  report_rows(panel.tile, sum.states, sum.fit);
  if constexpr (watch_type::wants_whole_rows) show_again<vectors>(call, range, panel.tile.at, n, buffers);
}

template <int Vectors, class Call>
void stream_panels(Call const& call, panel_range range, panel_cuts const& cuts, forward_buffers<Call> const& buffers,
                   double* totals) {
  using T = typename Call::T;
  using panel_type = stream_panel<Call, Vectors>;
  constexpr auto keeps = Call::watch_type::key_values > 0;
  std::array<std::optional<panel_type>, 16> panels;
  for (index_t n = 0; n < range.count; ++n) {
    auto& panel = panels[static_cast<std::size_t>(n)].emplace(call, cuts.at(call.p, range, n), buffers, n, totals);
    for (int level = 0; level < buffers.levels; ++level) panel.sums.level(level).fit.start(panel.tile);
  }
  over_keys<reads::both>(call, range, panels, buffers,
                         [&](panel_type& panel, std::span<key_block const> parts, key_rows<T> const& rows) {
                           absorb_block(call, panel, parts, rows,
                                        keeps ? panel.kept + parts[0].row * panel.tile.width : buffers.scores, buffers);
                           if constexpr (keeps)
                             for (std::size_t i = panel.next - parts.size(); i < panel.next; ++i)
                               std::copy_n(panel.sums.open().fit.row, Vectors, panel.rows_then + i * Vectors);
                         });
  for (index_t n = 0; n < range.count; ++n)
    finish_stream(call, range, *panels[static_cast<std::size_t>(n)], n, buffers);
}

}  // namespace basin::cpu::detail
