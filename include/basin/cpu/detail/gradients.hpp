// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Gradients of keys and values: sums over the query tiles of all query heads that share a key head. The shape and the
// mask assign tiles to pieces. A thread sums one piece in its own memory, for the keys visible to the piece. The pieces
// of a head are added in order, block of keys by block of keys, each as soon as the one before has passed. Therefore
// the bits do not depend on the number of threads.

#include <atomic>
#include <functional>
#include <memory>
#include <queue>
#include <thread>
#include <vector>

#include "basin/cpu/detail/panel.hpp"
#include "basin/cpu/detail/tasks.hpp"

namespace basin::cpu::detail {

/// Queries that one piece adds up one after the other: rounding errors grow with this number and with the number of
/// pieces. In longer calls, pieces with many visible keys are longer, so that the list of their blocks stays short.
inline constexpr index_t queries_per_piece = 2048, most_pieces_in_turns = 64;

/// The most keys that are visible to one query tile, in whole blocks.
template <class Attention>
index_t most_visible_keys(Attention const& use, problem const& p, panel_cuts const& cuts, tuning const& cut) {
  if constexpr (hides_nothing<Attention>) return p.keys;
  index_t const heads = p.batch * p.kv_heads;
  std::vector<index_t> visible(static_cast<std::size_t>(heads * cuts.panels()));
  over_tasks(heads * cuts.panels(), [&](index_t task) {
    index_t const head = task / cuts.panels();
    panel_at const at = cuts.at(p, cuts.by_queries(head / p.kv_heads, head % p.kv_heads, task % cuts.panels()), 0);
    for (index_t key = 0; key < p.keys; key += cut.keys_per_block)
      if (index_t const end = std::min(p.keys, key + cut.keys_per_block);
          seen_of(use, p, at, key, end) != coverage::none)
        visible[static_cast<std::size_t>(task)] += end - key;
  });
  return *std::max_element(visible.begin(), visible.end());
}

/// How the query tiles of a key head are assigned to its pieces. Round-robin gives every piece early and late queries,
/// which see few and many keys under a causal mask. Stretches are used if few keys are visible to each tile, because
/// few keys are then visible to a stretch as well.
enum class deal { in_turns, in_stretches };

struct dealt {
  panel_cuts cuts;
  index_t pieces;
  deal how;

