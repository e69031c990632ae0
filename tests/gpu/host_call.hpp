// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The interface between the tests, compiled by the host's compiler, and the units compiled by nvcc: tensors with all
// memory around them, and functions that run a call on the device.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "basin/core/problem.hpp"
#include "basin/core/view.hpp"

namespace basin_test {

using basin::index_t;

/// Host memory and the layout of a tensor in it. The device gets a copy, gaps and poison included.
template <class T>
struct host_tensor {
  T* memory;
  std::size_t count;
  index_t first;
  std::array<index_t, 4> extents, strides;

  /// `of`: a tensor of support/tensors.hpp.
  template <class Tensor>
  static host_tensor of(Tensor& t) {
    auto const all = [](auto const& of) { return std::array<index_t, 4>{of(0), of(1), of(2), of(3)}; };
    return {t.memory.data(), t.memory.size(), t.v.data_handle() - t.memory.data(),
            all([&](int r) { return t.v.extent(r); }), all([&](int r) { return t.v.stride(r); })};
  }
};

/// The operands of a call. Memory of a pass that is not run may be anything.
template <class E, class Out>
struct host_call {
  host_tensor<E> q, k, v, dout;
  host_tensor<Out> out, dq, dk, dv;

  /// Inputs of one call of support/calls.hpp, outputs of another.
  template <class Inputs, class Outputs>
  static host_call of(Inputs& in, Outputs& to) {
    using input = host_tensor<E>;
    using output = host_tensor<Out>;
    return {input::of(in.q),   input::of(in.k),  input::of(in.v),  input::of(in.dout),
            output::of(to.out), output::of(to.dq), output::of(to.dk), output::of(to.dv)};
  }
};

/// Keys and values of sequences of different lengths, in pages.
template <class E>
struct host_pages {
  host_tensor<E> keys, values;                                   // [pages, kv_heads, page_size, dim]
  std::vector<std::int32_t> table, lengths;                      // [batch, places], [batch]
};

/// Each function copies the operands to the device, poison in outputs included, runs one call and copies the outputs
/// back. Workspace and kept rows start as NaN. Instantiated in the .cu files of this folder, for the policies of
/// policies.hpp.
///
/// Errors    cuda_error, and those of the entry
template <class Attention, class E, class Out>
void forward_on_device(Attention const& use, host_call<E, Out> const& c);
template <class Attention, class E, class Out>
void backward_on_device(Attention const& use, host_call<E, Out> const& c);
/// A forward that keeps its rows, and a backward that uses them.
template <class Attention, class E>
void train_on_device(Attention const& use, host_call<E, E> const& c);
template <class Attention, class E, class Out>
void decode_on_device(Attention const& use, host_call<E, Out> const& c);
template <class Attention, class E, class Out>
void decode_on_device(Attention const& use, host_tensor<E> const& q, host_pages<E> const& pages,
                      host_tensor<Out> const& out);

}  // namespace basin_test
