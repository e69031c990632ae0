// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Masks, pruners and scorers chosen at run time, on the host and in a kernel; so tests over all of them compile each
// engine once.

#include <cuda/std/variant>
#include <cstdint>
#include <utility>
#include <vector>

#include "basin/mask/all_of.hpp"
#include "basin/mask/block_causal.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/document_starts.hpp"
#include "basin/mask/documents.hpp"
#include "basin/mask/doubled_block_causal.hpp"
#include "basin/mask/key_padding.hpp"
#include "basin/mask/prefix.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/prune/all_of.hpp"
#include "basin/prune/block_sparse.hpp"
#include "basin/prune/heavy_hitters.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/prune/keep_keys.hpp"
#include "basin/prune/score_floor.hpp"
#include "basin/prune/window_with_sinks.hpp"
#include "basin/score/alibi.hpp"
#include "basin/score/scaled.hpp"
#include "basin/score/soft_cap.hpp"
#include "support/reports.hpp"

namespace basin_test {

/// Calls f with the alternative that a variant holds. cuda::std::visit uses a table of functions, which costs a kernel
/// registers.
template <std::size_t N = 0, class F, class... Ts>
BASIN_HD auto with_held(cuda::std::variant<Ts...> const& which, F const& f) {
  if constexpr (N + 1 < sizeof...(Ts)) {
    if (which.index() != N) return with_held<N + 1>(which, f);
  }
  return f(*cuda::std::get_if<N>(&which));
}

template <basin::mask... Masks>
struct mask_among {
  cuda::std::variant<Masks...> which{};
  BASIN_HD bool allows(basin::coord c) const {
    return with_held(which, [&](auto const& m) { return m.allows(c); });
  }
  BASIN_HD basin::coverage covers(basin::tile t) const {
    return with_held(which, [&](auto const& m) { return m.covers(t); });
  }
  void validate(basin::problem const& p) const {
    cuda::std::visit([&](auto const& m) { basin::validate(m, p); }, which);
  }
  void validate_values(basin::problem const& p) const {
    cuda::std::visit([&](auto const& held) { basin::validate_on_host(held, p); }, which);
  }
  template <class F>
  void views(F&& f) const {
    cuda::std::visit([&](auto const& held) { basin::for_each_view(held, f); }, which);
  }
};

template <basin::pruner... Pruners>
struct pruner_among {
  cuda::std::variant<Pruners...> which{};
  template <class T>
  BASIN_HD bool keeps(basin::coord c, T score) const {
    return with_held(which, [&](auto const& p) { return p.keeps(c, score); });
  }
  BASIN_HD basin::coverage covers(basin::tile t) const {
    return with_held(which, [&](auto const& p) { return basin::kept(p, t); });
  }
  void validate(basin::problem const& call) const {
    cuda::std::visit([&](auto const& p) { basin::validate(p, call); }, which);
  }
  void validate_values(basin::problem const& call) const {
    cuda::std::visit([&](auto const& held) { basin::validate_on_host(held, call); }, which);
  }
  template <class F>
  void views(F&& f) const {
    cuda::std::visit([&](auto const& held) { basin::for_each_view(held, f); }, which);
  }
};

template <basin::scorer... Scorers>
struct scorer_among {
  cuda::std::variant<Scorers...> which{};
  template <class T>
  BASIN_HD T score(T dot, basin::pair_at<T> at) const {
    return with_held(which, [&](auto const& s) { return s.score(dot, at); });
  }
  template <class T>
  BASIN_HD T slope(T dot, basin::pair_at<T> at) const {
    return with_held(which, [&](auto const& s) { return s.slope(dot, at); });
  }
  void validate(basin::problem const& p) const {
    cuda::std::visit([&](auto const& s) { basin::validate(s, p); }, which);
  }
  void validate_values(basin::problem const& p) const {
    cuda::std::visit([&](auto const& held) { basin::validate_on_host(held, p); }, which);
  }
  template <class F>
  void views(F&& f) const {
    cuda::std::visit([&](auto const& held) { basin::for_each_view(held, f); }, which);
  }
};

using any_mask = mask_among<basin::unmasked, basin::sliding_window, basin::prefix, basin::block_causal,
                            basin::doubled_block_causal, basin::key_padding, basin::documents, basin::document_starts,
                            basin::all_of_masks<basin::key_padding, basin::causal>>;
using any_pruner = pruner_among<basin::keep_all, basin::keep_keys, basin::window_with_sinks, basin::block_sparse,
                                basin::heavy_hitters, basin::score_floor,
                                basin::all_of_pruners<basin::window_with_sinks, basin::score_floor>>;
using any_scorer = scorer_among<basin::scaled, basin::soft_cap, basin::alibi<basin::scaled>,
                                basin::alibi<basin::soft_cap>>;
static_assert(basin::mask<any_mask> && basin::pruner<any_pruner> && basin::scorer<any_scorer>);

/// Masks, pruners and scorers of a call, with the memory that they point to; Allocator determines the kind of memory.
template <template <class> class Allocator>
struct catalogue_of {
  template <class T>
  using numbers_of = std::vector<T, Allocator<T>>;

