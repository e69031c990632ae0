// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Published checkpoints: which architectures are known, and how their weights come into a model.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/detail/binary_format.hpp"
#include "basin/lm/io/json_text.hpp"
#include "basin/lm/io/mapped_safetensors.hpp"
#include "basin/lm/io/stored_tensor.hpp"
#include "basin/lm/pretrained/bert.hpp"
#include "basin/lm/pretrained/gpt2.hpp"
#include "basin/lm/pretrained/llada.hpp"
#include "basin/lm/pretrained/llama.hpp"
#include "basin/lm/pretrained/mdlm.hpp"

namespace basin::lm {

/// An architecture: its name in `model_type` of a configuration, and what reads the configuration.
struct architecture_entry {
  std::string_view name;
  pretrained_model (*read)(config_entries const&, nlohmann::ordered_json const&);
};

inline constexpr std::array<architecture_entry, 9> architectures{{{"bert", bert_model},
                                                                   {"Dream", dream_model},
                                                                   {"gpt2", gpt2_model},
                                                                   {"llada", llada_model},
                                                                   {"llama", llama_model},
                                                                   {"mdlm", mdlm_model},
                                                                   {"mmada", llada_model},
                                                                   {"qwen2", qwen2_model},
                                                                   {"qwen3", qwen3_model}}};

/// The model that a configuration of Hugging Face transformers describes; messages name `file`.
///
/// Throws    file_error: an architecture that is not known, an entry that is missing or breaks its rule, a part that is
///           not read, or sizes that make no model
inline pretrained_model pretrained_of(nlohmann::ordered_json const& config, std::string const& file) {
  if (!config.is_object()) throw file_error{message("basin: ", file, " is no JSON object; give a model's config.json")};
  config_entries const entries(config, file, "", "is it the configuration of another model?");
  std::vector<std::string_view> names;
  for (auto const& one : architectures) names.push_back(one.name);
  std::string const type = entries.gives("model_type") ? entries.text("model_type") : "";
  auto const known = std::ranges::find(architectures, std::string_view(type), &architecture_entry::name);
  if (known == architectures.end()) entries.refuse("model_type", alternatives(names));
  try {
    auto made = known->read(entries, config);
    made.architecture = type;
    validate(made.shape);
    return made;
  } catch (value_error const& why) {
    throw file_error{message("basin: ", file, ": its configuration makes no model: ", why.what())};
  }
}

namespace detail {

/// The tensors of one pretrained model in its files.
class pretrained_tensors {
 public:
  pretrained_tensors(pretrained_model const& of, tensor_store const& files) : model(of), from(files) {
    auto const first = model.tensors.front().stored;
    auto const there = [&](std::string const& one) { return from.find(stored_name(first, one)) != nullptr; };
    auto const found = std::ranges::find_if(model.prefixes, there);
    prefix = found == model.prefixes.end() ? model.prefixes.front() : *found;
  }

  std::string const& used_prefix() const { return prefix; }

  /// Reads what the model calls `name`, of that shape.
  void read(std::string const& name, std::vector<index_t> const& shape, std::span<float> to) const {
    auto const [source, layer] = source_of(name);
    auto const& stored = from.at(stored_name(of_layer(source.stored, layer), prefix));
    require_shape(stored, source, shape);
    if (source.layout == stored_layout::transposed) return read_transposed(stored, source.first, shape, to);
    if (shape.size() == 1) return read_vector(stored, source.first, to);
    rows_to_floats(stored, source.first, shape[0], to);
    if (source.layout == stored_layout::heads_of_neighbours) part_neighbours(shape, to);
  }
  /// Whether the model's `name` lies in the files as it is; a fold makes the others.
  bool has(std::string const& name) const { return find_source(name).first != nullptr; }
  bool is_made_by_fold(std::string const& name) const {
    return std::ranges::find(model.made_by_fold, pattern_of(name).first) != model.made_by_fold.end();
  }

  /// Refuses stored tensors that nothing reads.
  void refuse_others() const {
    std::set<std::string> known;
    auto const add = [&](std::string const& stored) {
      for (int l = 0; l < (stored.find('#') == std::string::npos ? 1 : model.shape.layers); ++l)
        known.insert(stored_name(of_layer(stored, l), prefix));
    };
    for (auto const& source : model.tensors) add(source.stored);
    for (auto const& name : model.unused) add(name);
    for (auto const& name : model.folded) add(name);
    for (auto const& one : from.tensors())
      if (!known.contains(one.name))
        throw file_error{message("basin: ", from.origin(), " has a tensor ", quotation(one.name), ", which a model of ",
                                 "the architecture ", model.architecture, " with ", model.shape.layers,
                                 " layers does not have; is it a checkpoint of another model?")};
  }

