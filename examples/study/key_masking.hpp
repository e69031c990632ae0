// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The intervention of the study, as the watch parameter of basin/lm/decoding/samplers.hpp: before every pass but the
// first, hides from each layer and head the keys that received most attention in the passes before, or as many keys
// drawn at random.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/decoding/samplers.hpp"
#include "basin/lm/devices/shared_vector.hpp"
#include "basin/lm/models/llama_config.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/prune/drop_keys.hpp"
#include "basin/sinks/ranking.hpp"

namespace basin::study {

/// Which keys are hidden.
enum class drop { nothing, strongest, random };

/// What a key is judged by: the attention it received in the last pass, or in all passes so far.
enum class evidence { last_pass, all_passes };

struct masking_plan {
  drop what = drop::nothing;
  index_t count = 0;
  evidence judged_by = evidence::last_pass;
  std::uint64_t seed = 0;  // of the random keys
};

/// Masks keys and sums the attention that every key receives.
///
/// Source    Rulli et al. 2025, arXiv 2510.15731, section 4.3; the random control is that of arXiv 2605.09313
/// State     per layer, sequence and head: the received attention and the keys that are hidden now
/// Edges     the first pass hides nothing; only keys of the passes before can be hidden, so a new token is always
///           visible to itself
/// Determinism  the random keys depend on the seed and the number of the sequence alone, never on the batch
class key_masking {
 public:
  /// Called after every pass.
  using pass_callback = std::function<void(key_masking const&, lm::pass const&)>;

  /// For sequences numbered from `first_sequence`, of at most `most_keys` keys each; `memory`: the shared_memory() of
  /// the model.
  key_masking(lm::llama_config const& c, index_t batch, index_t most_keys, index_t first_sequence = 0,
              std::pmr::memory_resource* memory = std::pmr::new_delete_resource())
      : layers(c.layers), sequences(batch), heads(c.heads), capacity(most_keys), first(first_sequence),
        fresh(lm::shared_allocator<double>(memory)), hidden(lm::shared_allocator<std::uint8_t>(memory)) {
    index_t const rows = layers * sequences * heads;
    totals.resize(static_cast<std::size_t>(rows * capacity));
    hidden.resize(static_cast<std::size_t>(rows * capacity));
    fresh.resize(static_cast<std::size_t>(rows * capacity));
    set_plan({});
  }

  /// Hides keys by this plan from the next pass on; the sums stay as they are.
  void set_plan(masking_plan next) {
    plan = next;
    streams.clear();
    for (index_t b = 0; b < sequences; ++b) {
      auto const words = philox::words(plan.seed, static_cast<std::uint64_t>(first + b));
      streams.emplace_back((std::uint64_t{words[0]} << 32) | words[1]);
    }
  }
  void set_callback(pass_callback call) { after_pass = std::move(call); }

  /// The attention of one layer during the pass that adapt() was called for.
  struct adapted {
    key_masking* mask;
    index_t keys;
    template <class Attention>
    auto operator()(int layer, Attention use) const {
      auto const marks = contiguous(std::as_const(mask->hidden).data() + mask->offset(layer, 0, 0), mask->sequences,
                                    mask->heads, mask->capacity);
      auto const sums = contiguous(mask->fresh.data() + layer * mask->sequences * mask->heads * keys, mask->sequences,
                                   mask->heads, keys);
      return use.with(drop_keys{marks}).with(received_attention{sums});
    }
  };

  adapted adapt(lm::pass const& now) {
    if (last_keys > 0 && plan.what != drop::nothing) choose();
    return {this, now.keys};
  }

  void seen(lm::pass const& now) {
    for (index_t row = 0; row < layers * sequences * heads; ++row)
      for (index_t j = 0; j < now.keys; ++j)
        totals[static_cast<std::size_t>(row * capacity + j)] += fresh[static_cast<std::size_t>(row * now.keys + j)];
    all_queries += now.queries;
    last_queries = now.queries;
    last_keys = now.keys;
    if (after_pass) after_pass(*this, now);
  }

  /// What the keys of one head received, by the evidence of the plan. // [keys]
  std::span<double const> received(index_t layer, index_t sequence, index_t head) const {
    bool const all = plan.judged_by == evidence::all_passes;
    index_t const row = (layer * sequences + sequence) * heads + head;
    return {(all ? totals.data() : fresh.data()) + row * (all ? capacity : last_keys),
            static_cast<std::size_t>(last_keys)};
  }
  /// How many rows of weights that sums up.
  index_t queries() const { return plan.judged_by == evidence::all_passes ? all_queries : last_queries; }

 private:
   index_t offset(index_t layer, index_t sequence, index_t head) const {
     return ((layer * sequences + sequence) * heads + head) * capacity;
   }

  /// Marks the keys to hide, of those that were there in the pass before.
  void choose() {
    for (index_t l = 0; l < layers; ++l)
      for (index_t b = 0; b < sequences; ++b)
        for (index_t h = 0; h < heads; ++h) {
          auto const marks =
              std::span(hidden).subspan(static_cast<std::size_t>(offset(l, b, h)), static_cast<std::size_t>(capacity));
          auto& stream = streams[static_cast<std::size_t>(b)];
          sinks::mark_keys(plan.what == drop::random ? sinks::random_keys(stream, last_keys, plan.count)
                                                     : sinks::strongest_keys(received(l, b, h), plan.count), marks);
        }
  }

  index_t layers, sequences, heads, capacity, first;
  masking_plan plan;
  std::vector<philox> streams;       // one a sequence
  std::vector<double> totals;        // [layers, sequences, heads, capacity], of all passes
  lm::shared_vector<double> fresh;   // [layers, sequences, heads, keys], of the last
  lm::shared_vector<std::uint8_t> hidden;  // [layers, sequences, heads, capacity]
  index_t last_keys = 0, all_queries = 0, last_queries = 0;
  pass_callback after_pass;
};

}  // namespace basin::study
