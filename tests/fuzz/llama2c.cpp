// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes basin/lm/io/llama2c.hpp.

#include "basin/lm/io/llama2c.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  return basin_fuzz::read_or_refuse([&] {
    auto const file = basin::lm::read_llama2c(basin_fuzz::bytes_of(data, size), "input", nullptr);
    basin_fuzz::read_numbers(file.tensors);
  });
}
