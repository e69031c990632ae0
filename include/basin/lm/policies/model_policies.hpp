// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The policies of a whole model by name: the normalizer of every head, and the mask, the scorer, the gate and the norm
// of queries and keys of every layer,
//
//   softmax; layers 2-3: entmax15; layer 0 heads 0-1: top_k:k=8; layer 1: sliding_window:left=64; soft_cap:cap=30; gate
//
// each name says by itself which of these it is.

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/any_normalizer.hpp"
#include "basin/lm/attention_config.hpp"
#include "basin/lm/policies/any_mask.hpp"
#include "basin/lm/policies/any_scorer.hpp"
#include "basin/lm/policies/described.hpp"
#include "basin/lm/policies/model_normalizers.hpp"
#include "basin/lm/policies/spelling.hpp"

namespace basin::lm {

/// An attention whose normalizer, mask and scorer are chosen at run time.
using attention_by_name = attention<cpu::any_normalizer, any_mask, keep_all, unobserved, any_scorer>;

inline constexpr std::array<std::string_view, 5> mask_names{"unmasked", "causal", "sliding_window", "block_causal",
                                                            "prefix"};
inline constexpr std::array<std::string_view, 3> scorer_names{"scaled", "soft_cap", "alibi"};
/// Laws that scale scores by their number, alone or after '*' (registry.hpp).
inline constexpr std::array<std::string_view, 7> law_names{"ssmax", "learned_ssmax",  "log_n",   "su_log_n",
                                                           "yarn",  "position_steps", "asentmax"};
/// Parts of an attention layer that are policies of no slot.
inline constexpr std::array<std::string_view, 5> part_names{"no_gate",    "gate",   "head_gate",
                                                            "no_qk_norm", "qk_norm"};

namespace detail {

template <class P>
P policy_without_learning(spelled_policy const& from) {
  std::vector<learned_number> none;
  return policy_of<P>(from, none);
}

template <std::size_t N>
bool is_one_of(std::array<std::string_view, N> const& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace detail

/// Throws    value_error: no mask of this name, a number that it does not have or that is out of range
inline any_mask mask_of(spelled_policy const& from) {
  if (from.name == "unmasked") return {detail::policy_without_learning<unmasked>(from)};
  if (from.name == "causal") return {detail::policy_without_learning<causal>(from)};
  if (from.name == "sliding_window") return {detail::policy_without_learning<sliding_window>(from)};
  if (from.name == "block_causal") return {detail::policy_without_learning<block_causal>(from)};
  if (from.name == "prefix") return {detail::policy_without_learning<prefix>(from)};
  throw value_error(message("basin: there is no mask '", from.name,
                            "'; there are: unmasked, causal, sliding_window, block_causal, prefix"));
}

/// A scorer by name, with the memory that it points to.
class named_scorer {
 public:
  named_scorer() : named_scorer({"scaled", {}, false}, 1) {}
  /// Throws    value_error: no scorer of this name, a number that it does not have or that is out of range
  named_scorer(spelled_policy const& from, index_t heads) {
    if (from.name == "scaled") made.which = detail::policy_without_learning<scaled>(from);
    else if (from.name == "soft_cap") made.which = detail::policy_without_learning<soft_cap>(from);
    else if (from.name == "alibi") {
      detail::policy_without_learning<alibi<scaled>>(from);
      slopes = std::make_shared<std::vector<float> const>(alibi_slopes(heads));
      made.which = alibi<scaled>{contiguous(slopes->data(), heads)};
    } else {
      throw value_error(message("basin: there is no scorer '", from.name, "'; there are: scaled, soft_cap, alibi"));
    }
  }

  any_scorer const& scorer() const { return made; }

 private:
  std::shared_ptr<std::vector<float> const> slopes;
  any_scorer made;
};

/// What one layer uses. A copy has learned numbers of its own.
struct layer_policies {
  layer_normalizers normalizers;
  any_mask visible{};
  named_scorer score{};
  output_gate gate = output_gate::none;
  qk_norm head_norm = qk_norm::none;

  attention_by_name attention() const { return attention_by_name{}.replace(visible).replace(score.scorer()); }
};

/// What all layers use.
class model_policies {
 public:
  explicit model_policies(std::vector<layer_policies> of_layers) : layers(std::move(of_layers)) {}
  /// Of a text such as "softmax; layers 2-3: entmax15; layer 1: sliding_window:left=64". Heads that it gives no
  /// normalizer have softmax; layers that it gives no mask have `usual`.
  ///
  /// Throws    value_error: where the text breaks the grammar; a name that does not exist, a number that it does not
  ///           have or that is out of range; a layer or head that the model does not have; two policies for one head; a
  ///           mask, scorer, gate or norm for single heads
  model_policies(registry const& from, std::string_view text, int layer_count, int head_count, any_mask usual) {
    auto const all = parse_assignments(text);
    auto const normalizers = wanted_normalizers(from, all, layer_count, head_count);
    auto const masks = of_layers(all, mask_names, layer_count), scorers = of_layers(all, scorer_names, layer_count);
    auto const gates = of_layers(all, std::array<std::string_view, 3>{"no_gate", "gate", "head_gate"}, layer_count);
    auto const norms = of_layers(all, std::array<std::string_view, 2>{"no_qk_norm", "qk_norm"}, layer_count);
    for (std::size_t l = 0; l < static_cast<std::size_t>(layer_count); ++l)
      layers.push_back({layer_normalizers(from, normalizers[l]), masks[l] ? mask_of(*masks[l]) : usual,
                        scorers[l] ? named_scorer(*scorers[l], head_count) : named_scorer(),
                        gates[l] ? gate_of(*gates[l]) : output_gate::none,
                        norms[l] && without_numbers(*norms[l]).name == "qk_norm" ? qk_norm::rms : qk_norm::none});
  }

  layer_policies const& layer(int l) const { return layers.at(static_cast<std::size_t>(l)); }
  int count() const { return static_cast<int>(layers.size()); }
  void set_gate(output_gate gate) {
    for (auto& layer : layers) layer.gate = gate;
  }
  void set_qk_norm(qk_norm head_norm) {
    for (auto& layer : layers) layer.head_norm = head_norm;
  }

 private:
  static bool is_normalizer(assignment const& one) {
    std::string const& name = one.policy.normalizer.name;
    return !detail::is_one_of(mask_names, name) && !detail::is_one_of(scorer_names, name) &&
           !detail::is_one_of(part_names, name);
  }

  static std::vector<std::vector<spelled_normalizer>> wanted_normalizers(registry const& from,
                                                                         std::vector<assignment> all, int layer_count,
                                                                         int head_count) {
    std::erase_if(all, [](assignment const& one) { return !is_normalizer(one); });
    for (assignment const& one : all) require_known(from, one.policy.normalizer.name), from.find(one.policy);
    if (std::ranges::none_of(all, [](assignment const& one) { return one.closeness() == 0; }))
      all.push_back({{}, {}, {{"softmax", {}, false}, {}}});
    std::vector<std::vector<spelled_normalizer>> wanted;
    for (auto const& heads : resolve(all, layer_count, head_count)) {
      auto& row = wanted.emplace_back();
      for (std::size_t const n : heads) row.push_back(all[n].policy);
    }
    return wanted;
  }

  static void require_known(registry const& from, std::string const& name) {
    auto const names = from.names();
    if (detail::is_one_of(law_names, name) || std::ranges::find(names, name) != names.end()) return;
    auto const joined = [](auto const& list) { return detail::joined({list.begin(), list.end()}); };
    throw value_error(message("basin: there is no policy '", name, "'; normalizers: ", detail::joined(names),
                              "; laws of length: ", joined(law_names), "; masks: ", joined(mask_names), "; scorers: ",
                              joined(scorer_names), "; parts of a layer: ", joined(part_names)));
  }

  /// What each layer is given of the policies with these names, if anything.
  template <std::size_t N>
  static std::vector<std::optional<spelled_policy>> of_layers(std::vector<assignment> all,
                                                              std::array<std::string_view, N> const& names,
                                                              int layer_count) {
    std::erase_if(all, [&](assignment const& one) { return !detail::is_one_of(names, one.policy.normalizer.name); });
    for (assignment const& one : all) {
      std::string const& name = one.policy.normalizer.name;
      if (!one.heads.is_all())
        throw value_error(message("basin: ", name, " is given to single heads, but all heads of a layer have the same; "
                                  "leave 'heads' out"));
      if (one.policy.law)
        throw value_error(message("basin: '*' scales scores for a normalizer, and ", name, " is none; leave it out"));
    }
    std::vector<std::optional<spelled_policy>> chosen(static_cast<std::size_t>(layer_count));
    for (assignment const& one : all)                            // those for all layers first
      if (one.layers.is_all()) give(chosen, one, 0, layer_count);
    auto const for_all = chosen;
    for (assignment const& one : all)
      for (int l = 0; l < layer_count && !one.layers.is_all(); ++l)
        if (one.layers.holds(l)) {
          auto& mine = chosen[static_cast<std::size_t>(l)];
          if (mine == for_all[static_cast<std::size_t>(l)]) mine.reset();
          give(chosen, one, l, l + 1);
        }
    for (assignment const& one : all)
      if (one.layers.largest() >= layer_count)
        throw value_error(message("basin: layer ", one.layers.largest(), " is given ", one.policy.normalizer.name,
                                  ", but the model has ", layer_count, " layers, numbered from 0 to ",
                                  layer_count - 1));
    return chosen;
  }

  static void give(std::vector<std::optional<spelled_policy>>& chosen, assignment const& one, int first, int last) {
    for (int l = first; l < last; ++l) {
      auto& mine = chosen[static_cast<std::size_t>(l)];
      if (mine)
        throw value_error(message("basin: layer ", l, " is given both ", mine->name, " and ",
                                  one.policy.normalizer.name, "; give it one"));
      mine = one.policy.normalizer;
    }
  }

  static spelled_policy const& without_numbers(spelled_policy const& from) {
    if (!from.numbers.empty() || from.learned) throw value_error(message("basin: ", from.name, " has no numbers"));
    return from;
  }
  static output_gate gate_of(spelled_policy const& from) {
    without_numbers(from);
    return from.name == "gate" ? output_gate::elementwise
           : from.name == "head_gate" ? output_gate::per_head
                                      : output_gate::none;
  }

  std::vector<layer_policies> layers;
};

}  // namespace basin::lm
