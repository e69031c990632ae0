// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The element types of tensors, views of raw 16-bit numbers, and the compile-time checks of every entry.

#include <cstdint>
#include <type_traits>

#include "basin/core/half.hpp"
#include "basin/core/view.hpp"

namespace basin {

/// The storage types of q, k, v and outputs: double, float, bfloat16, float16.
template <class T>
concept element = std::is_same_v<std::remove_const_t<T>, double> || std::is_same_v<std::remove_const_t<T>, float> ||
                  std::is_same_v<std::remove_const_t<T>, bfloat16> || std::is_same_v<std::remove_const_t<T>, float16>;

/// Views raw 16-bit numbers, as NumPy and safetensors provide them, as bfloat16. Nothing is copied or converted.
///
/// Example   basin::contiguous(basin::as_bfloat16(bits), batch, heads, length, dim)
inline bfloat16* as_bfloat16(std::uint16_t* bits) { return reinterpret_cast<bfloat16*>(bits); }
inline bfloat16 const* as_bfloat16(std::uint16_t const* bits) { return reinterpret_cast<bfloat16 const*>(bits); }
/// The same for IEEE half precision.
inline float16* as_float16(std::uint16_t* bits) { return reinterpret_cast<float16*>(bits); }
inline float16 const* as_float16(std::uint16_t const* bits) { return reinterpret_cast<float16 const*>(bits); }

template <class T>
inline constexpr bool is_laid_out_as_bits =
    sizeof(T) == sizeof(std::uint16_t) && alignof(T) == alignof(std::uint16_t) && std::is_standard_layout_v<T>;
static_assert(is_laid_out_as_bits<bfloat16> && is_laid_out_as_bits<float16>);

/// The type in which numbers of a storage type are computed: float for float and the 16-bit types, double for double.
template <class Storage>
using compute_t = std::conditional_t<std::is_same_v<std::remove_const_t<Storage>, double>, double, float>;

namespace entry {

/// Tensors of a call by their role: the arguments of takes().
template <class... Views>
struct reads {};
template <class... Views>
struct writes {};

template <class View>
concept has_elements = requires { typename View::value_type; } && element<typename View::value_type>;
template <class View>
concept has_four_axes = requires(View const& v) { v.page_size(); } || requires { requires View::rank() == 4; };
template <class View>
concept is_writable = requires { typename View::element_type; } && !std::is_const_v<typename View::element_type>;

template <class First, class... Rest>
inline constexpr bool one_compute_type =
    (std::is_same_v<compute_t<typename First::value_type>, compute_t<typename Rest::value_type>> && ...);

/// Whether these tensors have four axes, supported element types (in any mixture) and writable outputs. If not, a
/// static_assert gives the reason. An entry compiles its body only if this is true, so the reason is the only error.
template <class... Read, class... Written>
consteval bool takes_any(reads<Read...>, writes<Written...>) {
  constexpr bool axes = (has_four_axes<Read> && ...) && (has_four_axes<Written> && ...);
  static_assert(axes, "basin: a tensor of attention is a view of 4 axes, [batch, heads, length, dim]; give a missing "
                      "axis the extent 1, as in basin::contiguous(pointer, 1, heads, length, dim)");
  constexpr bool elements = (has_elements<Read> && ...) && (has_elements<Written> && ...);
  static_assert(elements, "basin: tensors of attention hold double, float, basin::bfloat16 or basin::float16; view raw "
                          "16-bit numbers through basin::as_bfloat16(pointer) or basin::as_float16(pointer), and "
                          "convert other types first");
  constexpr bool writable = (is_writable<Written> && ...);
  static_assert(writable, "basin: an output is written, so its elements must not be const; pass a view of T, not of T "
                          "const");
  return axes && elements && writable;
}

/// The same, and all tensors have one compute type: for entries that compute in the type of their tensors.
template <class... Read, class... Written>
consteval bool takes(reads<Read...>, writes<Written...>) {
  if constexpr (takes_any(reads<Read...>{}, writes<Written...>{})) {
    constexpr bool alike = one_compute_type<Read..., Written...>;
    static_assert(alike, "basin: the tensors of a call are computed in one type: all of double, or all of float, "
                         "bfloat16 and float16; convert those that differ");
    return alike;
  }
  return false;
}

}  // namespace entry

}  // namespace basin
