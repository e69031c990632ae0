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

/// The number of doubles that adamw() needs as workspace on the device: a sum of squares per block of values, and their
/// total.
template <device D, class T>
std::size_t adamw_workspace(D const&, std::span<parameter<T> const> parameters) {
  index_t blocks = 1;
  for (auto const& p : parameters)
    blocks += std::max<index_t>(1, (std::ssize(p.values) + detail::block - 1) / detail::block);
  return static_cast<std::size_t>(blocks);
}

/// One step, as adamw() on the host, with values, gradients and moments in device memory. Waits for the norm of the
/// gradient.
///
/// State     `steps`, `first` and `second` as in adamw_state; resize() of the last two must give zeros
/// Errors    as adamw() on the host; shape_error: a workspace of less than adamw_workspace(); then nothing is changed
/// Determinism  run_to_run
template <device D, class T, class State>
double adamw(D& on, std::span<parameter<T> const> parameters, State& state, double rate, adamw_options const& options,
             std::span<double> workspace) {
  char const* const function = "basin::nn::adamw";
  index_t const count = parameter_count(parameters);
  detail::require_adamw(count, state, options, rate);
  if (workspace.size() < adamw_workspace(on, parameters))
    throw shape_error(message(function, ": the workspace has ", workspace.size(), " numbers but the call needs ",
                              adamw_workspace(on, parameters), "; adamw_workspace(on, parameters) returns the number"));
  double* const total = workspace.data();
  double* sums = total + 1;
  for (auto const& p : parameters) {
    detail::block_sums<detail::square_of_element<T>> const grid{
        std::ssize(p.gradient), detail::block, sums, {p.gradient.data()}};
    on.launch(function, grid);
    sums += grid.blocks();
  }
  index_t const blocks = sums - total - 1;
  on.launch(function,
            detail::block_sums<detail::number_itself>{blocks, std::max<index_t>(blocks, 1), total, {total + 1}});
  double const norm = detail::require_finite(std::sqrt(on.read(total)));
  if (state.steps == 0) {
    state.first.resize(static_cast<std::size_t>(count));
    state.second.resize(static_cast<std::size_t>(count));
  }
  ++state.steps;
  index_t first = 0;
  for (auto const& p : parameters) {
    detail::moved_element<T> const f{p.values.data(), state.first.data() + first, state.second.data() + first,
                                     p.gradient.data(),
                                     detail::step_of<T>(state.steps, norm, rate, options, p.shape.size())};
    on.launch(function, detail::each_element<detail::moved_element<T>>{std::ssize(p.values), f});
    first += std::ssize(p.values);
  }
  return norm;
}

}  // namespace basin::nn
