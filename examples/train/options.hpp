// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a training run is: its options, their rules, and how they are kept in a checkpoint.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "basin/lm/models/llama_config.hpp"

namespace basin::train {

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
  std::string normalizer = "softmax";  // by layer and head: lm/policies/spelling.hpp
  std::optional<std::int64_t> warmup = {};  // nothing: a tenth of the steps, at most 100
  std::uint64_t seed = 1;

  std::int64_t warmup_steps() const { return warmup.value_or(std::min<std::int64_t>(100, steps / 10)); }
  bool operator==(run_options const&) const = default;
};

inline lm::llama_config architecture(run_options const& o) {
  return {.vocabulary = lm::vocabulary_size,
          .dim = o.dim,
          .layers = o.layers,
          .heads = o.heads,
          .kv_heads = o.kv_heads,
          .hidden = o.hidden,
          .context = o.length,
          .rope_base = o.rope_base};
}

/// The numbers of a run and their rules, one table for the command line, for checkpoints and for callers:
/// see(name, number, interval, what it is), in the order of --help.
template <class Options, class See>
void for_each_number(Options& o, See see) {
  using lm::from_to, lm::at_least;
  see("problems", o.problems, lm::any_number<std::uint64_t>(),
      "learn word problems drawn from this seed (when there is no --text)");
  see("steps", o.steps, from_to<std::int64_t>(1, 1'000'000'000), "steps of the optimizer");
  see("batch", o.batch, from_to(1, 1 << 16), "sequences in a step");
  see("length", o.length, from_to(2, 1 << 16), "bytes in a sequence; problems have 64");
  see("dim", o.dim, from_to(1, 1 << 14), "width of the model: a multiple of 2 x heads");
  see("layers", o.layers, from_to(1, 1 << 8), "layers");
  see("heads", o.heads, from_to(1, 1 << 10), "query heads");
  see("kv_heads", o.kv_heads, from_to(1, 1 << 10), "key and value heads; must divide --heads");
  see("hidden", o.hidden, from_to(1, 1 << 16), "width of the SwiGLU layer");
  see("rope_base", o.rope_base, from_to(1.0f, 1e9f), "base of the rotary frequencies; small for short sequences");
  see("learning_rate", o.learning_rate, from_to(0.0, 10.0), "peak of the schedule");
  see("weight_decay", o.weight_decay, from_to(0.0, 10.0), "of matrices");
  see("seed", o.seed, lm::any_number<std::uint64_t>(), "of the first weights, the order of the data and the masks");
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
        message("basin: --", name, " is ", lm::quotation(value), "; it must be ", lm::alternatives(names))};
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
  if (o.text.empty() && o.length != lm::problem_length)
    throw value_error{
        message("basin: --length is ", o.length, "; word problems have ", lm::problem_length, ": leave it out")};
  lm::validate(architecture(o));
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

/// A text that parse_assignments() reads back: the normalizer of most heads, then those of others.
inline std::string spelled_normalizers(std::vector<std::vector<lm::spelled_normalizer>> const& of) {
  auto const& usual = of.front().front();
  auto const text_of = [](lm::spelled_normalizer const& one) {
    bool const plain = one == lm::spelled_normalizer{{"softmax", {{"temperature", 1}}, false}, {}};
    return plain ? std::string("softmax") : lm::to_text(one);
  };
  std::string text = text_of(usual);
  for (std::size_t l = 0; l < of.size(); ++l) {
    auto const is_alike = [&](auto const& one) { return one == of[l].front(); };
    if (std::ranges::all_of(of[l], is_alike)) {
      if (of[l].front() != usual) text += message("; layer ", l, ": ", text_of(of[l].front()));
      continue;
    }
    for (std::size_t h = 0; h < of[l].size(); ++h)
      if (of[l][h] != usual) text += message("; layer ", l, " head ", h, ": ", text_of(of[l][h]));
  }
  return text;
}

/// The options of the run that wrote a checkpoint; `file` is for messages.
///
/// Throws    file_error: an entry that is missing or breaks its rule, or entries that make no run
inline run_options options_of(nlohmann::ordered_json const& config, std::string const& file = "the checkpoint") {
  lm::config_entries const all{config, file};
  auto const c = lm::architecture_of(config, file);
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
  o.normalizer = spelled_normalizers(lm::normalizers_from(lm::trained_attention(config, file), c.heads, file));
  auto const sizes = lm::architecture_json(c);
  for_each_number(o, [&](char const* name, auto& value, auto const& allowed, char const*) {
    if (!sizes.contains(name)) value = training.number(name, allowed);
  });
  o.warmup = training.number("warmup", lm::from_to<std::int64_t>(0, o.steps));
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

}  // namespace basin::train
