// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The name of a policy and the names of its numbers, in one place: checkpoints record them, command lines are parsed
// into them, messages list them. A policy of your own is described by one specialisation:
//
//   template <>
//   struct basin::lm::described<my_normalizer> {
//     static constexpr std::string_view name = "my_normalizer";
//     static void numbers(auto& p, auto const& f) { f("sharpness", p.sharpness); }   // p: my_normalizer, const or not
//   };

#include <concepts>
#include <string_view>

#include "basin/mask/block_causal.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/prefix.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/normalize/adaptive_temperature.hpp"
#include "basin/normalize/entmax.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/law/asentmax.hpp"
#include "basin/normalize/law/learned_ssmax.hpp"
#include "basin/normalize/law/position_steps.hpp"
#include "basin/normalize/law/su_log_n.hpp"
#include "basin/normalize/law/yarn.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/relu.hpp"
#include "basin/normalize/self_adjusted.hpp"
#include "basin/normalize/self_adjusted_plain.hpp"
#include "basin/normalize/sigmoid.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/softmax_n.hpp"
#include "basin/normalize/softpick.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/squared_relu.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/normalize/top_p.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/prune/score_floor.hpp"
#include "basin/prune/window_with_sinks.hpp"
#include "basin/score/alibi.hpp"
#include "basin/score/scaled.hpp"
#include "basin/score/soft_cap.hpp"

namespace basin::lm {

/// Requires  name: a word of letters, digits and underscores; numbers(p, f): f(name, number) for every number of p that
///           all heads share, a double, a float or a whole number; f(name, number, range) for every per_head, which can
///           be learned, in the order of the gradients
template <class Policy>
struct described;

template <class Policy>
concept has_description = requires { { described<Policy>::name } -> std::convertible_to<std::string_view>; };

namespace detail {

struct without_numbers {
  static void numbers(auto&, auto const&) {}
};

}  // namespace detail

template <>
struct described<softmax> {
  static constexpr std::string_view name = "softmax";
  static void numbers(auto& p, auto const& f) { f("temperature", p.temperature); }
};
template <>
struct described<softmax_n> {
  static constexpr std::string_view name = "softmax_n";
  static void numbers(auto& p, auto const& f) { f("n", p.n); }
};
template <>
struct described<sink_logit> {
  static constexpr std::string_view name = "sink_logit";
  static void numbers(auto& p, auto const& f) { f("logit", p.logit, sink_logit::logit_range); }
};
template <>
struct described<softpick> {
  static constexpr std::string_view name = "softpick";
  static void numbers(auto& p, auto const& f) { f("epsilon", p.epsilon); }
};
template <>
struct described<self_adjusted> : detail::without_numbers {
  static constexpr std::string_view name = "self_adjusted";
};
template <>
struct described<self_adjusted_plain> : detail::without_numbers {
  static constexpr std::string_view name = "self_adjusted_plain";
};
template <>
struct described<adaptive_temperature> : detail::without_numbers {
  static constexpr std::string_view name = "adaptive_temperature";
};
template <>
struct described<sigmoid> {
  static constexpr std::string_view name = "sigmoid";
  static void numbers(auto& p, auto const& f) { f("bias", p.bias); }
};
template <>
struct described<relu> {
  static constexpr std::string_view name = "relu";
  static void numbers(auto& p, auto const& f) { f("power", p.power); }
};
template <>
struct described<squared_relu> : detail::without_numbers {
  static constexpr std::string_view name = "squared_relu";
};
template <>
struct described<top_k> {
  static constexpr std::string_view name = "top_k";
  static void numbers(auto& p, auto const& f) { f("k", p.k); }
};
template <>
struct described<top_p> {
  static constexpr std::string_view name = "top_p";
  static void numbers(auto& p, auto const& f) { f("p", p.p); }
};
template <>
struct described<sparsemax> : detail::without_numbers {
  static constexpr std::string_view name = "sparsemax";
};
template <>
struct described<entmax15> : detail::without_numbers {
  static constexpr std::string_view name = "entmax15";
};
template <>
struct described<entmax> {
  static constexpr std::string_view name = "entmax";
  static void numbers(auto& p, auto const& f) { f("alpha", p.alpha, entmax::alpha_range); }
};

template <>
struct described<ssmax> {
  static constexpr std::string_view name = "ssmax";
  static void numbers(auto& p, auto const& f) { f("s", p.s); }
};
template <>
struct described<learned_ssmax> {
  static constexpr std::string_view name = "learned_ssmax";
  static void numbers(auto& p, auto const& f) { f("s", p.s, learned_ssmax::s_range); }
};
template <>
struct described<log_n> {
  static constexpr std::string_view name = "log_n";
  static void numbers(auto& p, auto const& f) { f("trained", p.trained); }
};
template <>
struct described<su_log_n> {
  static constexpr std::string_view name = "su_log_n";
  static void numbers(auto& p, auto const& f) { f("kappa", p.kappa); }
};
template <>
struct described<yarn> {
  static constexpr std::string_view name = "yarn";
  static void numbers(auto& p, auto const& f) { f("factor", p.factor); }
};
template <>
struct described<position_steps> {
  static constexpr std::string_view name = "position_steps";
  static void numbers(auto& p, auto const& f) { f("strength", p.strength), f("step", p.step); }
};
template <>
struct described<asentmax> {
  static constexpr std::string_view name = "asentmax";
  static void numbers(auto& p, auto const& f) {
    f("delta", p.delta), f("beta", p.beta, asentmax::beta_range), f("gamma", p.gamma, asentmax::gamma_range);
  }
};

template <>
struct described<unmasked> : detail::without_numbers {
  static constexpr std::string_view name = "unmasked";
};
template <>
struct described<causal> : detail::without_numbers {
  static constexpr std::string_view name = "causal";
};
template <>
struct described<sliding_window> {
  static constexpr std::string_view name = "sliding_window";
  static void numbers(auto& p, auto const& f) { f("left", p.left), f("right", p.right); }
};
template <>
struct described<block_causal> {
  static constexpr std::string_view name = "block_causal";
  static void numbers(auto& p, auto const& f) { f("block", p.block); }
};
template <>
struct described<prefix> {
  static constexpr std::string_view name = "prefix";
  static void numbers(auto& p, auto const& f) { f("length", p.length); }
};

template <>
struct described<keep_all> : detail::without_numbers {
  static constexpr std::string_view name = "keep_all";
};
template <>
struct described<window_with_sinks> {
  static constexpr std::string_view name = "window_with_sinks";
  static void numbers(auto& p, auto const& f) { f("sinks", p.sinks), f("recent", p.recent), f("ahead", p.ahead); }
};
template <>
struct described<score_floor> {
  static constexpr std::string_view name = "score_floor";
  static void numbers(auto& p, auto const& f) { f("least", p.least); }
};

template <>
struct described<scaled> {
  static constexpr std::string_view name = "scaled";
  static void numbers(auto& p, auto const& f) { f("scale", p.scale); }
};
template <>
struct described<soft_cap> {
  static constexpr std::string_view name = "soft_cap";
  static void numbers(auto& p, auto const& f) { f("cap", p.cap), f("scale", p.scale); }
};
template <scorer Scorer>
struct described<alibi<Scorer>> : detail::without_numbers {
  static constexpr std::string_view name = "alibi";
};

}  // namespace basin::lm
