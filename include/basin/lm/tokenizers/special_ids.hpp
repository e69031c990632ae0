// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <optional>
#include <vector>

namespace basin::lm {

/// The ids with a role of their own, as far as the files of a tokenizer name them.
struct special_ids {
  std::optional<int> begin{}, end{}, pad{}, mask{}, unknown{};
  friend bool operator==(special_ids const&, special_ids const&) = default;
};

/// The ids that a model was trained to have before and after a text. No encode() adds them by itself.
struct sequence_frame {
  std::vector<int> before{}, after{};
  friend bool operator==(sequence_frame const&, sequence_frame const&) = default;
};

}  // namespace basin::lm
