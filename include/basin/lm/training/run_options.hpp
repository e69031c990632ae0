// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a training run is: its options, their rules, and how they are kept in a checkpoint.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/models/llama_config.hpp"
#include "basin/lm/names.hpp"
#include "basin/lm/policies/model_policies.hpp"
#include "basin/lm/tokenizers/bytes.hpp"

namespace basin::lm {

namespace detail {

/// The value that a name stands for.
///
/// Throws    value_error: no such name; it has the list
template <class T, std::size_t N>
T value_of(names_of<T, N> const& names, std::string const& name, char const* option) {
  std::vector<std::string> known;
  for (auto const& [word, value] : names) {
    if (word == name) return value;
    known.emplace_back(word);
  }
  throw value_error{message("basin: ", option, " is ", quotation(name), "; it must be ", alternatives(known))};
}

}  // namespace detail

/// Everything that decides the bits of a run. The same options give the same checkpoint on the same kind of processor.
struct run_options {
  std::string objective = "ar";  // "ar" | "mdlm"
  std::string text = "";         // a file; empty: word problems
  std::uint64_t problems = 1;    // seed of the word problems
  std::int64_t steps = 4000;
  int batch = 32, length = 64;
  int dim = 128, layers = 4, heads = 4, kv_heads = 4, hidden = 344;
  float rope_base = 100;
  double learning_rate = 1e-3, weight_decay = 0.1;
  std::string schedule = "cosine";  // "cosine" | "wsd"
  std::string attention = "softmax";  // policies by layer and head: lm/policies/model_policies.hpp
  std::string norm = "rms_norm", mlp = "swiglu";  // lm/names.hpp
  std::optional<std::int64_t> warmup = {};  // nothing: a tenth of the steps, at most 100
  std::uint64_t seed = 1;

