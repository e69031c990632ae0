// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The sizes of a transformer as the entry "architecture" of a checkpoint's configuration.

#include <string>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/recorded_policies.hpp"
#include "basin/lm/transformer_config.hpp"

namespace basin::lm {

inline nlohmann::ordered_json architecture_json(transformer_config const& c) {
  return {{"vocabulary", c.vocabulary},
          {"dim", c.dim},
          {"layers", c.layers},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"hidden", c.hidden},
          {"context", c.context},
          {"rope_base", short_double(c.rope_base)},
          {"norm_epsilon", short_double(c.norm_epsilon)},
          {"head", c.head == output_head::tied ? "tied" : "untied"}};
}

/// Reads the sizes from a configuration, each within the bounds of a model that can be allocated. Messages name `file`.
///
/// Throws    file_error: an entry that is missing or breaks its rule, or sizes that make no transformer
inline transformer_config architecture_of(nlohmann::ordered_json const& config,
                                          std::string const& file = "the checkpoint") {
  auto const entries = config_entries{config, file}.section("architecture");
  auto const size = [&](char const* name, int most) { return entries.number(name, from_to(1, most)); };
  transformer_config const c{
      .vocabulary = size("vocabulary", 1 << 20),
      .dim = size("dim", 1 << 14),
      .layers = size("layers", 1 << 8),
      .heads = size("heads", 1 << 10),
      .kv_heads = size("kv_heads", 1 << 10),
      .hidden = size("hidden", 1 << 16),
      .context = size("context", 1 << 16),
      .rope_base = entries.number("rope_base", from_to(1.0f, 1e9f)),
      .norm_epsilon = entries.number("norm_epsilon", from_to(0.0f, 1.0f)),
      .head = entries.choice("head", {"tied", "untied"}) == "tied" ? output_head::tied : output_head::untied};
  try {
    validate(c);
  } catch (value_error const& why) {
    throw file_error{message("basin: ", file, ": its configuration makes no transformer (", why.what(),
                             "): make the checkpoint again with train")};
  }
  return c;
}

}  // namespace basin::lm
