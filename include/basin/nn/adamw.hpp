// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/nn/detail/lanes.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/parameter.hpp"

// Adam with decoupled weight decay and clipping by the global norm. Source: Loshchilov & Hutter 2019, algorithm 2.

namespace basin::nn {

struct adamw_options {
  double beta1 = 0.9, beta2 = 0.98, epsilon = 1e-8;
  double weight_decay = 0.1;  // of matrices; vectors (norm weights) do not decay
  double clip = 1.0;          // largest global norm of the gradient; infinity disables clipping
};

/// The state that a resumed run needs: the number of steps done and both moments, in the order of the parameters.
template <class T, class Memory = std::vector<T>>
struct adamw_state {
  std::int64_t steps = 0;
  Memory first, second;
};

namespace detail {

/// Values that one thread processes at a time; sums over blocks have the same bits for any number of threads.
inline constexpr index_t block = 4096;

/// The sum of squares, in double.
template <class T>
double squared_norm(std::span<T const> x) {
  index_t const blocks = (std::ssize(x) + block - 1) / block;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  BASIN_OMP(parallel for schedule(static) if (blocks > 8))
  for (index_t b = 0; b < blocks; ++b) {
    index_t const last = std::min<index_t>(std::ssize(x), (b + 1) * block);
    double sum = 0;
    BASIN_OMP(simd reduction(+ : sum))
    for (index_t i = b * block; i < last; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    sums[b] = sum;
  }
  double total = 0;
  for (double const s : sums) total += s;
  return total;
}

/// The numbers of one step that are the same for every element.
template <class T>
struct adamw_step {
  T clip, beta1, beta2, rate, unbias2, epsilon, keep;
};

/// The update of one element (or of a SIMD batch of elements), for every engine.
template <class V>
struct moved {
  V first, second, value;
};
template <class V, class T>
BASIN_HD BASIN_INLINE moved<V> move_element(V value, V first, V second, V gradient, adamw_step<T> const& s) {
  V const g = V(s.clip) * gradient;
  V const mean = V(s.beta1) * first + V(T(1) - s.beta1) * g;
  V const square = V(s.beta2) * second + V(T(1) - s.beta2) * g * g;
  V const step = V(s.rate) * mean / (math::sqrt(square * V(s.unbias2)) + V(s.epsilon));
  return {mean, square, V(s.keep) * value - step};
}

template <class T>
void move_parameter(parameter<T> const& p, T* m, T* v, adamw_step<T> s) {
  index_t const count = std::ssize(p.values), blocks = (count + block - 1) / block;
  BASIN_OMP(parallel for schedule(static) if (blocks > 8))
  for (index_t b = 0; b < blocks; ++b) {
    index_t const first = b * block;
    T *const w = p.values.data() + first, *const mean = m + first, *const square = v + first;
    T const* const g = p.gradient.data() + first;
    for_lanes<T>(std::min(block, count - first), [&](auto lane, index_t i) {
      using lanes = decltype(lane);
      auto const to = move_element(load<lanes>(w + i), load<lanes>(mean + i), load<lanes>(square + i),
                                   load<lanes>(g + i), s);
      store(to.first, mean + i);
      store(to.second, square + i);
      store(to.value, w + i);
    });
  }
}

/// State: adamw_state, or a state in a device's memory; `count`: number of values of the parameters.
template <class State>
void require_adamw(index_t count, State const& state, adamw_options const& o, double rate) {
  auto const within = [](char const* what, double value, double low, double high) {
    if (!(value >= low && value < high))
      throw value_error(message("basin::nn::adamw: ", what, " is ", value, "; it must be in [", low, ", ", high, ")"));
  };
  double const unbounded = std::numeric_limits<double>::infinity();
  within("beta1", o.beta1, 0, 1);
  within("beta2", o.beta2, 0, 1);
  within("weight_decay", o.weight_decay, 0, unbounded);
  within("the learning rate", rate, 0, unbounded);
  if (!(o.epsilon > 0) || !(o.clip > 0))
    throw value_error(message("basin::nn::adamw: epsilon is ", o.epsilon, ", clip is ", o.clip, "; both must be > 0"));
  if (state.steps > 0 && (std::ssize(state.first) != count || std::ssize(state.second) != count))
    throw shape_error(message("basin::nn::adamw: the state holds ", state.first.size(), " and ", state.second.size(),
                              " moments, the parameters have ", count, " values; resume with the state of this model"));
}

inline double require_finite(double norm) {
  if (std::isfinite(norm)) return norm;
  throw value_error(message("basin::nn::adamw: the gradient has norm ", norm,
                            "; it must be finite; lower the learning rate"));
}

/// The numbers of step t, counted from 1, for a parameter with `rank` axes.
template <class T>
adamw_step<T> step_of(std::int64_t t, double norm, double rate, adamw_options const& o, std::size_t rank) {
  double const n = static_cast<double>(t), decay = rank > 1 ? o.weight_decay : 0;
  double const unbias1 = 1 / (1 - std::pow(o.beta1, n)), unbias2 = 1 / (1 - std::pow(o.beta2, n));
  return {.clip = static_cast<T>(norm > o.clip ? o.clip / norm : 1.0),
          .beta1 = static_cast<T>(o.beta1),
          .beta2 = static_cast<T>(o.beta2),
          .rate = static_cast<T>(rate * unbias1),
          .unbias2 = static_cast<T>(unbias2),
          .epsilon = static_cast<T>(o.epsilon),
          .keep = static_cast<T>(1 - rate * decay)};
}

}  // namespace detail

/// The number of doubles that adamw() needs as workspace: none on the host.
template <class T>
std::size_t adamw_workspace(host const&, std::span<parameter<T> const>) {
  return 0;
}

/// One step: m, v <- moments of the clipped gradient; w <- (1 - rate decay) w - rate m^ / (sqrt(v^) + epsilon).
/// Returns the norm of the gradient before clipping.
///
/// State     adamw_state; a new one is sized in the first step
/// Errors    value_error: options out of range, a gradient that is not finite; shape_error: the state of another model;
///           then nothing is changed
/// Determinism  run_to_run, for any number of threads
template <class T, class Memory>
double adamw(host const&, std::type_identity_t<std::span<parameter<T> const>> parameters, adamw_state<T, Memory>& state,
             double rate, adamw_options const& options = {}, std::span<double> = {}) {
  index_t const count = parameter_count(parameters);
  detail::require_adamw(count, state, options, rate);
  double squares = 0;
  for (auto const& p : parameters) squares += detail::squared_norm<T>(p.gradient);
  double const norm = detail::require_finite(std::sqrt(squares));
  if (state.steps == 0) {
    state.first.assign(static_cast<std::size_t>(count), T(0));
    state.second.assign(static_cast<std::size_t>(count), T(0));
  }
  ++state.steps;
  index_t first = 0;
  for (auto const& p : parameters) {
    auto const step = detail::step_of<T>(state.steps, norm, rate, options, p.shape.size());
    detail::move_parameter(p, state.first.data() + first, state.second.data() + first, step);
    first += std::ssize(p.values);
  }
  return norm;
}

}  // namespace basin::nn
