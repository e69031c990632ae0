// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a training run is: its options, their rules, and how they are kept in a checkpoint.

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "models/checkpoint.hpp"
#include "models/problems.hpp"
#include "models/text.hpp"
#include "models/transformer_config.hpp"

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
  std::int64_t warmup = 100;
  std::uint64_t seed = 1;

  bool operator==(run_options const&) const = default;
};

inline models::transformer_config architecture(run_options const& o) {
  return {.vocabulary = models::vocabulary_size, .dim = o.dim, .layers = o.layers, .heads = o.heads, .kv_heads = o.kv_heads,
          .hidden = o.hidden, .context = o.length, .rope_base = o.rope_base};
}

namespace detail {

template <class T>
void require_range(char const* name, T value, T least, T most) {
  if (!(value >= least && value <= most))
    throw value_error{message("basin: --", name, " is ", value, "; it must be from ", least, " to ", most)};
}

inline void require_choice(char const* name, std::string const& value, std::string_view first, std::string_view second) {
  if (value != first && value != second)
    throw value_error{message("basin: --", name, " is '", value, "'; it must be '", first, "' or '", second, "'")};
}

}  // namespace detail

/// Throws value_error for options that make no run.
inline void validate(run_options const& o) {
  detail::require_choice("objective", o.objective, "ar", "mdlm");
  detail::require_choice("schedule", o.schedule, "cosine", "wsd");
  detail::require_range<std::int64_t>("steps", o.steps, 1, 1'000'000'000);
  detail::require_range("batch", o.batch, 1, 1 << 16);
  detail::require_range("length", o.length, 2, 1 << 16);
  detail::require_range("dim", o.dim, 1, 1 << 14);
  detail::require_range("layers", o.layers, 1, 1 << 8);
  detail::require_range("heads", o.heads, 1, 1 << 10);
  detail::require_range("kv-heads", o.kv_heads, 1, 1 << 10);
  detail::require_range("hidden", o.hidden, 1, 1 << 16);
  detail::require_range("rope-base", o.rope_base, 1.0f, 1e9f);
  detail::require_range("learning-rate", o.learning_rate, 0.0, 10.0);
  detail::require_range("weight-decay", o.weight_decay, 0.0, 10.0);
  detail::require_range<std::int64_t>("warmup", o.warmup, 0, o.steps);
  if (o.text.empty() && o.length != models::problem_length)
    throw value_error{message("basin: --length is ", o.length, "; word problems have ", models::problem_length, ": leave it out")};
  models::validate(architecture(o));
}

inline nlohmann::ordered_json to_json(run_options const& o) {
  return {{"text", o.text}, {"problems", o.problems}, {"steps", o.steps}, {"batch", o.batch}, {"length", o.length},
          {"learning_rate", o.learning_rate}, {"weight_decay", o.weight_decay}, {"schedule", o.schedule}, {"warmup", o.warmup},
          {"seed", o.seed}};
}

/// The options of the run that wrote a checkpoint.
///
/// Throws    file_error or value_error: a configuration that is damaged
inline run_options options_of(nlohmann::ordered_json const& config) {
  auto const c = models::architecture_of(config);
  try {
    auto const& t = config.at("training");
    run_options o{.objective = config.at("objective"), .text = t.at("text"), .problems = t.at("problems"), .steps = t.at("steps"),
                  .batch = t.at("batch"), .length = t.at("length"), .dim = c.dim, .layers = c.layers, .heads = c.heads,
                  .kv_heads = c.kv_heads, .hidden = c.hidden, .rope_base = c.rope_base, .learning_rate = t.at("learning_rate"),
                  .weight_decay = t.at("weight_decay"), .schedule = t.at("schedule"), .warmup = t.at("warmup"), .seed = t.at("seed")};
    validate(o);
    if (architecture(o) != c) throw file_error{"basin: the checkpoint's architecture is not one that train makes"};
    return o;
  } catch (nlohmann::json::exception const& why) {
    throw file_error{message("basin: the checkpoint's configuration is damaged: ", why.what())};
  }
}

}  // namespace basin::train
