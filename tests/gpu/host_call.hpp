// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A call as it crosses from the tests, which a host's compiler reads, to the units that nvcc reads: tensors with all that lies around
// them, and the functions that run a call on the device.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "basin/core/problem.hpp"
#include "basin/core/view.hpp"

namespace basin_test {

using basin::index_t;

/// Memory of the host and how a tensor lies in it; the device gets the same, gaps and poison included.
template <class T>
struct host_tensor {
  T* memory;
  std::size_t count;
  index_t first;
  std::array<index_t, 4> extents, strides;

  /// `of`: a tensor of support/tensors.hpp.
  template <class Tensor>
  static host_tensor of(Tensor& t) {
    auto const at = [&](auto const& ask) { return std::array<index_t, 4>{ask(0), ask(1), ask(2), ask(3)}; };
    return {t.memory.data(), t.memory.size(), t.v.data_handle() - t.memory.data(), at([&](int r) { return t.v.extent(r); }), at([&](int r) { return t.v.stride(r); })};
  }
};

/// What a call reads and writes. Memory of a pass that is not run may be anything.
template <class E, class Out>
struct host_call {
  host_tensor<E> q, k, v, dout;
  host_tensor<Out> out, dq, dk, dv;

  /// Inputs of one call of support/calls.hpp, outputs of another.
  template <class Inputs, class Outputs>
  static host_call of(Inputs& in, Outputs& to) {
    using input = host_tensor<E>;
    using output = host_tensor<Out>;
    return {input::of(in.q), input::of(in.k), input::of(in.v), input::of(in.dout), output::of(to.out), output::of(to.dq), output::of(to.dk), output::of(to.dv)};
  }
};

/// Keys and values of sequences of their own lengths, in pages.
template <class E>
struct host_pages {
  host_tensor<E> keys, values;                                   // [pages, kv_heads, page_size, dim]
  std::vector<std::int32_t> table, lengths;                      // [batch, places], [batch]
};

/// Each copies its operands to the device, poison in outputs included, runs one call there and copies the outputs back. The workspace
/// and what rows are kept in begin as NaN. Instantiated in the .cu files of this folder, for the policies of policies.hpp.
///
/// Errors    cuda_error, and those of the entry
template <class Attention, class E, class Out>
void forward_on_device(Attention const& use, host_call<E, Out> const& c);
template <class Attention, class E, class Out>
void backward_on_device(Attention const& use, host_call<E, Out> const& c);
/// A forward that keeps its rows, and a backward that takes them.
template <class Attention, class E>
void train_on_device(Attention const& use, host_call<E, E> const& c);
template <class Attention, class E, class Out>
void decode_on_device(Attention const& use, host_call<E, Out> const& c);
template <class Attention, class E, class Out>
void decode_on_device(Attention const& use, host_tensor<E> const& q, host_pages<E> const& pages, host_tensor<Out> const& out);

}  // namespace basin_test
