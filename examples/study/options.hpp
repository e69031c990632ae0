// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/sinks/rule.hpp"
#include "programs/unmasking_options.hpp"

namespace basin::study {

/// Whether the models are taken as they are or trained anew.
enum class training { as_shipped, anew };

/// What to do with an earlier run in the folder of a retrained model.
enum class existing { refuse, overwrite };

/// Everything that decides the figures of a study.
struct study_options {
  std::filesystem::path ar = BASIN_CHECKPOINTS "/ar", mdlm = BASIN_CHECKPOINTS "/mdlm";
  training models = training::as_shipped;
  existing earlier_run = existing::refuse;
  std::string text;             // a file; empty: word problems
  std::uint64_t problems = 11;  // seed of the held-out word problems
  index_t count = 100;          // problems, or windows of the text
  index_t draws = 3;            // random sets beside each set of sinks
  programs::unmasking_options unmask;
  sinks::epsilon_rule rule;
  std::uint64_t seed = 1;       // of random keys and random masks
  int threads = 0;              // 0: as OpenMP decides
  std::string device = "cpu";   // "cpu" | "cuda"
  std::filesystem::path out = "study-report";
  std::filesystem::path plotly = BASIN_PLOTLY;

  bool is_text() const { return !text.empty(); }
};

inline constexpr index_t masked_counts[] = {1, 5, 10};

/// The names of --scale.
inline char const* name_of(sinks::scale unit) {
  return unit == sinks::scale::column_sum ? "column_sum" : unit == sinks::scale::percent ? "percent" : "mean";
}

/// The rules that concern several options; each number's own interval stands beside its option in study.cpp.
///
/// Throws    value_error
inline void validate(study_options const& o) {
  double const most = o.rule.unit == sinks::scale::percent ? 100 : 1;
  if (o.rule.unit != sinks::scale::column_sum && o.rule.epsilon >= most)
    throw value_error{message("basin: --epsilon is ", o.rule.epsilon, " with --scale ", name_of(o.rule.unit),
                              "; it must be below ", most, ": no key receives more than that")};
  o.rule.validate();
  if (!o.is_text()) (void)programs::unmasking_of(o.unmask, lm::prompt_length, lm::answer_length);
}

}  // namespace basin::study
