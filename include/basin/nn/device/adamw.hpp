// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/adamw.hpp"
#include "basin/nn/device/grids.hpp"

// AdamW of nn/adamw.hpp on a device.

namespace basin::nn {
namespace detail {

template <class T>
struct square_of_element {
  T const* x;

  BASIN_DEVICE double operator()(index_t i) const { return static_cast<double>(x[i]) * static_cast<double>(x[i]); }
};

struct number_itself {
  double const* x;

  BASIN_DEVICE double operator()(index_t i) const { return x[i]; }
};

template <class T>
struct moved_element {
  T *value, *first, *second;
  T const* gradient;
  adamw_step<T> step;

  BASIN_DEVICE void operator()(index_t i) const {
    auto const to = move_element(value[i], first[i], second[i], gradient[i], step);
    first[i] = to.first;
    second[i] = to.second;
    value[i] = to.value;
  }
};

}  // namespace detail

/// How many doubles of the device's memory adamw() wants to work in: a sum of squares of every block of values, and their sum.
template <class T>
std::size_t adamw_workspace(std::span<parameter<T> const> parameters) {
  index_t blocks = 1;
  for (auto const& p : parameters) blocks += std::max<index_t>(1, (std::ssize(p.values) + detail::block - 1) / detail::block);
  return static_cast<std::size_t>(blocks);
}

/// One step, as adamw() on the host, with values, gradients and moments in the device's memory. Waits for the norm of the gradient.
///
/// State     `steps`, `first` and `second` as adamw_state; resize() of the last two makes zeros
/// Errors    as adamw() on the host, and shape_error for a workspace of less than adamw_workspace(); nothing is changed then
/// Determinism  run_to_run
template <device D, class T, class State>
double adamw(D& on, std::span<parameter<T> const> parameters, State& state, double rate, adamw_options const& options, std::span<double> workspace) {
  char const* const who = "basin::nn::adamw";
  index_t const count = parameter_count(parameters);
  detail::require_adamw(count, state, options, rate);
  if (workspace.size() < adamw_workspace(parameters))
    throw shape_error(message(who, ": the workspace has ", workspace.size(), " numbers but the call wants ", adamw_workspace(parameters), "; ask adamw_workspace(parameters)"));
  double* const total = workspace.data();
  double* sums = total + 1;
  for (auto const& p : parameters) {
    detail::block_sums<detail::square_of_element<T>> const grid{std::ssize(p.gradient), detail::block, sums, {p.gradient.data()}};
    on.launch(who, grid);
    sums += grid.blocks();
  }
  index_t const blocks = sums - total - 1;
  on.launch(who, detail::block_sums<detail::number_itself>{blocks, std::max<index_t>(blocks, 1), total, {total + 1}});
  double const norm = detail::require_finite(std::sqrt(on.read(total)));
  if (state.steps == 0) {
    state.first.resize(static_cast<std::size_t>(count));
    state.second.resize(static_cast<std::size_t>(count));
  }
  ++state.steps;
  index_t at = 0;
  for (auto const& p : parameters) {
    detail::moved_element<T> const f{p.values.data(), state.first.data() + at, state.second.data() + at, p.gradient.data(),
                                     detail::step_of<T>(state.steps, norm, rate, options, p.shape.size())};
    on.launch(who, detail::each_element<detail::moved_element<T>>{std::ssize(p.values), f});
    at += std::ssize(p.values);
  }
  return norm;
}

}  // namespace basin::nn
