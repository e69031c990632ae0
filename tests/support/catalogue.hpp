// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Masks, pruners and scorers chosen at run time, so that tests over all of them compile their engines once.

#include <variant>

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

namespace basin_test {

template <basin::mask... Masks>
struct mask_among {
  std::variant<Masks...> which{};
  bool allows(basin::coord c) const {
    return std::visit([&](auto const& m) { return m.allows(c); }, which);
  }
  basin::coverage covers(basin::tile t) const {
    return std::visit([&](auto const& m) { return m.covers(t); }, which);
  }
  void validate(basin::problem const& p) const {
    std::visit([&](auto const& m) { basin::validate(m, p); }, which);
  }
};

template <basin::pruner... Pruners>
struct pruner_among {
  std::variant<Pruners...> which{};
  template <class T>
  bool keeps(basin::coord c, T score) const {
    return std::visit([&](auto const& p) { return p.keeps(c, score); }, which);
  }
  basin::coverage covers(basin::tile t) const {
    return std::visit([&](auto const& p) { return basin::kept(p, t); }, which);
  }
  void validate(basin::problem const& call) const {
    std::visit([&](auto const& p) { basin::validate(p, call); }, which);
  }
};

template <basin::scorer... Scorers>
struct scorer_among {
  std::variant<Scorers...> which{};
  template <class T>
  T score(T dot, basin::pair_at<T> at) const {
    return std::visit([&](auto const& s) { return s.score(dot, at); }, which);
  }
  template <class T>
  T slope(T dot, basin::pair_at<T> at) const {
    return std::visit([&](auto const& s) { return s.slope(dot, at); }, which);
  }
  void validate(basin::problem const& p) const {
    std::visit([&](auto const& s) { basin::validate(s, p); }, which);
  }
};

using any_mask = mask_among<basin::unmasked, basin::sliding_window, basin::prefix, basin::block_causal, basin::doubled_block_causal, basin::key_padding,
                            basin::documents, basin::document_starts, basin::all_of_masks<basin::key_padding, basin::causal>>;
using any_pruner = pruner_among<basin::keep_all, basin::keep_keys, basin::window_with_sinks, basin::block_sparse, basin::heavy_hitters, basin::score_floor,
                                basin::all_of_pruners<basin::window_with_sinks, basin::score_floor>>;
using any_scorer = scorer_among<basin::scaled, basin::soft_cap, basin::alibi<basin::scaled>, basin::alibi<basin::soft_cap>>;
static_assert(basin::mask<any_mask> && basin::pruner<any_pruner> && basin::scorer<any_scorer>);

}  // namespace basin_test
