// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GGUF files made field by field.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "basin/core/error.hpp"
#include "basin/lm/io/gguf.hpp"
#include "bytes.hpp"

namespace basin_test {

inline constexpr std::uint32_t gguf_u32 = 4, gguf_bool = 7, gguf_string = 8, gguf_list = 9;   // types of values
inline constexpr std::uint32_t gguf_f32 = 0, gguf_q4_1 = 3;                                   // types of tensors

inline byte_text gguf_begin(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
  return byte_text{}.raw("GGUF").put(version).put(tensors).put(entries);
}

inline byte_text& put_tensor(byte_text& to, std::string_view name, std::initializer_list<std::uint64_t> extents,
                             std::uint32_t type, std::uint64_t offset) {
  to.text(name).put(static_cast<std::uint32_t>(extents.size()));
  for (auto const n : extents) to.put(n);
  return to.put(type).put(offset);
}

/// One tensor "a" of those extents, and `data` bytes of zeros.
inline byte_text gguf_of(std::initializer_list<std::uint64_t> extents, std::uint32_t type, std::uint64_t offset,
                         std::size_t data) {
  auto file = gguf_begin(1, 0);
  put_tensor(file, "a", extents, type, offset);
  return file.align(32).zeros(data);
}

inline basin::lm::gguf_file gguf_from(byte_text const& file) {
  kept_bytes const kept{file.bytes};
  return basin::lm::read_gguf(kept.span(), "x.gguf", kept.owner);
}

/// What reading the file says; "accepted" if nothing.
inline std::string said_of_gguf(byte_text const& file) {
  try {
    gguf_from(file);
  } catch (basin::file_error const& why) {
    return why.what();
  }
  return "accepted";
}

}  // namespace basin_test