 private:
  static std::string stored_name(std::string const& name, std::string const& prefix) {
    return name.starts_with('/') ? name.substr(1) : prefix + name;
  }
  /// A name with # in place of the number of its layer, and that number.
  static std::pair<std::string, int> pattern_of(std::string const& name) {
    if (!name.starts_with("layers.")) return {name, 0};
    auto const end = name.find('.', 7);
    return {"layers.#" + name.substr(end), std::stoi(name.substr(7, end - 7))};
  }
  std::pair<tensor_source const*, int> find_source(std::string const& name) const {
    auto const [pattern, layer] = pattern_of(name);
    auto const found = std::ranges::find(model.tensors, pattern, &tensor_source::name);
    return {found == model.tensors.end() ? nullptr : &*found, layer};
  }
  std::pair<tensor_source const&, int> source_of(std::string const& name) const {
    auto const [source, layer] = find_source(name);
    if (source != nullptr) return {*source, layer};
    throw file_error{message("basin: ", from.origin(), " has no tensor ", quotation(name), " of the architecture ",
                             model.architecture, "; a policy or part that the checkpoint was not trained with needs ",
                             "numbers of its own")};
  }

  void require_shape(stored_tensor const& stored, tensor_source const& source,
                     std::vector<index_t> const& shape) const {
    auto found = stored.shape;
    if (source.layout == stored_layout::transposed) std::ranges::reverse(found);
    bool fits = found.size() == shape.size() && found[0] >= source.first + shape[0];
    for (std::size_t d = 1; fits && d < shape.size(); ++d) fits = found[d] == shape[d];
    bool const whole = std::ranges::count(model.tensors, source.stored, &tensor_source::stored) == 1;
    if (fits && (!whole || found[0] == shape[0])) return;
    auto needed = shape;
    if (source.layout == stored_layout::transposed) std::ranges::reverse(needed);
    throw file_error{message("basin: ", from.origin(), ": tensor ", quotation(stored.name), " has shape ",
                             spell(stored.shape), "; the configuration asks for ", whole ? "" : "at least ",
                             spell(needed))};
  }

  static void read_vector(stored_tensor const& stored, index_t first, std::span<float> to) {
    std::vector<float> all(static_cast<std::size_t>(stored.shape[0]));
    to_floats(stored, all);
    std::copy_n(all.begin() + first, to.size(), to.begin());
  }
  /// Turns rows of neighbours into rows of halves, head by head.
  void part_neighbours(std::vector<index_t> const& shape, std::span<float> rows) const {
    index_t const dim = model.shape.attention.resolved().head_dim, width = shape[1];
    std::vector<float> head(static_cast<std::size_t>(dim * width));
    for (index_t h = 0; h < shape[0] / dim; ++h) {
      auto const here = rows.begin() + h * dim * width;
      std::copy_n(here, dim * width, head.begin());
      for (index_t r = 0; r < dim; ++r)
        std::copy_n(head.begin() + r * width, width, here + (r % 2 * (dim / 2) + r / 2) * width);
    }
  }
  static void read_transposed(stored_tensor const& stored, index_t first, std::vector<index_t> const& shape,
                              std::span<float> to) {
    index_t const inputs = stored.shape[0], outputs = stored.shape[1];
    std::vector<float> row(static_cast<std::size_t>(outputs));
    for (index_t i = 0; i < inputs; ++i) {
      row_to_floats(stored, i, row);
      for (index_t o = 0; o < shape[0]; ++o)
        to[static_cast<std::size_t>(o * inputs + i)] = row[static_cast<std::size_t>(first + o)];
    }
  }

  pretrained_model const& model;
  tensor_store const& from;
  std::string prefix;
};

}  // namespace detail

/// Reads the weights of a model that was made from `of.shape`.
///
/// Throws    file_error: a tensor that is missing, of another shape, or that the model does not have;
///           unsupported_error: a storage type that is not read. Some weights may have been written then
template <class Model>
void read_weights(Model& model, pretrained_model const& of, tensor_store const& from) {
  detail::pretrained_tensors const stored(of, from);
  stored.refuse_others();
  tensors_by_name all;
  for (auto const& p : model.parameters()) {
    all.emplace(p.name, p.values);
    if (!stored.is_made_by_fold(p.name)) stored.read(p.name, p.shape, p.values);
  }
  if (of.fold) of.fold(from, stored.used_prefix(), all);
  model.send();
}

/// The configuration and the weights of a folder of Hugging Face transformers: config.json, and model.safetensors or
/// its shards. No weight is read.
struct pretrained_files {
  pretrained_model model;
  tensor_store tensors;
  nlohmann::ordered_json config;
};

/// Throws    as pretrained_of and open_safetensors; file_error: no config.json
inline pretrained_files open_pretrained(std::filesystem::path const& folder) {
  auto const path = folder / "config.json";
  std::ifstream in(path);
  if (!in)
    throw file_error{message("basin: ", path.string(), " cannot be read; give the folder of a model, with config.json ",
                             "and model.safetensors")};
  std::stringstream text;
  text << in.rdbuf();
  auto config = detail::valid_file(path.string(), "JSON", [&] {
    return detail::parse_json<nlohmann::ordered_json>(text.str(), "text", 16);
  });
  auto model = pretrained_of(config, path.string());
  return {std::move(model), open_safetensors(folder), std::move(config)};
}

/// The usual mask of a pretrained model.
inline any_mask usual_mask(pretrained_model const& of) {
  return of.sees == attention_span::causal ? any_mask{causal{}} : any_mask{unmasked{}};
}

}  // namespace basin::lm
