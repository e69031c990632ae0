// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Every normalizer of basin/normalize, by families, so that a program may compile each family in a unit of its own: a
// normalizer costs two to three seconds of compile time.

#include "basin/lm/policies/registry.hpp"

namespace basin::lm {

/// Exponentials over one divisor.
template <class... Ts>
void add_softmax_family(registry& to) {
  to.add<softmax, Ts...>();
  to.add<softmax_n, Ts...>();
  to.add<sink_logit, Ts...>();
  to.add<adaptive_temperature, Ts...>();
}
/// Weights that are not all positive, or that a difference of exponentials makes.
template <class... Ts>
void add_signed_family(registry& to) {
  to.add<softpick, Ts...>();
  to.add<self_adjusted, Ts...>();
  to.add<self_adjusted_plain, Ts...>();
}
/// Each weight from its own score.
template <class... Ts>
void add_pointwise_family(registry& to) {
  to.add<sigmoid, Ts...>();
  to.add<relu, Ts...>();
  to.add<squared_relu, Ts...>();
}
/// Chosen sets of keys.
template <class... Ts>
void add_set_family(registry& to) {
  to.add<top_k, Ts...>();
  to.add<top_p, Ts...>();
}
/// Thresholds: sparsemax and entmax.
template <class... Ts>
void add_threshold_family(registry& to) {
  to.add<sparsemax, Ts...>();
  to.add<entmax15, Ts...>();
  to.add<entmax, Ts...>();
}

/// All of them, for calls of the value types Ts; one unit that takes half a minute.
template <class... Ts>
registry catalogue() {
  registry all;
  add_softmax_family<Ts...>(all);
  add_signed_family<Ts...>(all);
  add_pointwise_family<Ts...>(all);
  add_set_family<Ts...>(all);
  add_threshold_family<Ts...>(all);
  return all;
}

}  // namespace basin::lm
