// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What basin knows of a model that others trained, before it reads a weight: the parts of its decoder, what its logits
// mean, and where each tensor lies in the published files. A file of this folder makes one from a configuration.

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/view.hpp"
#include "basin/lm/io/stored_tensor.hpp"
#include "basin/lm/models/decoder.hpp"

namespace basin::lm {

/// The keys that a query of a published model sees: those up to its own, or all.
enum class attention_span { causal, full };

/// The token that logits[i] are about: token i, as in LLaDA and BERT, or token i + 1, as in autoregressive models and
/// in Dream.
enum class logits_of { this_token, next_token };

/// How a matrix lies in a file: [outputs, inputs]; the other way round, as GPT-2's Conv1D keeps it; or with the rows of
/// each head such that rotary positions turn neighbours, where the model turns halves: row 2i + p of a head in the file
/// is row p d / 2 + i, as GGUF keeps queries and keys of Llama.
enum class stored_layout { as_it_is, transposed, heads_of_neighbours };

/// Where a tensor of the model lies in the published files. In both names, # is the number of the layer. A stored name
/// that begins with / is never prefixed.
struct tensor_source {
  std::string name;    // layers.#.attention.query.weight
  std::string stored;  // h.#.attn.c_attn.weight
  stored_layout layout = stored_layout::as_it_is;
  index_t first = 0;   // the first row of the stored tensor, once it is as the model needs it
};

/// The values of a model's tensors, by name.
using tensors_by_name = std::map<std::string, std::span<float>, std::less<>>;

struct pretrained_model {
  std::string architecture;  // as the configuration names it
  decoder_config shape{};
  attention_span sees = attention_span::causal;
  logits_of about = logits_of::next_token;
  std::optional<int> mask_token{}, begin_token{};
  std::vector<int> end_tokens{};

  std::vector<tensor_source> tensors{};
  /// Texts before all stored names in some files; the first under which the first tensor exists counts.
  std::vector<std::string> prefixes{""};
  /// Stored tensors that hold nothing to be learned, with #: buffers of masks and rotary tables.
  std::vector<std::string> unused{};
  /// Tensors that are folded into others after the rest is read, with #, and what folds them.
  std::vector<std::string> folded{};
  std::function<void(tensor_store const&, std::string const& prefix, tensors_by_name const&)> fold{};
  /// Tensors of the model that have no source but the fold, with #.
  std::vector<std::string> made_by_fold{};
};

/// A name with the number of a layer in place of #.
inline std::string of_layer(std::string name, int layer) {
  if (auto const place = name.find('#'); place != std::string::npos) name.replace(place, 1, std::to_string(layer));
  return name;
}

}  // namespace basin::lm