  std::int64_t warmup_steps() const { return warmup.value_or(std::min<std::int64_t>(100, steps / 10)); }
  bool operator==(run_options const&) const = default;
};

inline llama_config architecture(run_options const& o) {
  return {.vocabulary = vocabulary_size,
          .dim = o.dim,
          .layers = o.layers,
          .heads = o.heads,
          .kv_heads = o.kv_heads,
          .hidden = o.hidden,
          .context = o.length,
          .rope_base = o.rope_base,
          .norm = detail::value_of(norm_names, o.norm, "--norm"),
          .mlp = detail::value_of(mlp_names, o.mlp, "--mlp")};
}

/// The mask of an objective, for layers that are given none.
inline any_mask usual_mask(std::string_view objective) {
  if (objective == "ar") return {causal{}};
  return {};
}

/// The policies of a run.
///
/// Throws    value_error, as model_policies; also a mask that shows later tokens to an autoregressive model
inline model_policies policies_of(run_options const& o, registry const& known) {
  model_policies made{known, o.attention, o.layers, o.heads, usual_mask(o.objective)};
  for (int l = 0; l < made.count() && o.objective == "ar"; ++l)
    if (coord first{}; first.query = 0, first.key = 1, made.layer(l).visible.allows(first))
      throw value_error{message("basin: layer ", l, " has the mask ", record_of(made.layer(l).visible)["name"],
                                ", which shows a token to those before it; --objective ar needs causal, or "
                                "sliding_window with right=0")};
  return made;
}

/// The numbers of a run and their rules, one table for the command line, for checkpoints and for callers:
/// see(name, number, interval, what it is), in the order of --help.
template <class Options, class See>
void for_each_number(Options& o, See see) {
  see("problems", o.problems, any_number<std::uint64_t>(),
      "learn word problems drawn from this seed (when there is no --text)");
  see("steps", o.steps, from_to<std::int64_t>(1, 1'000'000'000), "steps of the optimizer");
  see("batch", o.batch, from_to(1, 1 << 16), "sequences in a step");
  see("length", o.length, from_to(2, 1 << 16), "bytes in a sequence; problems have 64");
  see("dim", o.dim, from_to(1, 1 << 14), "width of the model: a multiple of 2 x heads");
  see("layers", o.layers, from_to(1, 1 << 8), "layers");
  see("heads", o.heads, from_to(1, 1 << 10), "query heads");
  see("kv_heads", o.kv_heads, from_to(1, 1 << 10), "key and value heads; must divide --heads");
  see("hidden", o.hidden, from_to(1, 1 << 16), "width of the MLP");
  see("rope_base", o.rope_base, from_to(1.0f, 1e9f), "base of the rotary frequencies; small for short sequences");
  see("learning_rate", o.learning_rate, from_to(0.0, 10.0), "peak of the schedule");
  see("weight_decay", o.weight_decay, from_to(0.0, 10.0), "of matrices");
  see("seed", o.seed, any_number<std::uint64_t>(), "of the first weights, the order of the data and the masks");
}

/// The name of an option for a number of the table: kv_heads is --kv-heads.
inline std::string option_name(std::string_view name) {
  std::string option = "--" + std::string(name);
  std::ranges::replace(option, '_', '-');
  return option;
}

namespace detail {

inline void require_choice(char const* name, std::string const& value, std::initializer_list<std::string_view> names) {
  if (std::ranges::find(names, value) == names.end())
    throw value_error{
        message("basin: --", name, " is ", quotation(value), "; it must be ", alternatives(names))};
}

}  // namespace detail

/// Throws value_error for options that make no run.
inline void validate(run_options const& o) {
  detail::require_choice("objective", o.objective, {"ar", "mdlm"});
  detail::require_choice("schedule", o.schedule, {"cosine", "wsd"});
  for_each_number(o, [](char const* name, auto value, auto const& allowed, char const*) {
    if (!allowed.has(value))
      throw value_error{message("basin: ", option_name(name), " is ", value, "; it must be ", allowed.rule())};
  });
  if (o.warmup_steps() < 0 || o.warmup_steps() > o.steps)
    throw value_error{message("basin: --warmup is ", o.warmup_steps(),
                              "; it must be a whole number from 0 to the number of steps, ", o.steps)};
  if (o.text.empty() && o.length != problem_length)
    throw value_error{
        message("basin: --length is ", o.length, "; word problems have ", problem_length, ": leave it out")};
  validate(architecture(o));
}

inline nlohmann::ordered_json to_json(run_options const& o) {
  return {{"text", o.text},
          {"problems", o.problems},
          {"steps", o.steps},
          {"batch", o.batch},
          {"length", o.length},
          {"learning_rate", o.learning_rate},
          {"weight_decay", o.weight_decay},
          {"schedule", o.schedule},
          {"warmup", o.warmup_steps()},
          {"seed", o.seed}};
}

namespace detail {

/// Adds "; NAME" for what all layers have and is not usual, else "; layer N: NAME" for every layer that has it.
inline void add_assignments(std::string& text, std::vector<std::string> const& of_layers, std::string const& usual) {
  bool const alike = std::ranges::all_of(of_layers, [&](auto const& one) { return one == of_layers.front(); });
  for (std::size_t l = 0; l < of_layers.size(); ++l) {
    if (of_layers[l] == usual) continue;
    text += alike ? "; " + of_layers[l] : message("; layer ", l, ": ", of_layers[l]);
    if (alike) return;
  }
}

}  // namespace detail

/// A text that model_policies reads back: the normalizer of most heads, then those of others, then what layers have
/// besides that is not usual for the objective.
///
/// Throws    file_error, as policies_from
inline std::string spelled_attention(nlohmann::ordered_json const& record, std::string const& objective, int heads,
                                     std::string const& file) {
  auto const refuse = [&](std::string const& why) {
    throw file_error{message("basin: ", file, ": its 'attention' has ", why,
                             "; it may be damaged: make the checkpoint again with train")};
  };
  auto const text_of = [](spelled_normalizer const& one) {
    bool const plain = one == spelled_normalizer{{"softmax", {{"temperature", 1}}, false}, {}};
    return plain ? std::string("softmax") : to_text(one);
  };
  auto const policy = [&](nlohmann::ordered_json const& of) {
    return to_text(spelled_normalizer{detail::policy_from(of, refuse), {}});
  };
  std::vector<std::vector<spelled_normalizer>> normalizers;
  std::vector<std::string> masks, scorers, gates, norms;
  for (auto const& layer : record) {
    normalizers.push_back(detail::heads_from(layer.at("normalizer"), heads, refuse));
    masks.push_back(policy(layer.at("mask"))), scorers.push_back(policy(layer.at("scorer")));
    auto const gate = detail::part_from(layer, "gate", gate_names, refuse);
    gates.push_back(gate == output_gate::none ? "" : gate == output_gate::elementwise ? "gate" : "head_gate");
    norms.push_back(detail::part_from(layer, "qk_norm", qk_norm_names, refuse) == qk_norm::none ? "" : "qk_norm");
  }
  auto const& usual = normalizers.front().front();
  std::string text = text_of(usual);
  for (std::size_t l = 0; l < normalizers.size(); ++l) {
    auto const& mine = normalizers[l];
    if (std::ranges::all_of(mine, [&](auto const& one) { return one == mine.front(); })) {
      if (mine.front() != usual) text += message("; layer ", l, ": ", text_of(mine.front()));
      continue;
    }
    for (std::size_t h = 0; h < mine.size(); ++h)
      if (mine[h] != usual) text += message("; layer ", l, " head ", h, ": ", text_of(mine[h]));
  }
  detail::add_assignments(text, masks, policy(record_of(usual_mask(objective))));
  detail::add_assignments(text, scorers, policy(record_of(scaled{})));
  detail::add_assignments(text, gates, ""), detail::add_assignments(text, norms, "");
  return text;
}

/// The options of the run that wrote a checkpoint; `file` is for messages.
///
/// Throws    file_error: an entry that is missing or breaks its rule, or entries that make no run
inline run_options options_of(nlohmann::ordered_json const& config, std::string const& file = "the checkpoint") {
  config_entries const all{config, file};
  auto const c = architecture_of(config, file);
  auto const training = all.section("training");
  run_options o{.objective = all.choice("objective", {"ar", "mdlm"}),
                .text = training.text("text"),
                .dim = c.dim,
                .layers = c.layers,
                .heads = c.heads,
                .kv_heads = c.kv_heads,
                .hidden = c.hidden,
                .rope_base = c.rope_base,
                .schedule = training.choice("schedule", {"cosine", "wsd"})};
  o.attention = spelled_attention(trained_attention(config, file), o.objective, c.heads, file);
  o.norm = name_of(norm_names, c.norm), o.mlp = name_of(mlp_names, c.mlp);
  auto const sizes = architecture_json(c);
  for_each_number(o, [&](char const* name, auto& value, auto const& allowed, char const*) {
    if (!sizes.contains(name)) value = training.number(name, allowed);
  });
  o.warmup = training.number("warmup", from_to<std::int64_t>(0, o.steps));
  if (architecture(o) != c)
    throw file_error{message("basin: ", file,
                             ": its architecture is not one that train makes; make the checkpoint again with train")};
  try {
    validate(o);
  } catch (value_error const& why) {
    throw file_error{message("basin: ", file, ": its configuration makes no run (", why.what(),
                             "); make the checkpoint again with train")};
  }
  return o;
}

}  // namespace basin::lm
