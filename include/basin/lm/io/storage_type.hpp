// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How files store the numbers of a tensor: plain types, and types that keep a fixed number of values in a block of
// bytes (a row of a matrix is a whole number of blocks). Names are those of the formats themselves.
// Source: the README of huggingface/safetensors; docs/gguf.md of ggml-org/ggml for the numbers of GGUF, and the sizes
// of its blocks in ggml-common.h there.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "basin/core/error.hpp"
#include "basin/core/half.hpp"
#include "basin/core/view.hpp"

namespace basin::lm {

/// The storage types that basin knows by size. Those up to q6_k are read as floats; the others are only listed.
enum class storage_type {
  f32, f16, bf16, f64, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k,
  boolean, u8, i8, u16, i16, u32, i32, u64, i64, f8_e4m3, f8_e5m2,
  q2_k, q3_k, iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs, tq1_0, tq2_0, mxfp4
};

struct storage_facts {
  storage_type type;
  std::string_view name;
  std::uint64_t values, bytes;  // of one block
  int gguf = -1;                // its number in GGUF files; -1 if they do not store it
};

inline constexpr std::array<storage_facts, 37> storage_types{{
    {storage_type::f32, "F32", 1, 4, 0},           {storage_type::f16, "F16", 1, 2, 1},
    {storage_type::bf16, "BF16", 1, 2, 30},        {storage_type::f64, "F64", 1, 8, 28},
    {storage_type::q8_0, "Q8_0", 32, 34, 8},       {storage_type::q4_0, "Q4_0", 32, 18, 2},
    {storage_type::q4_1, "Q4_1", 32, 20, 3},       {storage_type::q5_0, "Q5_0", 32, 22, 6},
    {storage_type::q5_1, "Q5_1", 32, 24, 7},       {storage_type::q4_k, "Q4_K", 256, 144, 12},
    {storage_type::q5_k, "Q5_K", 256, 176, 13},    {storage_type::q6_k, "Q6_K", 256, 210, 14},
    {storage_type::boolean, "BOOL", 1, 1},         {storage_type::u8, "U8", 1, 1},
    {storage_type::i8, "I8", 1, 1, 24},            {storage_type::u16, "U16", 1, 2},
    {storage_type::i16, "I16", 1, 2, 25},          {storage_type::u32, "U32", 1, 4},
    {storage_type::i32, "I32", 1, 4, 26},          {storage_type::u64, "U64", 1, 8},
    {storage_type::i64, "I64", 1, 8, 27},          {storage_type::f8_e4m3, "F8_E4M3", 1, 1},
    {storage_type::f8_e5m2, "F8_E5M2", 1, 1},      {storage_type::q2_k, "Q2_K", 256, 84, 10},
    {storage_type::q3_k, "Q3_K", 256, 110, 11},    {storage_type::iq1_s, "IQ1_S", 256, 50, 19},
    {storage_type::iq1_m, "IQ1_M", 256, 56, 29},   {storage_type::iq2_xxs, "IQ2_XXS", 256, 66, 16},
    {storage_type::iq2_xs, "IQ2_XS", 256, 74, 17}, {storage_type::iq2_s, "IQ2_S", 256, 82, 22},
    {storage_type::iq3_xxs, "IQ3_XXS", 256, 98, 18}, {storage_type::iq3_s, "IQ3_S", 256, 110, 21},
    {storage_type::iq4_nl, "IQ4_NL", 32, 18, 20},  {storage_type::iq4_xs, "IQ4_XS", 256, 136, 23},
    {storage_type::tq1_0, "TQ1_0", 256, 54, 34},   {storage_type::tq2_0, "TQ2_0", 256, 66, 35},
    {storage_type::mxfp4, "MXFP4", 32, 17, 39},
}};

constexpr storage_facts const& facts(storage_type type) { return storage_types[static_cast<std::size_t>(type)]; }

static_assert([] {
  for (std::size_t i = 0; i < storage_types.size(); ++i)
    if (storage_types[i].type != static_cast<storage_type>(i)) return false;
  return true;
}(), "basin: the table of storage types follows the order of the enumeration");

/// Whether to_floats() reads the type.
constexpr bool has_floats(storage_type type) { return type <= storage_type::q6_k; }

/// The storage type of a C++ type.
template <class T>
constexpr storage_type storage_of() {
  if constexpr (std::is_same_v<T, float>) return storage_type::f32;
  else if constexpr (std::is_same_v<T, float16>) return storage_type::f16;
  else if constexpr (std::is_same_v<T, bfloat16>) return storage_type::bf16;
  else if constexpr (std::is_same_v<T, double>) return storage_type::f64;
  else if constexpr (std::is_same_v<T, std::int64_t>) return storage_type::i64;
  else if constexpr (std::is_same_v<T, std::uint64_t>) return storage_type::u64;
  else {
    static_assert(std::is_same_v<T, std::uint8_t>,
                  "basin: tensors hold float, float16, bfloat16, double, int64, uint64 or uint8");
    return storage_type::u8;
  }
}

/// "F32, F16, ...": the types that are read as floats, for messages.
inline std::string types_with_floats() {
  std::string text;
  for (auto const& one : storage_types)
    if (has_floats(one.type)) text += message(text.empty() ? "" : ", ", one.name);
  return text;
}

namespace detail {

/// "[2, 3]"; of a shape with more extents than any tensor of a model, the first ones and how many there are.
inline std::string spell(std::span<index_t const> shape) {
  constexpr std::size_t shown = 8;
  std::string text = "[";
  for (index_t const n : shape.first(std::min(shape.size(), shown)))
    text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return shape.size() > shown ? message(text, ", ...] of ", shape.size(), " extents") : text + "]";
}

}  // namespace detail

/// The number of values of a shape; nothing if 64 bits do not hold it.
inline std::optional<std::uint64_t> value_count(std::span<index_t const> shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (index_t const n : shape)
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(n), &count)) return std::nullopt;
  return count;
}

/// The bytes of a tensor; nothing if 64 bits do not hold their number, or if a row is not a whole number of blocks.
inline std::optional<std::uint64_t> storage_size(storage_type type, std::span<index_t const> shape) {
  auto const& block = facts(type);
  if (block.values > 1 && (shape.empty() || static_cast<std::uint64_t>(shape.back()) % block.values != 0)) return {};
  auto const count = value_count(shape);
  std::uint64_t size = 0;
  if (!count || __builtin_mul_overflow(*count / block.values, block.bytes, &size)) return std::nullopt;
  return size;
}

}  // namespace basin::lm