  /// `visible`: the most keys that are visible to a tile.
  static dealt of(problem const& p, panel_cuts const& cuts, tuning const& cut, index_t visible) {
    deal const how = 2 * visible <= p.keys ? deal::in_stretches : deal::in_turns;
    index_t const by_tasks = (cut.tasks + 1) / 2 / (p.batch * p.kv_heads),
                  by_length = p.queries * cuts.group / queries_per_piece;
    index_t const wanted =
        std::max(by_tasks, how == deal::in_turns ? std::min(by_length, most_pieces_in_turns) : by_length);
    return {cuts, std::clamp<index_t>(wanted, 1, cuts.panels()), how};
  }
  /// Calls f(panel_range) for the tiles of a piece, one at a time.
  template <class F>
  void over_panels(problem const& p, index_t task, F&& f) const {
    index_t const head = task / pieces, piece = task % pieces;
    pieces_of const stretches{cuts.panels(), pieces};
    auto const turns = how == deal::in_turns;
    for (index_t n = turns ? piece : stretches.bound(piece), end = turns ? cuts.panels() : stretches.bound(piece + 1);
         n < end; n += turns ? pieces : 1)
      f(cuts.by_queries(head / p.kv_heads, head % p.kv_heads, n));
  }
};

/// A block of keys that is visible to a piece.
struct piece_block {
  index_t first, count;  // keys
  index_t row;           // its first row in the sums of the piece
  /// The slot in which several pieces add it up, after `turn` additions there; -1: it is visible to this piece alone.
  index_t slot = -1, turn = 0;
  bool begins = true, ends = true;  // whether it is visible to no piece before, to none after this one
};

/// Which blocks are visible to each piece, and the slots in which shared blocks are summed. A slot serves one block
/// after another: the next one as soon as `slack` more pieces have begun than see the first, so that memory does not
/// grow with the number of keys if few are visible to a piece.
class block_plan {
 public:
  /// sees(task, block): whether part of a block is visible to a piece.
  template <class Sees>
  block_plan(problem const& p, dealt const& d, index_t keys_per_block, index_t slack, Sees const& sees)
      : blocks((p.keys + keys_per_block - 1) / keys_per_block), starts{0} {
    std::vector<index_t> first(static_cast<std::size_t>(blocks)), last(first), slot(first);
    for (index_t head = 0; head < p.batch * p.kv_heads; ++head) {
      for (index_t block = 0; block < blocks; ++block) {
        auto const n = static_cast<std::size_t>(block);
        first[n] = last[n] = slot[n] = -1;
        for (index_t task = head * d.pieces; task < (head + 1) * d.pieces; ++task)
          if (sees(task, block)) last[n] = task, first[n] = first[n] < 0 ? task : first[n];
        if (first[n] < 0) unseen_list.emplace_back(head, block * keys_per_block);
      }
      for (index_t task = head * d.pieces; task < (head + 1) * d.pieces; ++task) {
        index_t rows = 0;
        for (index_t block = 0; block < blocks; ++block) {
          auto const n = static_cast<std::size_t>(block);
          if (!sees(task, block)) continue;
          piece_block here{block * keys_per_block, std::min(keys_per_block, p.keys - block * keys_per_block), rows};
          here.begins = task == first[n], here.ends = task == last[n];
          if (here.begins && !here.ends) slot[n] = free_slot(task, last[n] + slack);
          if (slot[n] >= 0) here.slot = slot[n], here.turn = turns[static_cast<std::size_t>(slot[n])]++;
          rows += here.count;
          list.push_back(here);
        }
        most = std::max(most, rows);
        starts.push_back(list.size());
      }
    }
  }
  std::span<piece_block const> of(index_t task) const {
    auto const n = static_cast<std::size_t>(task);
    return std::span(list).subspan(starts[n], starts[n + 1] - starts[n]);
  }
  index_t most_rows() const { return most; }  // most keys that are visible to one piece
  index_t slots() const { return std::ssize(turns); }
  /// Blocks that are visible to no piece: head, first key.
  std::span<std::pair<index_t, index_t> const> unseen() const { return unseen_list; }

 private:
  index_t free_slot(index_t task, index_t last) {
    if (!used.empty() && used.top().first < task) {
      index_t const slot = used.top().second;
      used.pop();
      used.emplace(last, slot);
      return slot;
    }
    turns.push_back(0);
    used.emplace(last, std::ssize(turns) - 1);
    return std::ssize(turns) - 1;
  }

  using last_task_and_slot = std::pair<index_t, index_t>;
  index_t blocks, most = 0;
  std::vector<std::size_t> starts;  // [tasks + 1]
  std::vector<piece_block> list;
  std::vector<std::pair<index_t, index_t>> unseen_list;
  std::vector<index_t> turns;  // [slots]: additions to each
  std::priority_queue<last_task_and_slot, std::vector<last_task_and_slot>, std::greater<>> used;
};

/// The plan of a call; it examines every query tile if the calls are long enough for it.
template <class Attention>
block_plan plan_blocks(Attention const& use, problem const& p, dealt const& d, tuning const& cut, index_t visible) {
  if (visible >= p.keys) return {p, d, cut.keys_per_block, cut.tasks, [](index_t, index_t) { return true; }};
  index_t const blocks = (p.keys + cut.keys_per_block - 1) / cut.keys_per_block,
                tasks = p.batch * p.kv_heads * d.pieces;
  std::vector<unsigned char> seen(static_cast<std::size_t>(tasks * blocks));
  over_tasks(tasks, [&](index_t task) {
    d.over_panels(p, task, [&](panel_range range) {
      panel_at const at = d.cuts.at(p, range, 0);
      for (index_t block = 0; block < blocks; ++block)
        if (auto& one = seen[static_cast<std::size_t>(task * blocks + block)]; one == 0)
          one = seen_of(use, p, at, block * cut.keys_per_block, std::min(p.keys, (block + 1) * cut.keys_per_block)) !=
                coverage::none;
    });
  });
  return {p, d, cut.keys_per_block, cut.tasks,
          [&](index_t task, index_t block) { return seen[static_cast<std::size_t>(task * blocks + block)] != 0; }};
}

/// Sums of one piece for one key head, rows padded to whole vectors; keys are numbers of the head.
template <class T>
struct key_gradients {
  T *keys, *values;
  index_t key_columns, value_columns;
  index_t* rows;  // [blocks]: the row of its first key
  index_t block;

