// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A trained model as a folder:
//   model.safetensors     the weights, with the configuration in its metadata: all that is needed to run the model
//   training.safetensors  the weights again, both moments of AdamW and the state of the run: all that is needed to
//   resume config.json           the same configuration, for people and other programs; it is never read back
// Each of the first two is complete in itself and replaced by one rename, so whatever moment a crash or a full disk
// chooses, what is loaded comes from one step of one run. All files are on the disk before the first is renamed.

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/devices/outline.hpp"
#include "basin/lm/io/architecture_json.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/recorded_policies.hpp"
#include "basin/lm/io/safetensors.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "basin/mask/causal.hpp"
#include "basin/nn/adamw.hpp"
#include "basin/nn/parameter.hpp"

namespace basin::lm {

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

/// The policies of each layer that a checkpoint of this objective was trained with if it records none: softmax, causal
/// for ar.
inline nlohmann::ordered_json usual_attention(std::string_view objective) {
  return objective == "ar" ? layer_record(attention<>{}.with(causal{})) : layer_record(attention<>{});
}

/// A file of a checkpoint of any kind of model; its header is read, and no tensor.
///
/// Throws    file_error: no safetensors file, or not one of a checkpoint
inline checkpoint open_checkpoint(std::filesystem::path const& path) {
  auto file = tensor_file::read(path);
  auto const refuse = [&](std::string const& why) -> file_error {
    return file_error{message("basin: ", path.string(), " is no checkpoint of basin: ", why, "; make one with train")};
  };
  auto const found = file.metadata().find("config");
  if (found == file.metadata().end()) throw refuse("its metadata has no 'config'");
  nlohmann::ordered_json config;
  try {
    config = detail::parse_json<nlohmann::ordered_json>(found->second, "'config'", 8);
  } catch (file_error const& why) {
    throw refuse(why.what());
  }
  if (!config.is_object()) throw refuse("its 'config' is no JSON object");
  if (!config.contains("format") || config["format"] != checkpoint_format)
    throw refuse(message("its 'format' is not '", checkpoint_format, "'"));
  return {std::move(config), std::move(file)};
}

/// The policies of each layer that a configuration gives; those of usual_attention() where it gives none.
///
/// Throws    file_error: an entry that is no list of layers as basin/lm/io/recorded_policies.hpp describes it
inline nlohmann::ordered_json trained_attention(nlohmann::ordered_json const& config, std::string const& file) {
  config_entries const entries{config, file};
  int const layers = architecture_of(config, file).layers;
  auto const found = config.find("attention");
  if (found == config.end())
    return attention_record(usual_attention(entries.choice("objective", {"ar", "mdlm"})), layers);
  auto const is_layer = [](nlohmann::ordered_json const& layer) {
    return layer.is_object() && std::ranges::all_of(layer.items(), [](auto const& entry) {
             return entry.key() == "gate" || entry.key() == "qk_norm" ||
                    std::ranges::find(recorded_slots, entry.key()) != recorded_slots.end();
           }) && std::ranges::all_of(recorded_slots, [&](auto slot) {
             auto const policy = layer.find(std::string(slot));
             return policy != layer.end() && policy->is_object() && policy->contains("name") &&
                    (*policy)["name"].is_string();
           });
  };
  if (!found->is_array() || std::ssize(*found) != layers || !std::ranges::all_of(*found, is_layer))
    entries.refuse("attention", message("a list of ", layers,
                                        " layers, each with the names of its normalizer, mask, pruner and scorer"));
  return *found;
}

/// The policies that a checkpoint was trained with, by name.
///
/// Throws    file_error: a policy that `known` does not have, or that cannot be run
inline model_policies trained_policies(checkpoint const& saved, registry const& known) {
  auto const& file = saved.tensors.origin();
  return policies_from(trained_attention(saved.config, file), known, architecture_of(saved.config, file).heads, file);
}

namespace detail {

inline void refuse_others(tensor_file const& file, std::size_t known) {
  if (file.tensors().size() == known) return;
  throw file_error{message("basin: ", file.origin(), " has ", file.tensors().size(), " tensors; this model knows ",
                           known, " of them: is it a checkpoint of another model?")};
}

/// Checks the configuration of a transformer, and the shapes of all tensors against it, before anything of their size
/// is allocated; `others` tensors stand beside those of the model. `policies`: an attention, or model_policies.
template <class Attention, class Policies>
void require_model(checkpoint const& saved, std::span<std::string_view const> prefixes, std::size_t others,
                   Policies const& policies) {
  config_entries const entries{saved.config, saved.tensors.origin()};
  entries.choice("objective", {"ar", "mdlm"});
  if (entries.has("training")) entries.section("training").text("text");
  if (entries.has("figures")) entries.section("figures");
  auto const sizes = architecture_of(saved.config, saved.tensors.origin());
  if (entries.has("tokenizer") && entries.choice("tokenizer", {"bytes"}) == "bytes" &&
      sizes.vocabulary < vocabulary_size)
    entries.section("architecture")
        .refuse("vocabulary", message("at least ", vocabulary_size, ": the bytes, a mask and a begin token"));
  std::size_t known = others;
  llama<Attention, float, outline> model(sizes, 0, policies);
  for (auto const prefix : prefixes)
    model.weights("", [&](std::string const& of, auto const& w) {
      w.for_each_part([&](std::string const& name, std::vector<index_t> const& shape, std::size_t, std::size_t) {
        saved.tensors.expect<float>(std::string(prefix) + of + name, shape);
        ++known;
      });
    });
  refuse_others(saved.tensors, known);
}

/// The values of a tensor, all of them finite.
template <class T>
std::vector<T> finite_values(tensor_file const& file, std::string const& name, std::vector<index_t> const& shape) {
  auto values = file.values<T>(name, shape);
  auto const wrong = std::ranges::find_if_not(values, [](T x) { return std::isfinite(x); });
  if (wrong == values.end()) return values;
  std::vector<index_t> place(shape.size());
  index_t left = wrong - values.begin();
  for (std::size_t d = shape.size(); d-- > 0; left /= shape[d]) place[d] = left % shape[d];
  throw file_error{message("basin: ", file.origin(), ": tensor ", quotation(name), " is ", *wrong, " at ", spell(place),
                           "; all numbers must be finite: train the model again, or use an earlier checkpoint of it")};
}

inline constexpr std::array<std::string_view, 3> training_prefixes{"weight.", "first.", "second."};

/// A checkpoint that is whole, with `others` tensors beside those of the model, and whose model will be run with the
/// attention it was trained with. Policies are checked first: they say which tensors there are.
template <class... Slots>
checkpoint checked(checkpoint saved, std::span<std::string_view const> prefixes, std::size_t others,
                   attention<Slots...> const& running) {
  auto const& file = saved.tensors.origin();
  int const layers = architecture_of(saved.config, file).layers;
  require_attention(trained_attention(saved.config, file), attention_record(layer_record(running), layers), file);
  require_model<attention<Slots...>>(saved, prefixes, others, running);
  return saved;
}
/// The same with the usual attention of its objective.
inline checkpoint checked(checkpoint saved, std::span<std::string_view const> prefixes, std::size_t others) {
  config_entries const entries{saved.config, saved.tensors.origin()};
  if (entries.choice("objective", {"ar", "mdlm"}) == "ar")
    return checked(std::move(saved), prefixes, others, attention<>{}.with(causal{}));
  return checked(std::move(saved), prefixes, others, attention<>{});
}
/// The same with the policies that it was trained with, by name.
inline checkpoint checked(checkpoint saved, std::span<std::string_view const> prefixes, std::size_t others,
                          registry const& known) {
  config_entries{saved.config, saved.tensors.origin()}.choice("objective", {"ar", "mdlm"});
  require_model<attention_by_name>(saved, prefixes, others, trained_policies(saved, known));
  return saved;
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
void add_moments(std::vector<tensor>& out, std::string const& prefix, Parameters const& parameters,
                 std::span<float const> moments) {
  for (auto const& p : parameters) {
    out.push_back(tensor_of<float>(prefix + p.name, p.shape, moments.first(p.values.size())));
    moments = moments.subspan(p.values.size());
  }
}

/// The values of all parameters under a prefix, one after another.
template <class Parameters>
std::vector<float> finite_values(tensor_file const& file, std::string const& prefix, Parameters const& parameters) {
  std::vector<float> all;
  all.reserve(static_cast<std::size_t>(nn::parameter_count(parameters)));
  for (auto const& p : parameters) {
    auto const values = finite_values<float>(file, prefix + p.name, p.shape);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

template <class Parameters>
void put(std::span<float const> all, Parameters const& parameters) {
  for (auto const& p : parameters) {
    std::ranges::copy(all.first(p.values.size()), p.values.begin());
    all = all.subspan(p.values.size());
  }
}

}  // namespace detail

/// Opens a checkpoint to run its model, and checks the configuration and the shapes of the tensors against each other.
/// Tensors are read later, by restore() or read_weights().
///
/// Running   the attention that all layers will be run with; without it, usual_attention(); with a registry, the
///           policies it was trained with
/// Throws    file_error: a file that is missing, damaged or hostile, shapes that do not fit the configuration, or a
///           model that was trained with other policies than those it would be run with, or with some that the
///           registry does not have
template <class... Running>
checkpoint load_model(std::filesystem::path const& folder, Running const&... running) {
  constexpr std::array<std::string_view, 1> prefixes{""};
  return detail::checked(open_checkpoint(folder / model_file), prefixes, 0, running...);
}

/// What load_model gives, and the state to go on from.
template <class... Running>
checkpoint load_training(std::filesystem::path const& folder, Running const&... running) {
  return detail::checked(open_checkpoint(folder / training_file), detail::training_prefixes, 1, running...);
}

inline constexpr std::array<std::string_view, 3> checkpoint_files{model_file, training_file, config_file};

/// Describes the checkpoint in a folder: "a run of the objective ar, at step 1112 of 4000"; empty where there is none.
inline std::string run_in(std::filesystem::path const& folder) {
  std::string said;
  for (auto const name : {training_file, model_file}) {
    if (!std::filesystem::exists(folder / name)) continue;
    try {
      auto const saved = open_checkpoint(folder / name);
      config_entries const entries{saved.config, saved.tensors.origin()};
      auto const steps = at_least<std::int64_t>(1);
      return message("a run of the objective ", entries.choice("objective", {"ar", "mdlm"}), ", at step ",
                     entries.number("step", steps), " of ", entries.section("training").number("steps", steps));
    } catch (error const&) {
      if (said.empty()) said = message(name, ", which is no checkpoint that can be read");
    }
  }
  return said.empty() && std::filesystem::exists(folder / config_file) ? std::string(config_file) : said;
}

/// Copies the weights of load_model into the parameters of a model: all of them, or none and an error.
///
/// Throws    file_error: a tensor that is missing, of another shape or type, or that the model does not have; a number
///           that is not finite
template <class Parameters>
void read_weights(tensor_file const& file, Parameters const& parameters) {
  for (auto const& p : parameters) file.expect<float>(p.name, p.shape);
  detail::refuse_others(file, parameters.size());
  detail::put(detail::finite_values(file, "", parameters), parameters);
}

/// Builds the model of load_model() with its weights, on its device, to be run with `use`. `sizes` are those of the
/// checkpoint, but the context may be longer.
///
/// Throws    as load_model and read_weights, also where the model was trained with another attention than `use`
template <class Model>
Model restore(checkpoint const& saved, llama_config const& sizes, typename Model::attention_type use = {}) {
  auto const& file = saved.tensors.origin();
  require_attention(trained_attention(saved.config, file), attention_record(layer_record(use), sizes.layers), file);
  Model model(sizes, 0, use);
  read_weights(saved.tensors, model.parameters());
  model.send();
  return model;
}

/// The same with the policies that it was trained with, by name.
template <class Model>
Model restore(checkpoint const& saved, llama_config const& sizes, registry const& known) {
  static_assert(Model::by_name);
  Model model(sizes, 0, trained_policies(saved, known));
  read_weights(saved.tensors, model.parameters());
  model.send();
  return model;
}
template <class Model>
Model restore(checkpoint const& saved, registry const& known) {
  return restore<Model>(saved, architecture_of(saved.config, saved.tensors.origin()), known);
}

template <class Model>
Model restore(checkpoint const& saved) {
  return restore<Model>(saved, architecture_of(saved.config, saved.tensors.origin()));
}

/// Copies weights, moments and positions of load_training; changes nothing on an error.
///
/// Throws    file_error, as read_weights
template <class Parameters>
training_state read_training(tensor_file const& file, Parameters const& parameters) {
  std::vector<index_t> const five{5};
  for (auto const& p : parameters)
    for (auto const prefix : detail::training_prefixes) file.expect<float>(std::string(prefix) + p.name, p.shape);
  detail::refuse_others(file, 3 * parameters.size() + 1);
  auto const numbers = file.values<std::uint64_t>("state", five);
  if (numbers[0] == 0 || numbers[0] > std::uint64_t{1} << 62)
    throw file_error{message("basin: ", file.origin(), " stands at step ", numbers[0],
                             "; a run that can be resumed has done one or more")};
  training_state state;
  state.step = static_cast<std::int64_t>(numbers[0]);
  state.data = philox{numbers[1], numbers[2]};
  state.masks = philox{numbers[3], numbers[4]};
  state.moments = {state.step, detail::finite_values(file, "first.", parameters),
                   detail::finite_values(file, "second.", parameters)};
  detail::put(detail::finite_values(file, "weight.", parameters), parameters);
  return state;
}

/// Writes all files of a checkpoint. On an error the folder holds what it held before; after a crash, each file is
/// whole.
///
/// Throws    file_error; shape_error when the moments belong to another model
template <class Parameters>
void save_checkpoint(std::filesystem::path const& folder, nlohmann::ordered_json config, Parameters const& parameters,
                     training_state const& state) {
  if (std::ssize(state.moments.first) != nn::parameter_count(parameters) ||
      state.moments.first.size() != state.moments.second.size())
    throw shape_error{message("basin: the optimizer holds ", state.moments.first.size(), " moments for ",
                              nn::parameter_count(parameters), " weights; save the state that trained them")};
  config["format"] = checkpoint_format;
  std::string const text = config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  std::vector<std::uint64_t> const numbers{static_cast<std::uint64_t>(state.step), state.data.seed(),
                                           state.data.position(), state.masks.seed(), state.masks.position()};
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

}  // namespace basin::lm
