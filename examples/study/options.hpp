// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/sinks/rule.hpp"

namespace basin::study {

/// Whether the models are taken as they are or trained anew.
enum class training { as_shipped, anew };

/// Everything that decides the figures of a study.
struct study_options {
  std::filesystem::path ar = BASIN_CHECKPOINTS "/ar", mdlm = BASIN_CHECKPOINTS "/mdlm";
  training models = training::as_shipped;
  std::string text;             // a file; empty: word problems
  std::uint64_t problems = 11;  // seed of the held-out word problems
  index_t count = 100;          // problems, or windows of the text
  index_t draws = 3;            // random sets beside each set of sinks
  int block = 8, steps = 0;     // of unmasking; 0 steps: one byte a step
  sinks::epsilon_rule rule;
  std::uint64_t seed = 1;       // of random keys and random masks
  int threads = 0;              // 0: as OpenMP decides
  std::string device = "cpu";   // "cpu" | "cuda"
  std::filesystem::path out = "study-report";
  std::filesystem::path plotly = BASIN_PLOTLY;

  bool is_text() const { return !text.empty(); }
};

inline constexpr index_t masked_counts[] = {1, 5, 10};

inline void validate(study_options const& o) {
  auto const require = [](bool holds, char const* name, auto value, char const* rule) {
    if (!holds) throw value_error{message("basin: --", name, " is ", value, "; it must be ", rule)};
  };
  if (o.device != "cpu" && o.device != "cuda") throw value_error{message("basin: --device is '", o.device, "'; it must be 'cpu' or 'cuda'")};
  require(o.count >= 2 && o.count <= 100000, "count", o.count, "from 2 to 100000");
  require(o.draws >= 1 && o.draws <= 1000, "draws", o.draws, "from 1 to 1000");
  require(o.threads >= 0 && o.threads <= 4096, "threads", o.threads, "0 (as OpenMP decides) or the number of threads");
  require(o.block >= 1, "block", o.block, "a divisor of the answer's length");
  require(o.steps >= 0, "steps", o.steps, "0 (one byte a step) or a multiple of the number of blocks");
  o.rule.validate();
}

}  // namespace basin::study
