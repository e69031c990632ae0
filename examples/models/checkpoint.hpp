// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A trained model as a folder:
//   model.safetensors     the weights, with the configuration in its metadata: all that is needed to run the model
//   training.safetensors  the weights again, both moments of AdamW and the state of the run: all that is needed to resume
//   config.json           the same configuration, for people and other programs; it is never read back
// Each of the first two is complete in itself and replaced by one rename, so whatever moment a crash or a full disk chooses,
// what is loaded comes from one step of one run. All files are on the disk before the first is renamed.

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/nn/adamw.hpp"
#include "basin/nn/parameter.hpp"
#include "models/files.hpp"
#include "models/safetensors.hpp"
#include "models/transformer_config.hpp"

namespace basin::models {

inline constexpr std::string_view model_file = "model.safetensors", training_file = "training.safetensors",
                                  config_file = "config.json", checkpoint_format = "basin checkpoint 1";

/// A file of a checkpoint: the configuration it carries and its tensors.
struct checkpoint {
  nlohmann::ordered_json config;
  tensor_file tensors;
};

/// Where a training run stands, besides its weights.
struct training_state {
  std::int64_t step = 0;
  philox data, masks;
  nn::adamw_state<float> moments;
};

/// One number of a configuration, within bounds.
///
/// Throws    file_error: absent, no whole number or outside [least, most]
inline index_t whole_number(nlohmann::ordered_json const& from, std::string const& name, index_t least, index_t most) {
  auto const found = from.find(name);
  if (found == from.end() || !found->is_number_integer() || *found < least || *found > most)
    throw file_error{message("basin: the checkpoint's configuration has '", name, "' = ", found == from.end() ? "nothing" : found->dump(),
                             "; it must be a whole number from ", least, " to ", most)};
  return found->get<index_t>();
}

namespace detail {

/// The double that is written as shortly as the float: 1e-5, not 9.99999974e-6; it rounds to the same float.
inline double short_double(float value) {
  std::array<char, 32> text{};
  std::to_chars(text.data(), text.data() + text.size() - 1, value);
  return std::strtod(text.data(), nullptr);
}

}  // namespace detail

/// The sizes of a transformer as the "architecture" of a configuration.
inline nlohmann::ordered_json architecture_json(transformer_config const& c) {
  return {{"vocabulary", c.vocabulary}, {"dim", c.dim}, {"layers", c.layers}, {"heads", c.heads}, {"kv_heads", c.kv_heads},
          {"hidden", c.hidden}, {"context", c.context}, {"rope_base", detail::short_double(c.rope_base)}, {"norm_epsilon", detail::short_double(c.norm_epsilon)},
          {"head", c.head == output_head::tied ? "tied" : "untied"}};
}

/// The sizes that a configuration tells, checked; small enough that a model of them can be allocated.
///
/// Throws    file_error: an entry that is missing or no number; value_error: sizes that make no transformer
inline transformer_config architecture_of(nlohmann::ordered_json const& config) {
  auto const found = config.find("architecture");
  if (found == config.end() || !found->is_object()) throw file_error{"basin: the checkpoint's configuration has no 'architecture'"};
  auto const size = [&](char const* name, index_t most) { return static_cast<int>(whole_number(*found, name, 1, most)); };
  auto const real = [&](char const* name) {
    auto const value = found->find(name);
    if (value == found->end() || !value->is_number()) throw file_error{message("basin: the checkpoint's '", name, "' is no number")};
    return value->get<float>();
  };
  transformer_config const c{.vocabulary = size("vocabulary", 1 << 20), .dim = size("dim", 1 << 14), .layers = size("layers", 1 << 8),
                             .heads = size("heads", 1 << 10), .kv_heads = size("kv_heads", 1 << 10), .hidden = size("hidden", 1 << 16),
                             .context = size("context", 1 << 20), .rope_base = real("rope_base"), .norm_epsilon = real("norm_epsilon"),
                             .head = found->value("head", nlohmann::ordered_json{}) == "tied" ? output_head::tied : output_head::untied};
  validate(c);
  return c;
}

namespace detail {

inline checkpoint open_checkpoint(std::filesystem::path const& path) {
  auto file = tensor_file::read(path);
  auto const refuse = [&](std::string const& why) -> file_error {
    return file_error{message("basin: ", path.string(), " is no checkpoint of basin: ", why, "; make one with train")};
  };
  auto const found = file.metadata().find("config");
  if (found == file.metadata().end()) throw refuse("its metadata has no 'config'");
  auto config = nlohmann::ordered_json::parse(found->second, nullptr, false);
  if (config.is_discarded() || !config.is_object()) throw refuse("its 'config' is no JSON object");
  if (!config.contains("format") || config["format"] != checkpoint_format)
    throw refuse(message("its 'format' is not '", checkpoint_format, "'"));
  return {std::move(config), std::move(file)};
}

/// The parameters as tensors whose names begin with `prefix`.
template <class Parameters>
std::vector<tensor> named(std::string const& prefix, Parameters const& parameters) {
  std::vector<tensor> out;
  for (auto const& p : parameters) out.push_back(tensor_of<float>(prefix + p.name, p.shape, p.values));
  return out;
}

/// The moments, shaped and named as their parameters.
template <class Parameters>
void add_moments(std::vector<tensor>& out, std::string const& prefix, Parameters const& parameters, std::span<float const> moments) {
  for (auto const& p : parameters) {
    out.push_back(tensor_of<float>(prefix + p.name, p.shape, moments.first(p.values.size())));
    moments = moments.subspan(p.values.size());
  }
}

template <class Parameters>
void copy_moments(tensor_file const& file, std::string const& prefix, Parameters const& parameters, std::span<float> moments) {
  for (auto const& p : parameters) {
    file.copy<float>(prefix + p.name, p.shape, moments.first(p.values.size()));
    moments = moments.subspan(p.values.size());
  }
}

inline void refuse_others(tensor_file const& file, std::size_t known) {
  if (file.tensors().size() == known) return;
  throw file_error{message("basin: ", file.origin(), " has ", file.tensors().size(), " tensors; this model knows ", known,
                           " of them: is it a checkpoint of another model?")};
}

}  // namespace detail

/// The weights of a checkpoint and the configuration they belong to.
///
/// Throws    file_error: a file that is missing, damaged or hostile
inline checkpoint load_model(std::filesystem::path const& folder) { return detail::open_checkpoint(folder / model_file); }

/// What load_model gives, and the state to go on from.
inline checkpoint load_training(std::filesystem::path const& folder) { return detail::open_checkpoint(folder / training_file); }

/// Copies the weights of load_model into the parameters of a model: all of them, or none and an error.
///
/// Throws    file_error: a tensor that is missing, of another shape or type, or that the model does not have
template <class Parameters>
void read_weights(tensor_file const& file, Parameters const& parameters) {
  for (auto const& p : parameters) file.expect<float>(p.name, p.shape);
  detail::refuse_others(file, parameters.size());
  for (auto const& p : parameters) file.copy<float>(p.name, p.shape, p.values);
}

/// Copies weights, moments and positions of load_training; changes nothing on an error.
///
/// Throws    file_error, as read_weights
template <class Parameters>
training_state read_training(tensor_file const& file, Parameters const& parameters) {
  std::vector<index_t> const five{5};
  for (auto const& p : parameters)
    for (char const* const prefix : {"weight.", "first.", "second."}) file.expect<float>(prefix + p.name, p.shape);
  detail::refuse_others(file, 3 * parameters.size() + 1);
  std::vector<std::uint64_t> numbers(5);
  file.copy<std::uint64_t>("state", five, numbers);
  if (numbers[0] == 0 || numbers[0] > std::uint64_t{1} << 62)
    throw file_error{message("basin: ", file.origin(), " stands at step ", numbers[0], "; a run that can be resumed has done one or more")};
  training_state state;
  state.step = static_cast<std::int64_t>(numbers[0]);
  state.data = philox{numbers[1], numbers[2]};
  state.masks = philox{numbers[3], numbers[4]};
  state.moments.steps = state.step;
  state.moments.first.resize(static_cast<std::size_t>(nn::parameter_count(parameters)));
  state.moments.second.resize(state.moments.first.size());
  detail::copy_moments(file, "first.", parameters, state.moments.first);
  detail::copy_moments(file, "second.", parameters, state.moments.second);
  for (auto const& p : parameters) file.copy<float>("weight." + p.name, p.shape, p.values);
  return state;
}

/// Writes all files of a checkpoint. On an error the folder holds what it held before; after a crash, each file is whole.
///
/// Throws    file_error; shape_error when the moments belong to another model
template <class Parameters>
void save_checkpoint(std::filesystem::path const& folder, nlohmann::ordered_json config, Parameters const& parameters,
                     training_state const& state) {
  if (std::ssize(state.moments.first) != nn::parameter_count(parameters) || state.moments.first.size() != state.moments.second.size())
    throw shape_error{message("basin: the optimizer holds ", state.moments.first.size(), " moments for ", nn::parameter_count(parameters),
                              " weights; save the state that trained them")};
  config["format"] = checkpoint_format;
  std::string const text = config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  std::vector<std::uint64_t> const numbers{static_cast<std::uint64_t>(state.step), state.data.seed(), state.data.position(),
                                           state.masks.seed(), state.masks.position()};
  std::vector<tensor> all = detail::named("weight.", parameters);
  detail::add_moments(all, "first.", parameters, state.moments.first);
  detail::add_moments(all, "second.", parameters, state.moments.second);
  all.push_back(tensor_of<std::uint64_t>("state", {5}, numbers));
  make_folder(folder);
  staged_file training{folder / training_file}, model{folder / model_file}, words{folder / config_file};
  stage_safetensors(training, std::move(all), {{"config", text}});
  stage_safetensors(model, detail::named("", parameters), {{"config", text}});
  words.append(bytes_of(text));
  for (staged_file* const file : {&training, &model, &words}) file->settle();
  for (staged_file* const file : {&training, &model, &words}) file->publish();
}

}  // namespace basin::models
