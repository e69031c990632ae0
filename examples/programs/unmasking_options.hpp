// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The options --block and --steps of a program that unmasks.

#include <algorithm>
#include <optional>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/decoding/samplers.hpp"

namespace basin::programs {

/// As they were given; what is absent fits itself to the number of bytes.
struct unmasking_options {
  std::optional<int> block;  // absent: the largest divisor up to usual_block
  int steps = 0;             // 0: one byte a step

  static constexpr int usual_block = 8;
};

/// How the `count` bytes from `first` on are unmasked.
///
/// Throws    value_error: a block that does not divide the bytes, or steps that do not divide among the blocks
inline lm::unmasking unmasking_of(unmasking_options const& o, index_t first_byte, index_t bytes) {
  int const first = static_cast<int>(first_byte), count = static_cast<int>(bytes);
  int block = o.block.value_or(std::min(unmasking_options::usual_block, count));
  while (!o.block && count % block != 0) --block;
  if (block < 1 || count % block != 0)
    throw value_error{
        message("basin: --block is ", block, "; it must divide ", count, ", the number of bytes that are unmasked")};
  int const blocks = count / block;
  if (o.steps != 0 && (o.steps < blocks || o.steps > count || o.steps % blocks != 0))
    throw value_error{message("basin: --steps is ", o.steps, "; with ", count, " bytes in blocks of ", block,
                              " it must be a multiple of ", blocks, " (the number of blocks) from ", blocks, " to ",
                              count, ", or 0 for one byte a step")};
  return {.first = first, .length = count, .block = block, .steps = o.steps > 0 ? o.steps : count};
}

}  // namespace basin::programs
