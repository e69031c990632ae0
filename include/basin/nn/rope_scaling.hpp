// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <variant>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

// The frequencies of rotary positions: theta_d = base^(-2d/dim) for the pair d of a head (Su et al. 2021, section
// 3.2.2), and the ways to change them for a context `factor` times as long as that of training. The wavelength of a
// pair is 2 pi / theta_d, the distance over which it turns once.
//
// - unscaled:        theta_d
// - linear_scaling:  theta_d / factor: positions are interpolated
// - ntk_scaling:     a larger base: the fastest pair stays, the slowest is divided by factor
// - yarn_scaling:    fast pairs stay, slow pairs are divided by factor, a ramp in between; cos and sin are multiplied
// - llama3_scaling:  the same idea, with a ramp in the number of turns, as Llama 3.1 was trained

namespace basin::nn {

struct unscaled {
  friend bool operator==(unscaled const&, unscaled const&) = default;
};

/// theta_d / factor.
///
/// Source    Chen et al. 2023, arXiv 2306.15595, section 2.3
/// Errors    value_error: factor is below 1 or not finite
struct linear_scaling {
  double factor = 1;

  friend bool operator==(linear_scaling const&, linear_scaling const&) = default;
};

/// The frequencies of the base b factor^(dim / (dim - 2)).
///
/// Source    bloc97 2023, "NTK-aware scaled RoPE"; Peng et al. 2023, arXiv 2309.00071, section 3.1
/// Errors    value_error: factor is below 1 or not finite; dim is 2
struct ntk_scaling {
  double factor = 1;

  friend bool operator==(ntk_scaling const&, ntk_scaling const&) = default;
};

/// theta_d for pairs that turn more than beta_fast times over the original context, theta_d / factor for those that
/// turn less than beta_slow times, and a ramp in d in between. cos and sin are multiplied by 0.1 log(factor) + 1, so
/// scores are multiplied by its square.
///
/// Source    Peng et al. 2023, arXiv 2309.00071, sections 3.2 and 3.4; the ramp as in the authors' code and in Hugging
///           Face transformers (modeling_rope_utils.py): its ends are pairs, rounded outwards to whole numbers
/// Errors    value_error: factor is below 1 or not finite; original_context is below 1; not 0 < beta_slow < beta_fast;
///           the base is not above 1
struct yarn_scaling {
  double factor = 1;
  index_t original_context = 0;                                  // of training before the extension
  double beta_fast = 32, beta_slow = 1;

  friend bool operator==(yarn_scaling const&, yarn_scaling const&) = default;
};

/// theta_d for wavelengths below original_context / high_frequency_factor, theta_d / factor for those above
/// original_context / low_frequency_factor, and a ramp in original_context / wavelength in between.
///
/// Source    Llama 3.1 (Meta, llama-models, apply_scaling of 2024); the defaults are those of Llama 3.1
/// Errors    value_error: factor is below 1 or not finite; original_context is below 1; not 0 <
///           low_frequency_factor < high_frequency_factor
struct llama3_scaling {
  double factor = 8, low_frequency_factor = 1, high_frequency_factor = 4;
  index_t original_context = 8192;

