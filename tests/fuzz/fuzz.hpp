// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the fuzz targets share. libFuzzer gives each input in memory of its exact size, so that AddressSanitizer finds
// every read beyond it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/stored_tensor.hpp"

namespace basin_fuzz {

inline std::span<std::byte const> bytes_of(std::uint8_t const* data, std::size_t size) {
  return std::as_bytes(std::span{data, size});
}

/// Reads an input that may be anything: a reader accepts it or throws file_error, and nothing else.
template <class Read>
int read_or_refuse(Read&& read) {
  try {
    read();
  } catch (basin::file_error const&) {
    return 0;
  }
  return 0;
}

/// Reads each number of the tensors, as far as there are not absurdly many of them.
inline void read_numbers(basin::lm::tensor_store const& store) {
  std::vector<float> room;
  for (auto const& tensor : store.tensors()) {
    auto const count = basin::lm::value_count(tensor.shape);
    if (!basin::lm::has_floats(tensor.type) || !count || *count > 1 << 16) continue;
    room.resize(static_cast<std::size_t>(*count));
    basin::lm::to_floats(tensor, room);
  }
}

}  // namespace basin_fuzz
