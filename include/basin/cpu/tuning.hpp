// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string_view>
#include <type_traits>

#include "basin/core/error.hpp"
#include "basin/core/simd.hpp"
#include "basin/core/view.hpp"

namespace basin::cpu {

/// How a call is cut up. It changes speed and rounding, never what is computed; results do not depend on the thread count.
struct tuning {
  index keys_per_block = 128;           // 128 keys x 32 queries x 4 bytes = 16 KiB: a block of scores stays in L1
  index panel_bytes = 1 << 20;          // scores of one panel that still fit a 2 MiB L2 beside keys and values
  index tasks = 16;                     // pieces that one head is cut into where there are fewer heads than this

  friend constexpr bool operator==(tuning const&, tuning const&) = default;

  void validate(std::string_view who) const {
    if (keys_per_block < 1) throw value_error(message(who, ": tuning.keys_per_block is ", keys_per_block, "; a block needs at least 1 key"));
    if (panel_bytes < 1) throw value_error(message(who, ": tuning.panel_bytes is ", panel_bytes, "; it must be at least 1 byte"));
    if (tasks < 1) throw value_error(message(who, ": tuning.tasks is ", tasks, "; there must be at least 1"));
  }
};

/// Queries of a panel stand in the lanes of this many vectors. Two chains of vectors x `tile_rows` broadcasts keep
/// 2 x 8 accumulators in 32 registers (AVX-512), 2 x 6 in 16 (AVX2): enough to hide the latency of an FMA.
inline constexpr int panel_vectors = 2;
template <class T>
inline constexpr int tile_rows = sizeof(simd<T>) >= 64 ? 8 : 6;

template <class T>
inline constexpr index lanes = static_cast<index>(simd<T>::size);

/// The type that numbers of a storage type are computed in: float for float and the 16-bit types, double for double.
template <class Storage>
struct compute_type {
  using type = float;
};
template <>
struct compute_type<double> {
  using type = double;
};
template <class Storage>
using compute_t = typename compute_type<std::remove_const_t<Storage>>::type;

}  // namespace basin::cpu
