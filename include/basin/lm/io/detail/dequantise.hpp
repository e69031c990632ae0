// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The values of blocks as floats, one struct a layout: `values` numbers in `bytes` bytes. A value is scale * q, or
// scale * q + minimum, with q of few bits; scales and minima are halves. No block is assumed to be aligned.
// Source: the layouts of ggml (ggml-common.h of ggml-org/ggml), described here in words.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "basin/core/half.hpp"
#include "basin/core/simd.hpp"
#include "basin/lm/io/storage_type.hpp"

namespace basin::lm::detail {

using block_bytes = std::uint8_t const*;

template <class T>
T read_at(block_bytes from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline float half_at(block_bytes from) { return static_cast<float>(read_at<float16>(from)); }

/// Numbers of a plain type, in blocks of 64 to let the compiler use the widest registers.
template <class T>
struct plain_block {
  static constexpr int values = 64, bytes = values * static_cast<int>(sizeof(T));

  static void expand(block_bytes from, float* to) {
    alignas(64) std::array<T, values> numbers;
    std::memcpy(numbers.data(), from, sizeof numbers);
    if constexpr (sizeof(T) == 2) {
      constexpr int width = static_cast<int>(simd<float>::size);
      for (int i = 0; i < values; i += width) load_as<float>(numbers.data() + i).store_unaligned(to + i);
    } else {
      for (int i = 0; i < values; ++i) to[i] = static_cast<float>(numbers[static_cast<std::size_t>(i)]);
    }
  }
};

/// 32 values: half scale, 32 signed bytes.
struct q8_0_block {
  static constexpr int values = 32, bytes = 34;

  static void expand(block_bytes from, float* to) {
    float const scale = half_at(from);
    for (int i = 0; i < values; ++i) to[i] = scale * static_cast<float>(static_cast<std::int8_t>(from[2 + i]));
  }
};

/// What is added to scale * q: a fixed whole number of scales, or a minimum that the block stores.
enum class offset { fixed, minimum };

/// The value of q in a block that begins with its scale and, with a minimum, that one; else q is `zero` too large.
template <offset Offset, int Zero>
struct scaled_value {
  static constexpr int bytes = Offset == offset::minimum ? 4 : 2;
  float scale, least;

  explicit scaled_value(block_bytes from)
      : scale(half_at(from)), least(Offset == offset::minimum ? half_at(from + 2) : 0.0f) {}
  float operator()(int q) const {
    if constexpr (Offset == offset::minimum) return scale * static_cast<float>(q) + least;
    else return scale * static_cast<float>(q - Zero);
  }
};

/// 32 values of 4 bits, two a byte: the low half of byte i is value i, the high half value i + 16.
template <offset Offset>
struct q4_block {
  using value_of = scaled_value<Offset, 8>;
  static constexpr int values = 32, bytes = value_of::bytes + 16;

  static void expand(block_bytes from, float* to) {
    value_of const value{from};
    block_bytes const q = from + value_of::bytes;
    for (int i = 0; i < 16; ++i) to[i] = value(q[i] & 15);
    for (int i = 0; i < 16; ++i) to[i + 16] = value(q[i] >> 4);
  }
};

/// 32 values of 5 bits: as q4_block, with the highest bit of value i in bit i of 32 bits before the bytes.
template <offset Offset>
struct q5_block {
  using value_of = scaled_value<Offset, 16>;
  static constexpr int values = 32, bytes = value_of::bytes + 4 + 16;

  static void expand(block_bytes from, float* to) {
    value_of const value{from};
    auto const high = read_at<std::uint32_t>(from + value_of::bytes);
    block_bytes const q = from + value_of::bytes + 4;
    auto const top = [&](int i) { return static_cast<int>((high >> i) & 1u) << 4; };
    for (int i = 0; i < 16; ++i) to[i] = value((q[i] & 15) | top(i));
    for (int i = 0; i < 16; ++i) to[i + 16] = value((q[i] >> 4) | top(i + 16));
  }
};

/// Eight scales and eight minima of 6 bits in 12 bytes. Bytes 0 to 3 and 4 to 7: the low 6 bits are scales and minima 0
/// to 3, the high 2 bits are the top of scales and minima 4 to 7, whose low 4 bits are the halves of bytes 8 to 11.
struct scales_of_6_bits {
  std::array<std::uint8_t, 8> scale, least;

  explicit scales_of_6_bits(block_bytes from) {
    for (std::size_t i = 0; i < 4; ++i) {
      scale[i] = from[i] & 63;
      least[i] = from[i + 4] & 63;
      scale[i + 4] = static_cast<std::uint8_t>((from[i + 8] & 15) | (from[i] >> 6) << 4);
      least[i + 4] = static_cast<std::uint8_t>((from[i + 8] >> 4) | (from[i + 4] >> 6) << 4);
    }
  }
};

/// 256 values in 8 groups of 32: half scale of the scales, half scale of the minima, scales_of_6_bits, 128 bytes. The
/// low halves of 32 bytes are one group, the high halves the next.
struct q4_k_block {
  static constexpr int values = 256, bytes = 144;

  static void expand(block_bytes from, float* to) {
    float const scale = half_at(from), minimum = half_at(from + 2);
    scales_of_6_bits const groups{from + 4};
    for (std::size_t g = 0; g < 8; ++g) {
      float const step = scale * groups.scale[g], least = minimum * groups.least[g];
      block_bytes const q = from + 16 + g / 2 * 32;
      int const shift = g % 2 * 4;
      for (int i = 0; i < 32; ++i) *to++ = step * static_cast<float>((q[i] >> shift) & 15) - least;
    }
  }
};

/// As q4_k_block, with the highest bit of value i of group g in bit g of byte i of 32 bytes before the others.
struct q5_k_block {
  static constexpr int values = 256, bytes = 176;

  static void expand(block_bytes from, float* to) {
    float const scale = half_at(from), minimum = half_at(from + 2);
    scales_of_6_bits const groups{from + 4};
    block_bytes const high = from + 16;
    for (std::size_t g = 0; g < 8; ++g) {
      float const step = scale * groups.scale[g], least = minimum * groups.least[g];
      block_bytes const q = from + 48 + g / 2 * 32;
      int const shift = g % 2 * 4;
      for (int i = 0; i < 32; ++i) {
        int const top = (high[i] >> g) & 1;
        *to++ = step * static_cast<float>(((q[i] >> shift) & 15) | top << 4) - least;
      }
    }
  }
};

/// 256 values of 6 bits, 32 too large, in 16 groups of 16: 128 bytes of low halves, 64 bytes of high pairs of bits, 16
/// signed scales, half scale of the scales. Each half of the values has 64 and 32 of these bytes: the low halves of
/// the 64 are values 0 to 63, the high halves 64 to 127; bits 2j, 2j + 1 of byte i of the 32 belong to value 32 j + i.
struct q6_k_block {
  static constexpr int values = 256, bytes = 210;

  static void expand(block_bytes from, float* to) {
    float const scale = half_at(from + 208);
    for (int group = 0; group < 16; ++group) {
      int const half = group / 8, j = group / 2 % 4, begin = group % 2 * 16;
      block_bytes const low = from + half * 64 + j % 2 * 32 + begin, high = from + 128 + half * 32 + begin;
      int const low_shift = j / 2 * 4, high_shift = j * 2;
      float const step = scale * static_cast<float>(static_cast<std::int8_t>(from[192 + group]));
      for (int i = 0; i < 16; ++i) {
        int const q = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
        to[group * 16 + i] = step * static_cast<float>(q - 32);
      }
    }
  }
};

/// Calls f with the layout of a type that has floats.
template <class F>
void with_block(storage_type type, F&& f) {
  switch (type) {
    case storage_type::f32: return f(plain_block<float>{});
    case storage_type::f16: return f(plain_block<float16>{});
    case storage_type::bf16: return f(plain_block<bfloat16>{});
    case storage_type::f64: return f(plain_block<double>{});
    case storage_type::q8_0: return f(q8_0_block{});
    case storage_type::q4_0: return f(q4_block<offset::fixed>{});
    case storage_type::q4_1: return f(q4_block<offset::minimum>{});
    case storage_type::q5_0: return f(q5_block<offset::fixed>{});
    case storage_type::q5_1: return f(q5_block<offset::minimum>{});
    case storage_type::q4_k: return f(q4_k_block{});
    case storage_type::q5_k: return f(q5_k_block{});
    case storage_type::q6_k: return f(q6_k_block{});
    default: return;
  }
}

}  // namespace basin::lm::detail
