// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How a checkpoint records the attention that its model was trained with: a list with one entry a layer, which has the
// name and the numbers of every policy that decides the output,
//   {"normalizer": {"name": "top_k", "k": 16}, "mask": {"name": "causal"}, "pruner": {"name": "keep_all"},
//    "scorer": {"name": "scaled", "scale": 0.0}}
// Observers change no output and are not recorded. A policy of your own gets a name by a specialisation of `recorded`:
//   template <>
//   struct basin::models::recorded<my_normalizer> {
//     static constexpr std::string_view name = "my_normalizer";
//     static nlohmann::ordered_json numbers(my_normalizer const& p) { return {{"sharpness", p.sharpness}}; }
//   };

#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "basin/attention.hpp"
#include "basin/core/error.hpp"
#include "models/config_entries.hpp"

namespace basin {

// Names are enough here: the numbers of a policy are read where its header is included.
struct softmax;
struct softmax_n;
struct sparsemax;
struct entmax;
struct entmax15;
struct top_k;
struct top_p;
struct relu;
struct squared_relu;
struct sigmoid;
struct softpick;
struct self_adjusted;
struct self_adjusted_plain;
struct adaptive_temperature;
struct sink_logit;
struct ssmax;
struct log_n;
template <normalizer Normalizer, class Law>
struct length_scaled;
struct causal;
struct unmasked;
struct sliding_window;
struct block_causal;
struct keep_all;
struct window_with_sinks;
struct score_floor;
struct scaled;
struct soft_cap;

}  // namespace basin

namespace basin::models {

/// The name of a policy in checkpoints, and its numbers as a JSON object. A policy without one cannot be saved.
template <class Policy>
struct recorded;

template <class Policy>
concept has_record = requires { recorded<Policy>::name; };

/// The double that is written as shortly as the float: 1e-5, not 9.99999974e-6; it rounds to the same float.
inline double short_double(float value) {
  std::array<char, 32> text{};
  std::to_chars(text.data(), text.data() + text.size() - 1, value);
  return std::strtod(text.data(), nullptr);
}

namespace detail {

struct no_numbers {
  template <class P>
  static nlohmann::ordered_json numbers(P const&) { return nlohmann::ordered_json::object(); }
};

/// A number that all heads share; one a head lies in memory that a checkpoint does not have.
template <class PerHead>
double shared_number(std::string_view policy, std::string_view name, PerHead const& number) {
  if (!number.is_one())
    throw unsupported_error{message("basin: ", policy, " has one ", name,
                                    " a head; a checkpoint records one for all heads: give ", name, " one value")};
  return number.value;
}

}  // namespace detail

template <>
struct recorded<softmax> {
  static constexpr std::string_view name = "softmax";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"temperature", p.temperature}}; }
};
template <>
struct recorded<softmax_n> {
  static constexpr std::string_view name = "softmax_n";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"n", p.n}}; }
};
template <>
struct recorded<sparsemax> : detail::no_numbers {
  static constexpr std::string_view name = "sparsemax";
};
template <>
struct recorded<entmax> {
  static constexpr std::string_view name = "entmax";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) {
    return {{"alpha", detail::shared_number(name, "alpha", p.alpha)}};
  }
};
template <>
struct recorded<entmax15> : detail::no_numbers {
  static constexpr std::string_view name = "entmax15";
};
template <>
struct recorded<top_k> {
  static constexpr std::string_view name = "top_k";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"k", p.k}}; }
};
template <>
struct recorded<top_p> {
  static constexpr std::string_view name = "top_p";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"p", p.p}}; }
};
template <>
struct recorded<relu> {
  static constexpr std::string_view name = "relu";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"power", p.power}}; }
};
template <>
struct recorded<squared_relu> : detail::no_numbers {
  static constexpr std::string_view name = "squared_relu";
};
template <>
struct recorded<sigmoid> {
  static constexpr std::string_view name = "sigmoid";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"bias", p.bias}}; }
};
template <>
struct recorded<softpick> {
  static constexpr std::string_view name = "softpick";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"epsilon", p.epsilon}}; }
};
template <>
struct recorded<self_adjusted> : detail::no_numbers {
  static constexpr std::string_view name = "self_adjusted";
};
template <>
struct recorded<self_adjusted_plain> : detail::no_numbers {
  static constexpr std::string_view name = "self_adjusted_plain";
};
template <>
struct recorded<adaptive_temperature> : detail::no_numbers {
  static constexpr std::string_view name = "adaptive_temperature";
};
template <>
struct recorded<sink_logit> {
  static constexpr std::string_view name = "sink_logit";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) {
    return {{"logit", detail::shared_number(name, "logit", p.logit)}};
  }
};
template <>
struct recorded<ssmax> {
  static constexpr std::string_view name = "ssmax";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"s", p.s}}; }
};
template <>
struct recorded<log_n> {
  static constexpr std::string_view name = "log_n";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"trained", p.trained}}; }
};
template <>
struct recorded<causal> : detail::no_numbers {
  static constexpr std::string_view name = "causal";
};
template <>
struct recorded<unmasked> : detail::no_numbers {
  static constexpr std::string_view name = "unmasked";
};
template <>
struct recorded<sliding_window> {
  static constexpr std::string_view name = "sliding_window";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"left", p.left}, {"right", p.right}}; }
};
template <>
struct recorded<block_causal> {
  static constexpr std::string_view name = "block_causal";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"block", p.block}}; }
};
template <>
struct recorded<keep_all> : detail::no_numbers {
  static constexpr std::string_view name = "keep_all";
};
template <>
struct recorded<window_with_sinks> {
  static constexpr std::string_view name = "window_with_sinks";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) {
    return {{"sinks", p.sinks}, {"recent", p.recent}, {"ahead", p.ahead}};
  }
};
template <>
struct recorded<score_floor> {
  static constexpr std::string_view name = "score_floor";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"least", short_double(p.least)}}; }
};
template <>
struct recorded<scaled> {
  static constexpr std::string_view name = "scaled";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) { return {{"scale", short_double(p.scale)}}; }
};
template <>
struct recorded<soft_cap> {
  static constexpr std::string_view name = "soft_cap";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) {
    return {{"cap", short_double(p.cap)}, {"scale", short_double(p.scale)}};
  }
};

