// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Answers of a model to word problems, and how many of them are right.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <vector>

#include "basin/core/view.hpp"
#include "basin/lm/decoding/samplers.hpp"
#include "basin/lm/evaluation/likelihood.hpp"
#include "basin/lm/evaluation/word_problems.hpp"

namespace basin::lm {

/// How a diffusion model answers: three blocks of eight bytes, one byte a step.
inline constexpr unmasking answer_unmasking{
    .first = prompt_length, .length = answer_length, .block = 8, .steps = answer_length};

inline constexpr std::size_t problems_at_once = 32;

/// The answer region of problems, written by an autoregressive model: [count, answer_length].
template <class Model>
std::vector<int> answers_left_to_right(Model& model, std::span<word_problem const> problems) {
  std::vector<int> answers;
  for (auto const& p : problems) {
    auto const ids = encode({p.prompt, "", 0});
    writing<Model> text{model, std::span{ids}.first(prompt_length)};
    auto const answer = greedy(text, answer_length, answer_padding);
    answers.insert(answers.end(), answer.begin(), answer.end());
  }
  return answers;
}

/// The answer region of problems, written by a diffusion model, one byte a step: [count, answer_length].
template <class Model>
std::vector<int> answers_by_unmasking(Model& model, std::span<word_problem const> problems) {
  std::vector<int> answers;
  for (std::size_t first = 0; first < problems.size(); first += problems_at_once) {
    auto const now = problems.subspan(first, std::min(problems_at_once, problems.size() - first));
    std::vector<int> ids;
    for (auto const& p : now) std::ranges::copy(encode({p.prompt, "", 0}), std::back_inserter(ids));
    low_confidence(model, ids, static_cast<int>(now.size()), answer_unmasking);
    for (std::size_t j = 0; j < now.size(); ++j)
      std::ranges::copy(
          std::span{ids}.subspan(j * problem_length + prompt_length, answer_length),
          std::back_inserter(answers));
  }
  return answers;
}

/// The share of problems whose final number is right.
inline estimate accuracy(std::span<word_problem const> problems, std::span<int const> answers) {
  int right = 0;
  for (std::size_t j = 0; j < problems.size(); ++j)
    right +=
        read_answer(answers.subspan(j * answer_length, answer_length)) == problems[j].result;
  double const n = static_cast<double>(problems.size()), share = right / n;
  return {share, std::sqrt(share * (1 - share) / n)};
}

}  // namespace basin::lm
