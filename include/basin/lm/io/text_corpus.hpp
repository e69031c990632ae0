// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A text file cut into a part to learn from and a part to judge by.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/files.hpp"

namespace basin::lm {

/// A number that tells contents apart: FNV-1a, 64 bits, of the parts one after another.
template <class... Parts>
std::uint64_t fingerprint(Parts const&... parts) {
  std::uint64_t hash = 0xcbf29ce484222325;
  auto const add = [&](std::span<std::byte const> bytes) {
    for (std::byte const b : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  };
  (add(parts), ...);
  return hash;
}

/// A text file in two parts: the first nine tenths train, the rest validates.
class text_corpus {
 public:
  static constexpr std::uint64_t largest = (std::uint64_t{1} << 32) - 1;

  /// Throws    file_error: not readable, empty or larger than 4 GiB; value_error: a part is shorter than one window of
  ///           `length` bytes
  text_corpus(std::filesystem::path const& path, index_t length) : bytes(read_file(path, largest)) {
    if (bytes.empty())
      throw file_error{message("basin: ", path.string(), " is empty; give a text of at least ", 10 * length, " bytes")};
    cut = bytes.size() / 10 * 9 + bytes.size() % 10 * 9 / 10;
    auto const shorter = static_cast<index_t>(std::min(cut, bytes.size() - cut));
    if (shorter < length)
      throw value_error{message("basin: ", path.string(), " has ", bytes.size(), " bytes, so its last tenth has ",
                                bytes.size() - cut, "; one window needs ", length,
                                ": give a longer text or a smaller --length")};
  }

  std::size_t size() const { return bytes.size(); }
  std::span<std::byte const> training() const { return std::span{bytes}.first(cut); }
  std::span<std::byte const> validation() const { return std::span{bytes}.subspan(cut); }

 private:
  std::vector<std::byte> bytes;
  std::size_t cut = 0;
};

/// The ids of `window.size()` bytes from `first` on.
inline void copy_window(std::span<std::byte const> part, std::size_t first, std::span<int> window) {
  std::transform(part.begin() + static_cast<std::ptrdiff_t>(first),
                 part.begin() + static_cast<std::ptrdiff_t>(first + window.size()), window.begin(),
                 [](std::byte b) { return std::to_integer<int>(b); });
}

/// A window at a random place of one part; every place is as likely.
inline void random_window(philox& rng, std::span<std::byte const> part, std::span<int> window) {
  copy_window(part, below(rng, static_cast<std::uint32_t>(part.size() - window.size() + 1)), window);
}

}  // namespace basin::lm