  index_t row_of(index_t key) const { return rows[key / block] + key % block; }
  T* key(index_t at) const { return keys + row_of(at) * key_columns; }
  T* value(index_t at) const { return values + row_of(at) * value_columns; }
};

/// The workspace of a thread for the sums of a piece.
template <class T, class Watch>
struct piece_buffers {
  key_gradients<T> sums;
  index_t rows;
  double* totals;  // [group, keys, numbers_per_key], with key observers

  piece_buffers(workspace&& memory, problem const& p, tuning const& cut, index_t most_rows)
      : piece_buffers(memory, p, cut, most_rows) {}
  piece_buffers(workspace& memory, problem const& p, tuning const& cut, index_t most_rows) : rows(most_rows) {
    index_t const key_columns = whole_vectors<T>(p.dim), value_columns = whole_vectors<T>(p.value_dim);
    sums = {memory.take<T>(rows * key_columns),
            memory.take<T>(rows * value_columns),
            key_columns,
            value_columns,
            memory.take<index_t>((p.keys + cut.keys_per_block - 1) / cut.keys_per_block),
            cut.keys_per_block};
    totals = memory.take<double>(size_of_totals(p));
  }
  static index_t numbers_of_head(problem const& p) {
    return Watch::key_values > 0 ? p.keys * static_cast<index_t>(numbers_per_key<Watch>) : 0;
  }
  static index_t size_of_totals(problem const& p) { return p.heads / p.kv_heads * numbers_of_head(p); }

  void clear(problem const& p, std::span<piece_block const> blocks) const {
    index_t const used = blocks.empty() ? 0 : blocks.back().row + blocks.back().count;
    std::fill_n(sums.keys, used * sums.key_columns, T(0));
    std::fill_n(sums.values, used * sums.value_columns, T(0));
    std::fill_n(totals, size_of_totals(p), 0.0);
    for (piece_block const& one : blocks) sums.rows[one.first / sums.block] = one.row;
  }
};

/// Adds up the pieces of all key heads, and writes dk and dv.
template <class T, class Watch, class DK, class DV>
class ordered_sums {
  using buffers = piece_buffers<T, Watch>;

 public:
  ordered_sums(problem const& call, block_plan const& of, tuning const& cut, T factor_of_keys, DK const& dkeys,
               DV const& dvalues, first_exception const& others)
      : p(call), plan(of), block(cut.keys_per_block), columns(whole_vectors<T>(p.dim) + whole_vectors<T>(p.value_dim)),
        key_factor(factor_of_keys), dk(dkeys), dv(dvalues), failure(others),
        passed(plan.slots() > 0 ? new std::atomic<index_t>[static_cast<std::size_t>(plan.slots())]() : nullptr),
        slots(static_cast<std::size_t>(plan.slots() * block * columns)),
        observed(static_cast<std::size_t>(p.batch * p.heads * buffers::numbers_of_head(p))) {}

  /// Adds the sums of a piece of a key head; the last piece writes the result. Skipped after an exception, because
  /// earlier pieces might never arrive.
  void add(index_t head, index_t task, buffers const& of) {
    for (piece_block const& here : plan.of(task)) {
      auto* const turn = here.slot < 0 ? nullptr : &passed[static_cast<std::size_t>(here.slot)];
      while (turn != nullptr && turn->load(std::memory_order_acquire) != here.turn) {
        if (failure.caught()) return;
        std::this_thread::yield();
      }
      add_rows(head, here, of.sums.key(here.first), of.sums.key_columns, 0, key_factor, dk);
      add_rows(head, here, of.sums.value(here.first), of.sums.value_columns, of.sums.key_columns, T(1), dv);
      if constexpr (Watch::key_values > 0) add_observed(head, here, of.totals);
      if (turn != nullptr) turn->store(here.turn + 1, std::memory_order_release);
    }
  }
  /// Gradients of keys that are visible to no query are 0.
  void clear_unseen() const {
    for (auto const& [head, first] : plan.unseen()) {
      index_t const b = head / p.kv_heads, kv = head % p.kv_heads;
      for (index_t j = first; j < std::min(p.keys, first + block); ++j) {
        for (index_t d = 0; d < p.dim; ++d) dk(b, kv, j, d) = typename DK::value_type{};
        for (index_t d = 0; d < p.value_dim; ++d) dv(b, kv, j, d) = typename DV::value_type{};
      }
    }
  }
  void tell(Watch const& watch) const {
    if constexpr (Watch::key_values > 0)
      over_tasks(p.batch * p.heads, [&](index_t n) {
        tell_keys(watch, p, static_cast<int>(n / p.heads), static_cast<int>(n % p.heads),
                  observed.data() + n * buffers::numbers_of_head(p), 1);
      });
  }

