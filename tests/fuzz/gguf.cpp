// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes basin/lm/io/gguf.hpp: metadata, tensors, and the values of their blocks.

#include "basin/lm/io/gguf.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  return basin_fuzz::read_or_refuse([&] {
    auto const file = basin::lm::read_gguf(basin_fuzz::bytes_of(data, size), "input", nullptr);
    basin_fuzz::read_numbers(file.tensors);
  });
}
