// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the members of basin/lm/devices/device_engine.hpp do: each is a layer of nn/device/.

#include "basin/lm/devices/device_engine.hpp"
#include "basin/nn/device/adamw.hpp"
#include "basin/nn/device/copy.hpp"
#include "basin/nn/device/cross_entropy.hpp"
#include "basin/nn/device/embedding.hpp"
#include "basin/nn/device/linear.hpp"
#include "basin/nn/device/rms_norm.hpp"
#include "basin/nn/device/rope.hpp"
#include "basin/nn/device/swiglu.hpp"

namespace basin::lm {

template <class Device>
template <class T>
std::span<T> device_engine<Device>::take(memory<T>& room, std::size_t count) {
  if (room.size() < count) room.resize(count);
  return {room.data(), count};
}

template <class Device>
template <class T>
std::span<T const> device_engine<Device>::put(std::span<T const> from, memory<T>& room) {
  auto const to = take(room, from.size());
  on.put(from, to.data());
  return to;
}

template <class Device>
void device_engine<Device>::send(tensors& t) {
  on.put(std::span<float const>(t.on_host()), t.here().data());
}
template <class Device>
void device_engine<Device>::fetch(tensors& t) {
  on.get(t.here().data(), t.on_host());
}
template <class Device>
std::span<float const> device_engine<Device>::to_host(out<2> rows) {
  shown.resize(static_cast<std::size_t>(rows.extent(0) * rows.extent(1)));
  on.get(rows.data_handle(), std::span<float>(shown));
  return shown;
}
template <class Device>
std::span<float const> device_engine<Device>::from_host(std::span<float const> numbers) {
  return put(numbers, numbers_there);
}

template <class Device>
typename device_engine<Device>::rope_table device_engine<Device>::make_rope(index_t positions, index_t dim,
                                                                            double base) {
  nn::rope_table<float> const table(positions, dim, base);
  auto const count = static_cast<std::size_t>(positions * dim / 2);
  rope_table made{storage(count), storage(count), positions, dim / 2};
  on.put(std::span(table.cosine(0), count), made.cosine.data());
  on.put(std::span(table.sine(0), count), made.sine.data());
  return made;
}

template <class Device>
nn::adamw_state<float> device_engine<Device>::to_host(moments const& m) {
  nn::adamw_state<float> state{m.steps, std::vector<float>(m.first.size()), std::vector<float>(m.second.size())};
  on.get(m.first.data(), std::span(state.first));
  on.get(m.second.data(), std::span(state.second));
  return state;
}
template <class Device>
typename device_engine<Device>::moments device_engine<Device>::from_host(nn::adamw_state<float> const& state) {
  moments m{state.steps, storage(state.first.size()), storage(state.second.size())};
  on.put(std::span(state.first), m.first.data());
  on.put(std::span(state.second), m.second.data());
  return m;
}

template <class Device>
void device_engine<Device>::zero(std::span<float> x) {
  nn::fill(on, x, 0);
}
template <class Device>
void device_engine<Device>::copy(std::span<float const> from, std::span<float> to) {
  nn::copy(on, from, to);
}
template <class Device>
void device_engine<Device>::copy(in<4> from, out<4> to) {
  nn::copy(on, from, to);
}
template <class Device>
void device_engine<Device>::embedding_forward(std::span<int const> tokens, in<2> table, out<2> y) {
  nn::detail::require_tokens("embedding_forward", tokens, table.extent(0));
  nn::embedding_forward(on, put(tokens, tokens_there), table, y);
}
template <class Device>
void device_engine<Device>::embedding_backward(std::span<int const> tokens, in<2> dy, out<2> dtable) {
  nn::detail::require_tokens("embedding_backward", tokens, dtable.extent(0));
  nn::embedding_backward(on, put(tokens, tokens_there), dy, dtable);
}
template <class Device>
void device_engine<Device>::linear_forward(in<2> x, in<2> weight, out<2> y, nn::update how) {
  nn::linear_forward(on, x, weight, y, how);
}
template <class Device>
void device_engine<Device>::linear_backward_input(in<2> dy, in<2> weight, out<2> dx) {
  nn::linear_backward_input(on, dy, weight, dx);
}
template <class Device>
void device_engine<Device>::linear_backward_weight(in<2> x, in<2> dy, out<2> dweight) {
  nn::linear_backward_weight(on, x, dy, dweight);
}
template <class Device>
void device_engine<Device>::rms_norm_forward(in<2> x, std::span<float const> weight, double epsilon, out<2> y,
                                             std::span<float> inverse_rms) {
  nn::rms_norm_forward(on, x, weight, epsilon, y, inverse_rms);
}
template <class Device>
void device_engine<Device>::rms_norm_backward(in<2> x, std::span<float const> weight,
                                              std::span<float const> inverse_rms, in<2> dy, out<2> dx,
                                              std::span<float> dweight) {
  nn::rms_norm_backward(on, x, weight, inverse_rms, dy, dx, dweight);
}
template <class Device>
void device_engine<Device>::rope_forward(out<4> x, rope_table const& table, index_t first) {
  nn::rope_forward(on, x, table.on_device(), first);
}
template <class Device>
void device_engine<Device>::rope_backward(out<4> dx, rope_table const& table) {
  nn::rope_backward(on, dx, table.on_device());
}
template <class Device>
void device_engine<Device>::swiglu_forward(in<2> gate, in<2> up, out<2> y) {
  nn::swiglu_forward(on, gate, up, y);
}
template <class Device>
void device_engine<Device>::swiglu_backward(in<2> gate, in<2> up, in<2> dy, out<2> dgate, out<2> dup) {
  nn::swiglu_backward(on, gate, up, dy, dgate, dup);
}

template <class Device>
void device_engine<Device>::cross_entropy(out<2> logits, std::span<int const> targets, std::span<float const> weights) {
  nn::detail::require_cross_entropy<float>("cross_entropy", logits, targets, weights);
  auto const of_rows = take(losses, targets.size());
  nn::cross_entropy(on, logits, put(targets, tokens_there), put(weights, numbers_there), of_rows, logits,
                    take(total, 1).data());
}
template <class Device>
double device_engine<Device>::loss() {
  return on.read(total.data());
}
template <class Device>
double device_engine<Device>::adamw(std::span<nn::parameter<float> const> parameters, moments& m, double rate,
                                    nn::adamw_options const& options) {
  return nn::adamw(on, parameters, m, rate, options, take(work, nn::adamw_workspace(on, parameters)));
}

}  // namespace basin::lm