 private:
  /// Adds one part of a piece's sums, keys or values, to the totals of its head.
  template <class View>
  void add_rows(index_t head, piece_block const& here, T const* from, index_t step, index_t column, T factor,
                View const& to) {
    index_t const b = head / p.kv_heads, kv = head % p.kv_heads;
    for (index_t r = 0; r < here.count; ++r) {
      T const* const mine = from + r * step;
      T* const total = here.slot < 0 ? nullptr : slots.data() + (here.slot * block + r) * columns + column;
      if (here.slot >= 0 && here.begins) std::copy_n(mine, step, total);
      for (index_t d = 0; d < (here.begins ? 0 : step); ++d) total[d] += mine[d];
      if (!here.ends) continue;
      T const* const all = here.slot < 0 ? mine : total;
      for (index_t d = 0; d < to.extent(3); ++d)
        to(b, kv, here.first + r, d) = static_cast<typename View::value_type>(factor * all[d]);
    }
  }
  void add_observed(index_t head, piece_block const& here, double const* from) {
    index_t const group = p.heads / p.kv_heads, of_head = buffers::numbers_of_head(p), a_key = of_head / p.keys;
    for (index_t member = 0; member < group; ++member) {
      double const* const mine = from + member * of_head + here.first * a_key;
      double* const total = observed.data() + (head * group + member) * of_head + here.first * a_key;
      for (index_t n = 0; n < here.count * a_key; ++n) total[n] += mine[n];
    }
  }

  problem p;
  block_plan const& plan;
  index_t block, columns;
  T key_factor;
  DK const& dk;
  DV const& dv;
  first_exception const& failure;
  std::unique_ptr<std::atomic<index_t>[]> passed;  // [slots]: how many pieces have added to each
  std::vector<T> slots;                            // [slots, keys_per_block, columns]
  std::vector<double> observed;  // [batch, heads, keys, numbers_per_key], with key observers
};

/// Calls f(panel_at, narrow, sums, totals) for every query tile of every key head, writes dk and dv, and passes the
/// totals to the key observers.
template <class T, class Watch, class DK, class DV, class F>
void over_key_heads(problem const& p, dealt const& d, block_plan const& plan, tuning const& cut, T key_factor,
                    DK const& dk, DV const& dv, Watch const& watch, F const& f) {
  using buffers_type = piece_buffers<T, Watch>;
  first_exception failure;
  ordered_sums<T, Watch, DK, DV> totals(p, plan, cut, key_factor, dk, dv, failure);
  workspaces const memory([&](workspace& w) { buffers_type(w, p, cut, plan.most_rows()); });
  totals.clear_unseen();
  over_tasks(p.batch * p.kv_heads * d.pieces, failure, [&](index_t task) {
    buffers_type const buffers(memory.mine(), p, cut, plan.most_rows());
    buffers.clear(p, plan.of(task));
    d.over_panels(p, task, [&](panel_range panel) {
      panel_at const where = d.cuts.at(p, panel, 0);
      index_t const member = where.head % d.cuts.group;
      f(where, panel.narrow, buffers.sums,
        Watch::key_values > 0 ? buffers.totals + member * buffers_type::numbers_of_head(p) : nullptr);
    });
    totals.add(task / d.pieces, task, buffers);
  });
  totals.tell(watch);
}

}  // namespace basin::cpu::detail
