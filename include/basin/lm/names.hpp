// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The names of the parts of a model, on command lines and in checkpoints.

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "basin/lm/attention_config.hpp"
#include "basin/lm/layers/mlp.hpp"
#include "basin/lm/layers/norm.hpp"

namespace basin::lm {

template <class T, std::size_t N>
using names_of = std::array<std::pair<std::string_view, T>, N>;

inline constexpr names_of<norm_kind, 2> norm_names{{{"rms_norm", norm_kind::rms}, {"layer_norm", norm_kind::layer}}};
inline constexpr names_of<mlp_kind, 3> mlp_names{
    {{"swiglu", mlp_kind::swiglu}, {"gelu", mlp_kind::gelu}, {"gelu_tanh", mlp_kind::gelu_tanh}}};
inline constexpr names_of<output_gate, 3> gate_names{
    {{"none", output_gate::none}, {"elementwise", output_gate::elementwise}, {"per_head", output_gate::per_head}}};
inline constexpr names_of<qk_norm, 2> qk_norm_names{{{"none", qk_norm::none}, {"rms_norm", qk_norm::rms}}};

/// The name of a value in a list of names.
template <class T, std::size_t N>
constexpr std::string_view name_of(names_of<T, N> const& names, T value) {
  return std::find_if(names.begin(), names.end(), [&](auto const& one) { return one.second == value; })->first;
}

}  // namespace basin::lm
