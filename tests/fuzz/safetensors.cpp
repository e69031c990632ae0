// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the header of safetensors files, as basin/lm/io/mapped_safetensors.hpp reads it, and their numbers.

#include "basin/lm/io/mapped_safetensors.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  return basin_fuzz::read_or_refuse([&] {
    basin_fuzz::read_numbers(basin::lm::read_safetensors(basin_fuzz::bytes_of(data, size), "input", nullptr));
  });
}
