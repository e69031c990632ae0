// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/lm/finite.hpp"

namespace basin::lm {

/// How the next token is chosen from its logits.
///
/// Source    repetition_penalty: Keskar et al. 2019, arXiv 1909.05858, section 4.1; top_k: Fan et al. 2018, arXiv
///           1805.04833; top_p: Holtzman et al. 2020, arXiv 1904.09751; min_p: Nguyen et al. 2024, arXiv 2407.01082; in
///           the order of Hugging Face transformers
struct token_choice {
  double temperature = 0;         // divides the logits; 0: the likeliest token, and nothing is drawn
  int top_k = 0;                  // only the k likeliest; 0: all
  double top_p = 1;               // only the likeliest whose probabilities sum to p or more
  double min_p = 0;               // only those with at least this share of the largest probability
  double repetition_penalty = 1;  // logits of tokens that were there: divided by it if positive, else multiplied

  void validate() const {
    auto const refuse = [](char const* name, double value, char const* rule) {
      throw value_error(message("basin::lm::token_choice: ", name, " is ", value, "; it must be ", rule));
    };
    if (!(temperature >= 0 && temperature <= 1e6)) refuse("temperature", temperature, "a number from 0 to 1e6");
    if (top_k < 0) refuse("top_k", top_k, "at least 0; 0 keeps all tokens");
    if (!(top_p > 0 && top_p <= 1)) refuse("top_p", top_p, "above 0 and at most 1");
    if (!(min_p >= 0 && min_p <= 1)) refuse("min_p", min_p, "a number from 0 to 1");
    if (!(repetition_penalty >= 1 && repetition_penalty <= 1e6))
      refuse("repetition_penalty", repetition_penalty, "a number from 1 to 1e6");
  }
};

/// A token that may come next, and its probability.
struct candidate {
  int id = 0;
  double probability = 0;
};

namespace detail {

inline std::vector<double> penalised(std::span<float const> logits, std::span<int const> before, double penalty) {
  std::vector<double> all(logits.begin(), logits.end());
  if (penalty == 1) return all;
  std::vector<int> once(before.begin(), before.end());
  std::ranges::sort(once);
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (int const id : once) {
    if (id < 0 || id >= std::ssize(logits)) continue;
    double& logit = all[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
  return all;
}

}  // namespace detail

/// The tokens that may come next, the likeliest first, the lowest of equals; their probabilities sum to 1.
///
/// Shapes    logits [vocabulary]; before [any number]: the tokens so far
/// Errors    value_error: those of how.validate(), or a logit that is not finite
/// Cost      a sort of the vocabulary, or of its top_k
inline std::vector<candidate> candidates(std::span<float const> logits, std::span<int const> before,
                                         token_choice const& how) {
  how.validate();
  require_finite(logits, "the logits");
  auto const scores = detail::penalised(logits, before, how.repetition_penalty);
  std::vector<candidate> all;
  for (std::size_t id = 0; id < scores.size(); ++id) all.push_back({static_cast<int>(id), scores[id]});
  auto const likelier = [](candidate const& a, candidate const& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
  };
  std::size_t const most = how.temperature == 0 ? 1 : how.top_k > 0 ? static_cast<std::size_t>(how.top_k) : all.size(),
                    kept = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(), likelier);
  all.resize(kept);
  double const largest = all.front().probability, heat = how.temperature == 0 ? 1 : how.temperature;
  double sum = 0;
  for (auto& one : all) sum += one.probability = std::exp((one.probability - largest) / heat);
  double mass = 0;
  std::size_t count = 0;
  for (auto& one : all) {  // the likeliest always stays
    one.probability /= sum;
    if (count > 0 && (mass >= how.top_p || one.probability < how.min_p * all.front().probability)) break;
    mass += one.probability, ++count;
  }
  all.resize(count);
  for (auto& one : all) one.probability /= mass;
  return all;
}

/// The next token.
///
/// Errors    those of candidates()
/// Determinism  the same token for the same logits and the same state of `random`, on any machine
inline int choose(std::span<float const> logits, std::span<int const> before, token_choice const& how,
                  philox& random) {
  auto const all = candidates(logits, before, how);
  if (how.temperature == 0) return all.front().id;
  double left = uniform(random);
  for (auto const& one : all)
    if ((left -= one.probability) < 0) return one.id;
  return all.back().id;
}

}  // namespace basin::lm