  shape s;
  index_t keys = s.keys, block = 48, blocks = (keys + block - 1) / block;
  numbers_of<std::int32_t> lengths{static_cast<std::int32_t>(keys / 3), static_cast<std::int32_t>(keys - 1)};
  numbers_of<std::int32_t> ids, starts;
  numbers_of<std::uint8_t> set, pattern;
  numbers_of<float> slopes;

  explicit catalogue_of(shape const& at) : s(at) {
    for (float const slope : basin::alibi_slopes(s.heads)) slopes.push_back(slope);
    splitmix rng{9};
    for (index_t n = 0; n < 2 * keys; ++n) ids.push_back(static_cast<std::int32_t>(n % keys * 4 / keys));
    for (index_t n = 0; n < 10; ++n) starts.push_back(static_cast<std::int32_t>((n % 5 * keys + 3) / 4));
    for (index_t n = 0; n < 6 * keys; ++n) set.push_back(rng() % 5 == 0);
    for (index_t n = 0; n < 6 * blocks * blocks; ++n) pattern.push_back(rng() % 2);
  }
  std::vector<any_mask> masks() const {
    basin::key_padding const padded{basin::contiguous(lengths.data(), 2)};
    return {{basin::unmasked{}},
            {basin::sliding_window{50, 0}},
            {basin::sliding_window{3, basin::sliding_window::unlimited}},
            {basin::prefix{keys / 3}},
            {basin::block_causal{32}},
            {basin::doubled_block_causal{7, keys / 2}},
            {padded},
            {basin::documents{basin::contiguous(ids.data(), 2, keys)}},
            {basin::document_starts{basin::contiguous(starts.data(), 2, 5)}},
            {basin::all_of(padded, basin::causal{})}};
  }
  std::vector<any_pruner> pruners() const {
    auto const kept = basin::contiguous(set.data(), 2, 3, keys);
    return {{basin::keep_all{}},
            {basin::keep_keys{kept}},
            {basin::window_with_sinks{4, 20, 0}},
            {basin::block_sparse{basin::contiguous(pattern.data(), 2, 3, blocks, blocks), block}},
            {basin::heavy_hitters{kept, 9}},
            {basin::score_floor{0.2017f}},
            {basin::all_of(basin::window_with_sinks{4, 200, 9}, basin::score_floor{-0.1013f})}};
  }
  std::vector<any_scorer> scorers() const {
    auto const of_heads = basin::contiguous(slopes.data(), 3);
    return {{basin::soft_cap{1.5f, 0.0f}},
            {basin::alibi<basin::scaled>{of_heads, {}}},
            {basin::alibi<basin::soft_cap>{of_heads, {2.0f, 0.0f}}}};
  }
};

}  // namespace basin_test
