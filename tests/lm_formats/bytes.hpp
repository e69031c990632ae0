// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Files made byte by byte, for tests that damage them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/lm/io/files.hpp"

namespace basin_test {

/// Bytes that grow at their end; numbers are little-endian.
struct byte_text {
  std::string bytes;

  template <class T>
  byte_text& put(T value) {
    bytes.append(reinterpret_cast<char const*>(&value), sizeof value);
    return *this;
  }
  byte_text& raw(std::string_view more) { return bytes += more, *this; }
  /// A text of GGUF: its length and its bytes.
  byte_text& text(std::string_view more) { return put<std::uint64_t>(more.size()).raw(more); }
  byte_text& zeros(std::size_t count) { return bytes.append(count, '\0'), *this; }
  byte_text& align(std::size_t to) { return zeros((to - bytes.size() % to) % to); }
};

/// Bytes in memory of their exact size, so that AddressSanitizer finds a read beyond them; with what keeps them alive.
struct kept_bytes {
  explicit kept_bytes(std::string_view text)
      : owner(std::make_shared<std::vector<std::byte>>(reinterpret_cast<std::byte const*>(text.data()),
                                                       reinterpret_cast<std::byte const*>(text.data()) + text.size())) {
    owner->shrink_to_fit();
  }
  std::span<std::byte const> span() const { return *owner; }

  std::shared_ptr<std::vector<std::byte>> owner;
};

}  // namespace basin_test
