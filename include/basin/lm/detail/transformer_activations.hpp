// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <span>
#include <vector>

#include "basin/lm/transformer_config.hpp"

namespace basin::lm {

/// Whether a forward pass leaves behind what a backward pass needs.
enum class activations { discard, keep };

namespace detail {

/// Memory of an engine that grows to what was asked for and is used again.
template <class Engine>
class buffer {
 public:
  using T = typename Engine::storage::value_type;

  T* take(index_t count) {
    if (static_cast<index_t>(memory.size()) < count) memory.resize(static_cast<std::size_t>(count));
    return memory.data();
  }
  view<T, 2> take(index_t rows, index_t columns) { return contiguous(take(rows * columns), rows, columns); }
  std::span<T> vector(index_t count) { return {take(count), static_cast<std::size_t>(count)}; }

 private:
  typename Engine::storage memory;
};

/// What one layer computes on the way; all of it is needed again by the backward pass.
template <class T>
struct layer_activations {
  view<T, 2> input, middle, output;  // [rows, dim] the residual stream before attention, between, and after the MLP
  view<T, 2> attention_normed, mlp_normed;        // [rows, dim]
  std::span<T> attention_inverse_rms, mlp_inverse_rms;  // [rows]
  view<T, 2> qkv;                                 // [rows, (heads + 2 kv_heads) head_dim], q and k rotated
  view<T, 2> attended;                            // [rows, heads head_dim]
  view<T, 2> gate_up;                             // [rows, 2 hidden]
  view<T, 2> hidden;                              // [rows, hidden]
};

/// The memory behind layer_activations, the residual stream excepted.
template <class Engine>
class layer_buffers {
 public:
  using T = typename Engine::storage::value_type;

  layer_activations<T> take(transformer_config const& c, index_t rows, view<T, 2> input, view<T, 2> middle,
                            view<T, 2> output) {
    return {.input = input,
            .middle = middle,
            .output = output,
            .attention_normed = attention_normed.take(rows, c.dim),
            .mlp_normed = mlp_normed.take(rows, c.dim),
            .attention_inverse_rms = attention_inverse_rms.vector(rows),
            .mlp_inverse_rms = mlp_inverse_rms.vector(rows),
            .qkv = qkv.take(rows, c.qkv_dim()),
            .attended = attended.take(rows, c.heads * c.head_dim()),
            .gate_up = gate_up.take(rows, 2 * c.hidden),
            .hidden = hidden.take(rows, c.hidden)};
  }

 private:
  buffer<Engine> attention_normed, mlp_normed, attention_inverse_rms, mlp_inverse_rms, qkv, attended, gate_up, hidden;
};

/// All activations of a pass. Kept, every layer has its own and the stream is copied at every step; discarded, all
/// layers share one set and the stream is one buffer that they add to.
template <class Engine>
class activation_store {
 public:
  using T = typename Engine::storage::value_type;

  std::vector<layer_activations<T>> take(transformer_config const& c, index_t rows, activations keep) {
    std::size_t const sets = keep == activations::keep ? static_cast<std::size_t>(c.layers) : 1;
    if (layers.size() < sets) layers.resize(sets);
    if (stream.size() < 2 * sets + 1) stream.resize(2 * sets + 1);
    std::vector<layer_activations<T>> taken;
    for (std::size_t l = 0; l < static_cast<std::size_t>(c.layers); ++l) {
      auto const part = [&](std::size_t i) {
        return stream[keep == activations::keep ? 2 * l + i : 0].take(rows, c.dim);
      };
      taken.push_back(layers[l % sets].take(c, rows, part(0), part(1), part(2)));
    }
    return taken;
  }

 private:
  std::vector<layer_buffers<Engine>> layers;
  std::vector<buffer<Engine>> stream;
};

/// A buffer of rows seen as attention sees it: heads [first, first + heads) of every row. // [batch, heads, length,
/// head_dim]
template <class T>
view<T, 4> heads_of(view<T, 2> rows, index_t batch, index_t first, index_t heads, index_t head_dim) {
  index_t const length = rows.extent(0) / batch, step = rows.stride(0);
  return strided(rows.data_handle() + first * head_dim, std::array<index_t, 4>{batch, heads, length, head_dim},
                 std::array<index_t, 4>{length * step, head_dim, step, 1});
}

/// Columns [first, first + count) of every row.
template <class T>
view<T, 2> columns_of(view<T, 2> rows, index_t first, index_t count) {
  return strided(rows.data_handle() + first, std::array<index_t, 2>{rows.extent(0), count},
                 std::array<index_t, 2>{rows.stride(0), 1});
}

}  // namespace detail
}  // namespace basin::lm
