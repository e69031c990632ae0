// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include "basin/lm/devices/host_engine.hpp"
#include "basin/lm/transformer_config.hpp"

namespace basin::lm {

/// Keys (already rotated) and values of one sequence, for every layer; room for the whole context is taken once.
template <class T, class Engine = host_engine<T>>
class basic_key_value_cache {
 public:
  explicit basic_key_value_cache(transformer_config const& c) : shape(c) {
    validate(c);
    room.resize(static_cast<std::size_t>(2) * c.layers * plane());
  }

  transformer_config const& config() const { return shape; }
  index_t length() const { return filled; }
  index_t capacity() const { return shape.context; }

  /// Forgets every token from `length` on; what stays is as it was.
  void truncate(index_t length) {
    if (length < 0 || length > filled)
      throw value_error(message("basin::lm::key_value_cache: cannot cut ", filled, " tokens to ", length,
                                "; choose 0 to ", filled));
    filled = length;
  }
  void clear() { filled = 0; }

  /// The first `length` keys or values of a layer. // [1, kv_heads, length, head_dim]
  view<T, 4> keys(int layer, index_t length) { return tokens(2 * layer, 0, length); }
  view<T, 4> values(int layer, index_t length) { return tokens(2 * layer + 1, 0, length); }

  /// Copies new keys and values behind those of this layer; they count once `commit` says so for all layers.
  void append(Engine& on, int layer, view<T const, 4> k, view<T const, 4> v) {
    on.copy(k, tokens(2 * layer, filled, k.extent(2)));
    on.copy(v, tokens(2 * layer + 1, filled, v.extent(2)));
  }
  void commit(index_t added) { filled += added; }

 private:
  std::size_t plane() const { return static_cast<std::size_t>(shape.context) * shape.kv_heads * shape.head_dim(); }

  view<T, 4> tokens(int which, index_t first, index_t length) {
    index_t const dim = shape.head_dim(), step = shape.kv_heads * dim;
    return strided(room.data() + which * plane() + first * step, std::array<index_t, 4>{1, shape.kv_heads, length, dim},
                   std::array<index_t, 4>{static_cast<index_t>(plane()), dim, step, 1});
  }

  transformer_config shape;
  typename Engine::storage room;
  index_t filled = 0;
};

using key_value_cache = basic_key_value_cache<float>;

}  // namespace basin::lm
