// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/lm/devices/memory.hpp"
#include "basin/nn/copy.hpp"
#include "basin/nn/device/copy.hpp"

namespace basin::lm {

/// Keys (already rotated) and values of one layer, for sequences that grow together; all memory is taken at once.
///
/// Shapes    keys [batch, kv_heads, length, head_dim], values [batch, kv_heads, length, value_dim]
/// Errors    value_error: a length to which it cannot be truncated; shape_error: more than it has capacity for
template <class T, class Device>
class attention_cache {
 public:
  struct shape {
    index_t batch = 1, capacity = 0, kv_heads = 0, head_dim = 0, value_dim = 0;
    /// The same with another capacity.
    shape with(index_t tokens) const { return {batch, tokens, kv_heads, head_dim, value_dim}; }
    bool operator==(shape const&) const = default;
  };

  explicit attention_cache(shape const& s) : sizes(s) {
    auto const heads = static_cast<std::size_t>(s.batch * s.capacity * s.kv_heads);
    key_memory.resize(heads * static_cast<std::size_t>(s.head_dim));
    value_memory.resize(heads * static_cast<std::size_t>(s.value_dim));
  }

  index_t length() const { return filled; }
  index_t capacity() const { return sizes.capacity; }
  shape const& shape_of() const { return sizes; }

  /// Forgets every token from `length` on; what stays is as it was.
  void truncate(index_t length) {
    if (length < 0 || length > filled)
      throw value_error(message("basin::lm::attention_cache: cannot cut ", filled, " tokens to ", length,
                                "; choose 0 to ", filled));
    filled = length;
  }
  void clear() { filled = 0; }

  view<T, 4> keys() { return tokens(key_memory, sizes.head_dim, 0, filled); }
  view<T, 4> values() { return tokens(value_memory, sizes.value_dim, 0, filled); }

  /// Copies the keys and values of the next tokens behind the others.
  void append(Device& on, view<T const, 4> k, view<T const, 4> v) {
    if (filled + k.extent(2) > sizes.capacity)
      throw shape_error(message("basin::lm::attention_cache: it holds ", filled, " of ", sizes.capacity, " tokens, ",
                                k.extent(2), " more do not fit; truncate it or make one of a larger capacity"));
    nn::copy(on, k, tokens(key_memory, sizes.head_dim, filled, k.extent(2)));
    nn::copy(on, v, tokens(value_memory, sizes.value_dim, filled, v.extent(2)));
    filled += k.extent(2);
  }

 private:
  using memory = typename Device::template memory<T>;

  view<T, 4> tokens(memory& from, index_t dim, index_t first, index_t length) const {
    index_t const step = sizes.kv_heads * dim;
    return strided(from.data() + first * step, std::array<index_t, 4>{sizes.batch, sizes.kv_heads, length, dim},
                   std::array<index_t, 4>{sizes.capacity * step, dim, step, 1});
  }

  shape sizes;
  memory key_memory, value_memory;
  index_t filled = 0;
};

}  // namespace basin::lm