/// The name and the numbers of a policy.
template <class Policy>
nlohmann::ordered_json record_of(Policy const& p) {
  static_assert(has_record<Policy>,
                "basin: a checkpoint records every policy of its attention by a name, and this policy has none; "
                "specialise basin::models::recorded for it with `name` and `numbers(policy)`, as "
                "models/recorded_policies.hpp does");
  nlohmann::ordered_json record{{"name", recorded<Policy>::name}};
  record.update(recorded<Policy>::numbers(p));
  return record;
}

template <normalizer Normalizer, class Law>
struct recorded<length_scaled<Normalizer, Law>> {
  static constexpr std::string_view name = "length_scaled";
  template <class P>
  static nlohmann::ordered_json numbers(P const& p) {
    return {{"normalizer", record_of(p.normalize)}, {"law", record_of(p.law)}};
  }
};

/// The kinds of policies that decide what attention computes, as a record names them.
inline constexpr std::array<std::string_view, 4> recorded_slots{"normalizer", "mask", "pruner", "scorer"};

/// The policies of one layer.
template <class Attention>
nlohmann::ordered_json layer_record(Attention const& use) {
  return {{"normalizer", record_of(use.normalize)},
          {"mask", record_of(use.visible)},
          {"pruner", record_of(use.prune)},
          {"scorer", record_of(use.score)}};
}

/// The policies of a model all of whose layers use the same attention.
inline nlohmann::ordered_json attention_record(nlohmann::ordered_json const& layer, int layers) {
  auto record = nlohmann::ordered_json::array();
  for (int l = 0; l < layers; ++l) record.push_back(layer);
  return record;
}

/// A policy of a record in words: top_k(k=16).
inline std::string spelled_policy(nlohmann::ordered_json const& record) {
  std::string text;
  for (auto const& [name, value] : record.items())
    if (name != "name")
      text += message(text.empty() ? "" : ", ", name, '=', value.is_object() ? spelled_policy(value) : value.dump());
  std::string const name = record.value("name", "");
  return text.empty() ? name : message(name, '(', text, ')');
}

/// Refuses a record that says another attention than the one that will run.
///
/// Throws    file_error: the file, the layer, what it was trained with and what would run
inline void require_attention(nlohmann::ordered_json const& trained, nlohmann::ordered_json const& running,
                              std::string const& file) {
  for (std::size_t l = 0; l < trained.size() && l < running.size(); ++l)
    for (auto const slot : recorded_slots) {
      auto const &was = trained[l].at(std::string(slot)), &is = running[l].at(std::string(slot));
      if (nlohmann::json(was) == nlohmann::json(is)) continue;  // whatever the order of the numbers
      throw file_error{
          message("basin: ", file, ": layer ", l, " was trained with the ", slot, ' ', quotation(spelled_policy(was)),
                  ", and would be run with ", quotation(spelled_policy(is)),
                  "; give a checkpoint that was trained with that, or run this one with what it was trained with")};
    }
}

}  // namespace basin::models
