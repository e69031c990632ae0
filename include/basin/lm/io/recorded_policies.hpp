// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How a checkpoint says which attention its model was trained with: a list with one entry a layer, each with a name and
// the numbers of every policy that decides the output,
//   {"normalizer": {"name": "top_k", "k": 16}, "mask": {"name": "causal"}, "pruner": {"name": "keep_all"},
//    "scorer": {"name": "scaled", "scale": 0.0}}
// A normalizer whose scores are scaled by their number is {"name": "length_scaled", "normalizer": ..., "law": ...};
// where heads differ, {"name": "by_head", "heads": [...]}; "learned": true says that numbers are tensors of the
// checkpoint. Observers change no output and are not recorded. The names are those of basin/lm/policies/described.hpp,
// where yours is added.

#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/attention.hpp"
#include "basin/core/error.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/names.hpp"
#include "basin/lm/policies/described.hpp"
#include "basin/lm/policies/model_policies.hpp"

namespace basin::lm {

using json = nlohmann::ordered_json;

/// The double that is written as shortly as the float: 1e-5, not 9.99999974e-6; it rounds to the same float.
inline double short_double(float value) {
  std::array<char, 32> text{};
  std::to_chars(text.data(), text.data() + text.size() - 1, value);
  return std::strtod(text.data(), nullptr);
}

namespace detail {

/// A number as it is recorded. One that heads do not share lies in memory that a checkpoint does not have.
template <class Number>
json recorded_number(std::string_view policy, std::string_view name, Number const& number) {
  if constexpr (std::is_same_v<Number, per_head>) {
    if (!number.is_one())
      throw unsupported_error{message("basin: ", policy, " has one ", name, " a head in memory of its own; learn it (",
                                      policy, ":learned), or give ", name, " one value")};
    return number.value;
  } else if constexpr (std::is_same_v<Number, float>) {
    return short_double(number);
  } else {
    return number;
  }
}

}  // namespace detail

/// The name and the numbers of a policy.
template <class Policy>
json record_of(Policy const& p) {
  static_assert(lm::has_description<Policy>, "basin: a checkpoint records every policy of its attention by a name, and "
                                             "this policy has none; specialise basin::lm::described for it "
                                             "with `name` and `numbers(policy, f)`, as lm/policies/described.hpp does");
  std::string_view const name = lm::described<Policy>::name;
  json record{{"name", name}};
  [[maybe_unused]] bool learned = false;
  lm::described<Policy>::numbers(p, [&](char const* number, auto const& value, auto const&... range) {
    record[number] = detail::recorded_number(name, number, value);
    learned = learned || sizeof...(range) > 0;
  });
  if (learned) record["learned"] = true;  // a layer learns what can be learned
  return record;
}
template <normalizer Normalizer, class Law>
json record_of(length_scaled<Normalizer, Law> const& p) {
  return {{"name", "length_scaled"}, {"normalizer", record_of(p.normalize)}, {"law", record_of(p.law)}};
}

/// A policy by name, as it is recorded.
inline json record_of(lm::spelled_policy const& p) {
  json record{{"name", p.name}};
  for (auto const& [name, value] : p.numbers)
    record[name] = value == static_cast<double>(static_cast<index_t>(value)) && name == "k"
                       ? json(static_cast<index_t>(value))
                       : json(value);
  if (p.learned) record["learned"] = true;
  return record;
}
inline json record_of(lm::spelled_normalizer const& n) {
  if (!n.law) return record_of(n.normalizer);
  return {{"name", "length_scaled"}, {"normalizer", record_of(n.normalizer)}, {"law", record_of(*n.law)}};
}
inline json record_of(lm::layer_normalizers const& layer) {
  json heads = json::array();
  for (std::size_t h = 0; h < layer.heads(); ++h) heads.push_back(record_of(layer.spelled(h)));
  for (auto const& one : heads)
    if (one != heads.front()) return {{"name", "by_head"}, {"heads", heads}};
  return heads.front();
}

/// The kinds of policies that decide what attention computes, as a record names them.
inline constexpr std::array<std::string_view, 4> recorded_slots{"normalizer", "mask", "pruner", "scorer"};

/// The policies of one layer.
template <class Attention>
json layer_record(Attention const& use) {
  return {{"normalizer", record_of(use.normalize)},
          {"mask", record_of(use.visible)},
          {"pruner", record_of(use.prune)},
          {"scorer", record_of(use.score)}};
}

/// The policies of a model all of whose layers use the same attention.
inline json attention_record(json const& layer, int layers) {
  auto record = json::array();
  for (int l = 0; l < layers; ++l) record.push_back(layer);
  return record;
}

inline json record_of(any_mask const& m) {
  return m.visit([](auto const& one) { return record_of(one); });
}
inline json record_of(any_scorer const& s) {
  return s.visit([](auto const& one) { return record_of(one); });
}

/// The policies of one layer by name; a part that the layer does not have is left out.
inline json record_of(layer_policies const& layer) {
  json record{{"normalizer", record_of(layer.normalizers)},
              {"mask", record_of(layer.visible)},
              {"pruner", record_of(keep_all{})},
              {"scorer", record_of(layer.score.scorer())}};
  if (layer.gate != output_gate::none) record["gate"] = name_of(gate_names, layer.gate);
  if (layer.head_norm != qk_norm::none) record["qk_norm"] = name_of(qk_norm_names, layer.head_norm);
  return record;
}
inline json attention_record(model_policies const& of) {
  auto record = json::array();
  for (int l = 0; l < of.count(); ++l) record.push_back(record_of(of.layer(l)));
  return record;
}

namespace detail {

/// Reads what record_of() wrote; `refuse` throws.
template <class Refuse>
lm::spelled_policy policy_from(json const& record, Refuse const& refuse) {
  if (!record.is_object() || !record.contains("name") || !record["name"].is_string()) refuse("a policy without a name");
  lm::spelled_policy read{record["name"].template get<std::string>(), {}, false};
  for (auto const& [key, value] : record.items()) {
    if (key == "name") continue;
    if (key == "learned" && value.is_boolean()) read.learned = value.template get<bool>();
    else if (value.is_number()) read.numbers.emplace_back(key, value.template get<double>());
    else refuse(message("'", key, "' of the policy '", read.name, "' is no number"));
  }
  return read;
}
template <class Refuse>
lm::spelled_normalizer normalizer_from(json const& record, Refuse const& refuse) {
  if (!record.is_object() || record.value("name", json{}) != "length_scaled") return {policy_from(record, refuse), {}};
  if (!record.contains("normalizer") || !record.contains("law"))
    refuse("a length_scaled without a normalizer or a law");
  return {policy_from(record["normalizer"], refuse), policy_from(record["law"], refuse)};
}

}  // namespace detail

namespace detail {

/// The normalizers of the heads of a layer.
template <class Refuse>
std::vector<spelled_normalizer> heads_from(json const& record, int heads, Refuse const& refuse) {
  if (record.value("name", json{}) != "by_head")
    return {static_cast<std::size_t>(heads), normalizer_from(record, refuse)};
  if (!record.contains("heads") || !record["heads"].is_array() || std::ssize(record["heads"]) != heads)
    refuse(message("a by_head that does not list ", heads, " heads"));
  std::vector<spelled_normalizer> all;
  for (auto const& one : record["heads"]) all.push_back(normalizer_from(one, refuse));
  return all;
}

/// What a part of a layer is called in a record; the first of the names where it has none.
template <class T, std::size_t N, class Refuse>
T part_from(json const& layer, std::string const& entry, names_of<T, N> const& names, Refuse const& refuse) {
  if (!layer.contains(entry)) return names.front().second;
  for (auto const& [name, value] : names)
    if (layer[entry] == json(name)) return value;
  refuse(message("the ", entry, ' ', layer[entry].dump()));
  return names.front().second;
}

}  // namespace detail

/// The policies of all layers of a record.
///
/// Throws    file_error: an entry that is no policy, a name that does not exist, a number out of range
inline model_policies policies_from(json const& attention, registry const& known, int heads, std::string const& file) {
  auto const refuse = [&](std::string const& why) {
    throw file_error{message("basin: ", file, ": its 'attention' has ", why,
                             "; it may be damaged: make the checkpoint again with train")};
  };
  std::vector<layer_policies> all;
  for (std::size_t l = 0; l < attention.size(); ++l) {
    auto const& layer = attention[l];
    auto const pruner = detail::policy_from(layer.at("pruner"), refuse);
    try {
      if (pruner.name != "keep_all")
        throw value_error(message("basin: layer ", l, " was trained with the pruner ", pruner.name,
                                  ", and models by name have none: build it with an attention<...> that has"));
      all.push_back({layer_normalizers(known, detail::heads_from(layer.at("normalizer"), heads, refuse)),
                     mask_of(detail::policy_from(layer.at("mask"), refuse)),
                     named_scorer(detail::policy_from(layer.at("scorer"), refuse), heads),
                     detail::part_from(layer, "gate", gate_names, refuse),
                     detail::part_from(layer, "qk_norm", qk_norm_names, refuse)});
    } catch (value_error const& why) {
      throw file_error{message("basin: ", file, ": its 'attention' cannot be run (", why.what(), ")")};
    }
  }
  return model_policies(std::move(all));
}

/// A policy of a record in words: top_k(k=16).
inline std::string policy_in_words(json const& record) {
  std::string text;
  for (auto const& [name, value] : record.items())
    if (name != "name")
      text += message(text.empty() ? "" : ", ", name, '=', value.is_object() ? policy_in_words(value) : value.dump());
  std::string const name = record.value("name", "");
  return text.empty() ? name : message(name, '(', text, ')');
}

/// Refuses a record that says another attention than the one that will run.
///
/// Throws    file_error: the file, the layer, what it was trained with and what would run
inline void require_attention(json const& trained, json const& running, std::string const& file) {
  for (std::size_t l = 0; l < trained.size() && l < running.size(); ++l)
    for (auto const slot : recorded_slots) {
      auto const &was = trained[l].at(std::string(slot)), &is = running[l].at(std::string(slot));
      if (nlohmann::json(was) == nlohmann::json(is)) continue;  // whatever the order of the numbers
      throw file_error{
          message("basin: ", file, ": layer ", l, " was trained with the ", slot, ' ', quotation(policy_in_words(was)),
                  ", and would be run with ", quotation(policy_in_words(is)),
                  "; give a checkpoint that was trained with that, or run this one with what it was trained with")};
    }
}

}  // namespace basin::lm
