// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the readers of binary files share: bytes in memory that are taken one field after another, never beyond their
// end, and one form for the message about a damaged file.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "basin/core/error.hpp"

static_assert(std::endian::native == std::endian::little,
              "basin: files of weights are little-endian, and so must the host be");

namespace basin::lm::detail {

/// Calls `read`, whose file_error is a reason alone, and adds the file and the format to it.
template <class Read>
auto valid_file(std::string_view origin, std::string_view format, Read&& read) {
  try {
    return read();
  } catch (file_error const& why) {
    throw file_error{message("basin: ", origin, " is not a valid ", format, " file: ", why.what(),
                             "; it may be damaged: copy or make it again")};
  }
}

/// Bytes in memory as a source for read_contents().
struct memory_source {
  std::span<std::byte const> bytes;

  std::uint64_t size() const { return bytes.size(); }
  void read(std::uint64_t first, std::span<std::byte> to) const {
    std::ranges::copy(bytes.subspan(static_cast<std::size_t>(first), to.size()), to.begin());
  }
};

/// A place in bytes that moves on with each field taken.
///
/// Throws    file_error, with the reason alone: the bytes end inside a field
class byte_cursor {
 public:
  explicit byte_cursor(std::span<std::byte const> bytes) : all(bytes) {}

  std::uint64_t position() const { return at; }
  std::uint64_t left() const { return all.size() - at; }

  /// The next bytes; `what` names the field in messages.
  std::span<std::byte const> take(std::uint64_t count, std::string_view what) {
    if (count > left())
      throw file_error{message(what, " at byte ", at, " claims ", count, " bytes; the file has ", left(), " more")};
    auto const taken = all.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(count));
    at += count;
    return taken;
  }

  template <class T>
  T number(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  /// A number of things of at least `least` bytes each that follow, so that nothing larger is allocated for them.
  std::uint64_t count(std::uint64_t least, std::string_view what) {
    std::uint64_t const claimed = number<std::uint64_t>(what);
    if (claimed > left() / least)
      throw file_error{message(what, " is ", claimed, ", of at least ", least, " bytes each; the file has ", left(),
                               " more")};
    return claimed;
  }

 private:
  std::span<std::byte const> all;
  std::uint64_t at = 0;
};

}  // namespace basin::lm::detail
