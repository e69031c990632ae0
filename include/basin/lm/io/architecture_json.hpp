// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The sizes of a transformer as the entry "architecture" of a checkpoint's configuration.

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/recorded_policies.hpp"
#include "basin/lm/models/llama_config.hpp"
#include "basin/lm/names.hpp"

namespace basin::lm {

namespace detail {

/// What an entry names; `usual` where the configuration has no such entry.
template <class T, std::size_t N>
T choice_or(config_entries const& entries, std::string_view entry, names_of<T, N> const& names,
            T usual) {
  if (!entries.has(entry)) return usual;
  std::vector<std::string_view> known;
  for (auto const& [name, value] : names) known.push_back(name);
  std::string const given = entries.text(entry);
  for (auto const& [name, value] : names)
    if (name == given) return value;
  entries.refuse(entry, alternatives(known));
}

}  // namespace detail

inline nlohmann::ordered_json architecture_json(llama_config const& c) {
  return {{"vocabulary", c.vocabulary},
          {"dim", c.dim},
          {"layers", c.layers},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"hidden", c.hidden},
          {"context", c.context},
          {"rope_base", short_double(c.rope_base)},
          {"norm_epsilon", short_double(c.norm_epsilon)},
          {"head", c.head == output_head::tied ? "tied" : "untied"},
          {"norm", name_of(norm_names, c.norm)},
          {"mlp", name_of(mlp_names, c.mlp)}};
}

/// Reads the sizes from a configuration, each within the bounds of a model that can be allocated. Messages name `file`.
///
/// Throws    file_error: an entry that is missing or breaks its rule, or sizes that make no transformer
inline llama_config architecture_of(nlohmann::ordered_json const& config,
                                          std::string const& file = "the checkpoint") {
  auto const entries = config_entries{config, file}.section("architecture");
  auto const size = [&](char const* name, int most) { return entries.number(name, from_to(1, most)); };
  llama_config const c{
      .vocabulary = size("vocabulary", 1 << 20),
      .dim = size("dim", 1 << 14),
      .layers = size("layers", 1 << 8),
      .heads = size("heads", 1 << 10),
      .kv_heads = size("kv_heads", 1 << 10),
      .hidden = size("hidden", 1 << 16),
      .context = size("context", 1 << 16),
      .rope_base = entries.number("rope_base", from_to(1.0f, 1e9f)),
      .norm_epsilon = entries.number("norm_epsilon", from_to(0.0f, 1.0f)),
      .head = entries.choice("head", {"tied", "untied"}) == "tied" ? output_head::tied : output_head::untied,
      .norm = detail::choice_or(entries, "norm", norm_names, norm_kind::rms),
      .mlp = detail::choice_or(entries, "mlp", mlp_names, mlp_kind::swiglu)};
  try {
    validate(c);
  } catch (value_error const& why) {
    throw file_error{message("basin: ", file, ": its configuration makes no transformer (", why.what(),
                             "): make the checkpoint again with train")};
  }
  return c;
}

}  // namespace basin::lm
