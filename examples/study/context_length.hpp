// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Several normalizers on the same scores as the context grows. The queries and keys of every head come from the model;
// for each length n, the query at position n - 1 attends to the first n keys.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/core/view.hpp"
#include "basin/lm/evaluation/statistics.hpp"
#include "basin/lm/finite.hpp"
#include "basin/nn/parameter.hpp"
#include "basin/sinks/ranking.hpp"
#include "study/test_set.hpp"

namespace basin::study {

using lm::estimate, lm::running_mean;

/// Whether the model was trained at this length.
enum class length_range { trained, beyond };

/// One head under one normalizer at one length, over sequences.
struct length_figure {
  std::string normalizer;
  index_t length = 0;
  length_range range{};
  int layer = 0, head = 0;
  estimate max_weight, entropy;  // entropy in nats
};

namespace detail {

/// Measures the queries and keys of a forward pass at every length.
class length_probe {
 public:
  length_probe(std::span<index_t const> at, length_range where, double trained, std::vector<length_figure>& to)
      : lengths(at.begin(), at.end()), range(where), trained_length(trained), out(&to) {}

  template <class Attention>
  Attention operator()(int, Attention use) const { return use; }

  void projected(int layer, view<float const, 4> q, view<float const, 4> k) const;

 private:
  std::vector<index_t> lengths;
  length_range range;
  double trained_length;
  std::vector<length_figure>* out;
};

/// Items joined end to end, cut to `length`; as many sequences as the items make, at most `most`. For a diffusion model
/// a random half of each answer is masked; for an autoregressive model a begin token comes first.
inline std::vector<int> joined_items(test_set const& m, model_kind kind, index_t length, index_t most,
                                     std::uint64_t seed) {
  index_t const each = (length + m.length - 1) / m.length,
                sequences = std::max<index_t>(1, std::min(most, m.count / each));
  std::vector<int> out;
  for (index_t s = 0; s < sequences; ++s) {
    std::vector<int> ids;
    if (kind == model_kind::autoregressive) ids.push_back(lm::begin_id);
    for (index_t i = s * each; std::ssize(ids) < length; ++i) {
      std::size_t const start = ids.size();
      std::ranges::copy(m.sequence(i % m.count), std::back_inserter(ids));
      if (kind == model_kind::autoregressive) continue;
      philox rng(seed, static_cast<std::uint64_t>(i) << 16);
      index_t const open = m.length - m.given;
      for (index_t const at : sinks::random_keys(rng, open, open / 2))
        ids[start + static_cast<std::size_t>(m.given + at)] = lm::mask_id;
    }
    out.insert(out.end(), ids.begin(), ids.begin() + length);
  }
  return out;
}

}  // namespace detail

inline constexpr index_t beyond_factor = 8;  // the longest context measured, in trained lengths

/// Every head under every normalizer: at lengths 8, 16, ... up to the trained one on single items, and up to eight
/// times that on items joined end to end, on which the model was never trained.
///
/// Cost      one pass of up to 64 sequences, and one of up to 8 of eight times the length
template <class Model>
std::vector<length_figure> context_lengths(Model& model, test_set const& m, model_kind kind, std::uint64_t seed) {
  std::vector<length_figure> out;
  std::vector<index_t> within, beyond;
  index_t const trained = model.config().context;
  for (index_t n = 8; n < trained; n *= 2) within.push_back(n);
  within.push_back(trained);
  for (index_t n = 2 * trained; n <= beyond_factor * trained; n *= 2) beyond.push_back(n);
  auto const measure_lengths = [&](Model& on, std::vector<index_t> const& lengths, length_range where, index_t most) {
    auto const ids = detail::joined_items(m, kind, lengths.back(), most, seed);
    auto const logits =
        on.forward(ids, static_cast<int>(std::ssize(ids) / lengths.back()), static_cast<int>(lengths.back()),
                   detail::length_probe(lengths, where, static_cast<double>(trained), out));
    lm::require_finite(logits, "the logits");
  };
  measure_lengths(model, within, length_range::trained, 64);
  auto sizes = model.config();
  sizes.context *= beyond_factor;                                // the rotary positions continue
  Model longer = model.twin(sizes);
  nn::copy_values(model.parameters(), longer.parameters());
  longer.send();
  measure_lengths(longer, beyond, length_range::beyond, 8);
  return out;
}

}  // namespace basin::study