  friend bool operator==(llama3_scaling const&, llama3_scaling const&) = default;
};

using rope_scaling = std::variant<unscaled, linear_scaling, ntk_scaling, yarn_scaling, llama3_scaling>;

/// The angle per position of every pair, and the factor of cos and sin.
///
/// Shapes    values [dim / 2]
struct rope_frequencies {
  std::vector<double> values;
  double amplitude = 1;
};

namespace detail {

inline void require_rope_base(char const* function, index_t dim, double base) {
  if (dim < 2 || dim % 2 != 0)
    throw value_error(message("basin::nn::", function, ": dim is ", dim, "; it must be even and at least 2"));
  if (!(base > 0) || !std::isfinite(base))
    throw value_error(message("basin::nn::", function, ": base is ", base, "; it must be > 0 and finite"));
}

inline void require_factor(char const* scaling, double factor) {
  if (!(factor >= 1) || !std::isfinite(factor))
    throw value_error(message("basin::nn::", scaling, ": factor is ", factor,
                              "; it must be 1 or more, and finite: the extended context over the original one"));
}

inline void require_original_context(char const* scaling, index_t context) {
  if (context < 1)
    throw value_error(message("basin::nn::", scaling, ": original_context is ", context,
                              "; it must be 1 or more: the context before the extension"));
}

/// theta_d = base^(-2d/dim)
inline std::vector<double> powers_of_base(index_t dim, double base) {
  std::vector<double> theta(static_cast<std::size_t>(dim / 2));
  for (std::size_t d = 0; d < theta.size(); ++d)
    theta[d] = std::pow(base, -2.0 * static_cast<double>(d) / static_cast<double>(dim));
  return theta;
}

inline rope_frequencies scaled_frequencies(index_t dim, double base, unscaled const&) {
  return {powers_of_base(dim, base)};
}

inline rope_frequencies scaled_frequencies(index_t dim, double base, linear_scaling const& scaling) {
  require_factor("linear_scaling", scaling.factor);
  rope_frequencies f{powers_of_base(dim, base)};
  for (double& theta : f.values) theta /= scaling.factor;
  return f;
}

inline rope_frequencies scaled_frequencies(index_t dim, double base, ntk_scaling const& scaling) {
  require_factor("ntk_scaling", scaling.factor);
  if (dim < 4)
    throw value_error(message("basin::nn::ntk_scaling: dim is ", dim,
                              "; it must be at least 4, because one pair has no slower one; use linear_scaling"));
  double const n = static_cast<double>(dim);
  return {powers_of_base(dim, base * std::pow(scaling.factor, n / (n - 2)))};
}

inline rope_frequencies scaled_frequencies(index_t dim, double base, yarn_scaling const& scaling) {
  auto const [factor, context, fast, slow] = scaling;
  require_factor("yarn_scaling", factor);
  require_original_context("yarn_scaling", context);
  if (!(0 < slow && slow < fast) || !std::isfinite(fast))
    throw value_error(message("basin::nn::yarn_scaling: beta_slow is ", slow, ", beta_fast is ", fast,
                              "; they must be finite with 0 < beta_slow < beta_fast"));
  if (!(base > 1))
    throw value_error(message("basin::nn::yarn_scaling: base is ", base, "; it must be > 1"));
  double const n = static_cast<double>(dim), length = static_cast<double>(context);
  // The pair that turns `turns` times over the context: context theta_d = 2 pi turns, solved for d.
  auto const pair_of = [&](double turns) {
    return n * std::log(length / (turns * 2 * std::numbers::pi)) / (2 * std::log(base));
  };
  double const first = std::clamp(std::floor(pair_of(fast)), 0.0, n - 1);
  double const last = std::clamp(std::ceil(pair_of(slow)), 0.0, n - 1);
  double const width = last == first ? 0.001 : last - first;     // as the sources avoid a division by 0
  rope_frequencies f{powers_of_base(dim, base), 0.1 * std::log(factor) + 1};
  for (std::size_t d = 0; d < f.values.size(); ++d) {
    double const slowness = std::clamp((static_cast<double>(d) - first) / width, 0.0, 1.0);
    f.values[d] = f.values[d] * (1 - slowness) + f.values[d] / factor * slowness;
  }
  return f;
}

inline rope_frequencies scaled_frequencies(index_t dim, double base, llama3_scaling const& scaling) {
  auto const [factor, low, high, context] = scaling;
  require_factor("llama3_scaling", factor);
  require_original_context("llama3_scaling", context);
  if (!(0 < low && low < high) || !std::isfinite(high))
    throw value_error(message("basin::nn::llama3_scaling: low_frequency_factor is ", low,
                              ", high_frequency_factor is ", high, "; they must be finite with 0 < low < high"));
  rope_frequencies f{powers_of_base(dim, base)};
  for (double& theta : f.values) {
    double const turns = static_cast<double>(context) * theta / (2 * std::numbers::pi);
    double const kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    theta = kept * theta + (1 - kept) * theta / factor;
  }
  return f;
}

}  // namespace detail

/// The frequencies of a head under a scaling.
///
/// Shapes    dim / 2 frequencies
/// Errors    value_error: an odd dim, a base that is not positive and finite, or those of the scaling
inline rope_frequencies frequencies_of(index_t dim, double base, rope_scaling const& scaling = unscaled{}) {
  detail::require_rope_base("frequencies_of", dim, base);
  return std::visit([&](auto const& rule) { return detail::scaled_frequencies(dim, base, rule); }, scaling);
}

}  // namespace basin::nn
