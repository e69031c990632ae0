// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the index of sharded safetensors, as basin/lm/io/mapped_safetensors.hpp reads it.

#include <cstdlib>
#include <string_view>

#include "basin/lm/io/mapped_safetensors.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  return basin_fuzz::read_or_refuse([&] {
    std::string_view const text{reinterpret_cast<char const*>(data), size};
    for (auto const& [name, shard] : basin::lm::read_index(text, "input"))
      if (shard.empty() || shard.find('/') != shard.npos || shard == "..") std::abort();
  });
}
