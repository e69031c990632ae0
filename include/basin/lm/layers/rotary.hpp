// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "basin/lm/devices/memory.hpp"
#include "basin/nn/device/rope.hpp"
#include "basin/nn/rope.hpp"
#include "basin/nn/rope_scaling.hpp"

namespace basin::lm {

/// Rotary positions: how far each pair of features turns from one position to the next.
struct rotary_config {
  double base = 1e4;
  nn::rope_pairing pairing = nn::rope_pairing::halves;
  nn::rope_scaling scaling = nn::unscaled{};
  index_t features = 0;  // of a head that are rotated, the first ones; 0: all
};

/// Rotary positions of queries and keys, with a table that copies share.
///
/// Source    Su et al. 2021, eq. 34; scalings: nn/rope_scaling.hpp
/// Shapes    x [batch, heads, length, dim], with dim of stride 1
/// Errors    value_error: no position, an odd number of features, or more than a head has; shape_error: a position that
///           the table does not have
template <class T, class Device>
class rotary {
 public:
  rotary(Device& on, index_t positions, index_t head_dim, rotary_config const& c)
      : features(c.features > 0 ? c.features : head_dim) {
    if (features > head_dim || features % 2 != 0)
      throw value_error(message("basin::lm::rotary: ", features, " features of a head of ", head_dim,
                                " are rotated; give an even number, at most that of the head"));
    auto const turns = nn::frequencies_of(features, c.base, c.scaling);
    nn::rope_table<T> made(positions, turns.values, c.pairing, turns.amplitude);
    if constexpr (is_host<Device>) table = std::make_shared<nn::rope_table<T> const>(std::move(made));
    else {
      index_t const half = features / 2;
      auto const count = static_cast<std::size_t>(positions * half);
      auto there = std::make_shared<on_device>();
      there->cosine = memory(count), there->sine = memory(count);
      on.put(std::span<T const>(made.cosine(0), count), there->cosine.data());
      on.put(std::span<T const>(made.sine(0), count), there->sine.data());
      there->seen = {contiguous(std::as_const(there->cosine).data(), positions, half),
                     contiguous(std::as_const(there->sine).data(), positions, half), c.pairing};
      table = std::move(there);
    }
  }

  /// Turns x to its positions, which begin with `first`.
  void forward(Device& on, view<T, 4> x, index_t first) const {
    nn::rope_forward(on, rotated(x), table_seen(), first);
  }
  void backward(Device& on, view<T, 4> dx, index_t first = 0) const {
    nn::rope_backward(on, rotated(dx), table_seen(), first);
  }

 private:
  using memory = typename Device::template memory<T>;
  struct on_device {
    memory cosine, sine;
    nn::device_rope_table<T> seen;
  };
  using table_type = std::conditional_t<is_host<Device>, nn::rope_table<T>, on_device>;

  decltype(auto) table_seen() const {
    if constexpr (is_host<Device>) return (*table);
    else return (table->seen);
  }
  view<T, 4> rotated(view<T, 4> x) const {
    return strided(x.data_handle(), std::array<index_t, 4>{x.extent(0), x.extent(1), x.extent(2), features},
                   std::array<index_t, 4>{x.stride(0), x.stride(1), x.stride(2), x.stride(3)});
  }

  index_t features;
  std::shared_ptr<table_type const> table;
};

}  // namespace basin::lm
