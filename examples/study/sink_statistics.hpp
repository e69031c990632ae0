// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Sinks during generation: their positions, their tokens, and how they move from step to step.

#include <array>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/lm/evaluation/statistics.hpp"
#include "basin/lm/finite.hpp"
#include "basin/sinks/rule.hpp"
#include "basin/sinks/trajectory.hpp"
#include "study/key_masking.hpp"
#include "study/test_set.hpp"

namespace basin::study {

using lm::estimate, lm::running_mean, lm::mean_of;

inline constexpr std::size_t kinds = std::size(kind_names);

/// A measure of one head, over items.
struct head_figure {
  int layer = 0, head = 0;
  std::string measure;
  estimate value;
};

/// A measure of one layer at one step, over heads and items.
struct step_figure {
  index_t step = 0;
  int layer = 0;
  std::string measure;
  estimate value;
};

/// How often a token is a sink, and how often it is a key at all.
struct token_figure {
  token_kind kind{};
  int id = 0;
  index_t sinks = 0, keys = 0;
};

/// One head on one item: the share of all attention that every key received, step by step. // [steps][keys]
struct head_example {
  int layer = 0, head = 0;
  std::vector<std::vector<double>> share;
};

struct sink_statistics {
  std::vector<head_figure> by_head;
  std::vector<step_figure> by_step;
  std::vector<token_figure> tokens;                    // most sinks first
  std::vector<std::array<index_t, kinds>> strongest_kind;  // of the strongest key of every head, by step // [steps]
  estimate non_sink_share;                             // over all passes, heads and items
  estimate non_sinks_at_length;  // at the full length: of items as they truly are, or over denoising steps
  estimate first_key_rate;                             // heads whose first key gets more than 0.3 a query (items)
  std::vector<head_example> example;
  std::vector<std::vector<int>> example_tokens;        // tokens at each step // [steps][keys]
};

/// Records the sinks of every head of every item in the passes that hide nothing.
class sink_recorder {
 public:
  /// `shift` positions precede an item: 1 for a begin token.
   sink_recorder(lm::llama_config const& c, test_set const& from, int shift, sinks::sight seen_by,
              sinks::epsilon_rule by)
       : layers(c.layers), heads(c.heads), lead(shift), sight(seen_by), rule(by), m(from) {
     for (index_t n = 0; n < m.count * layers * heads; ++n) paths.emplace_back(m.length, rule);
     first_rate.resize(static_cast<std::size_t>(m.count));
   }

  void record(key_masking const& mask, lm::pass const& now, index_t first) {
    for (index_t b = 0; b < now.batch; ++b) {
      auto const tokens =
          now.tokens.subspan(static_cast<std::size_t>(b * now.keys), static_cast<std::size_t>(now.keys));
      for (int l = 0; l < layers; ++l)
        for (int h = 0; h < heads; ++h) record_head(mask.received(l, b, h), mask.queries(), tokens, first + b, l, h);
      first_rate[static_cast<std::size_t>(first + b)] = rate_of_first(mask, now, b);
      if (first + b == 0) example_tokens.emplace_back(tokens.begin(), tokens.end());
    }
  }

  sink_statistics report() const {
    sink_statistics r;
    add_heads(r);
    add_steps(r);
    for (auto const& [key, counts] : token_counts)
      r.tokens.push_back({key.first, key.second, counts.first, counts.second});
    std::stable_sort(r.tokens.begin(), r.tokens.end(), [](auto const& a, auto const& b) { return a.sinks > b.sinks; });
    r.strongest_kind = strongest_kind;
    r.first_key_rate = mean_of(first_rate);
    for (auto const& [place, share] : example) r.example.push_back({place.first, place.second, share});
    r.example_tokens = example_tokens;
    return r;
  }

 private:
   sinks::trajectory const& path(index_t item, int l, int h) const {
     return paths[static_cast<std::size_t>((item * layers + l) * heads + h)];
   }

   void record_head(std::span<double const> received, index_t queries, std::span<int const> tokens, index_t item, int l,
                 int h) {
     auto& here = paths[static_cast<std::size_t>((item * layers + l) * heads + h)];
     here.add_step(received, queries);
     marks.resize(received.size());
     sinks::mark_sinks(rule, received, queries, marks);
     for (std::size_t j = 0; j < marks.size(); ++j) {
       auto& counts = token_counts[{m.kind_of(item, static_cast<int>(j) - lead, tokens[j]), tokens[j]}];
       counts.first += marks[j];
       counts.second += 1;
     }
     std::size_t const step = here.steps().size() - 1;
     auto const strongest = static_cast<std::size_t>(here.steps().back().strongest);
     if (strongest_kind.size() <= step) strongest_kind.resize(step + 1);
     ++strongest_kind[step]
                     [static_cast<std::size_t>(m.kind_of(item, static_cast<int>(strongest) - lead, tokens[strongest]))];
     if (item != 0) return;
     auto& rows = example[{l, h}];
     rows.emplace_back(received.begin(), received.end());
     for (double& c : rows.back()) c /= static_cast<double>(queries);
   }

  double rate_of_first(key_masking const& mask, lm::pass const& now, index_t b) const {
    std::vector<double> rows;
    for (int l = 0; l < layers; ++l)
      for (int h = 0; h < heads; ++h) {
        auto const received = mask.received(l, b, h);
        rows.insert(rows.end(), received.begin(), received.end());
      }
    return sinks::sink_rate(contiguous(std::as_const(rows).data(), layers * heads, now.keys), 0, sight);
  }

  void add_heads(sink_statistics& r) const {
    running_mean non_sinks;
    for (int l = 0; l < layers; ++l)
      for (int h = 0; h < heads; ++h) {
        std::array<running_mean, 9> all;
        for (index_t i = 0; i < m.count; ++i) {
          auto const d = path(i, l, h).summary();
          running_mean sinks_now, strongest, any;
          for (auto const& s : path(i, l, h).steps())
            sinks_now.add(static_cast<double>(s.sinks)), strongest.add(s.strongest_share), any.add(s.sinks > 0);
          double const values[] = {
              d.non_sink_share,  sinks_now.result().mean, strongest.result().mean, d.persistence,    d.jaccard,
              d.strongest_moves, d.temporal_variance,     d.spatial_variance,      any.result().mean};
          for (std::size_t n = 0; n < all.size(); ++n) all[n].add(values[n]);
          non_sinks.add(d.non_sink_share);
        }
        char const* const names[] = {"non_sink_share", "sinks", "strongest_share", "persistence",
                                     "jaccard", "strongest_moves", "temporal_variance", "spatial_variance", "has_sink"};
        for (std::size_t n = 0; n < all.size(); ++n) r.by_head.push_back({l, h, names[n], all[n].result()});
      }
    r.non_sink_share = non_sinks.result();
  }

  void add_steps(sink_statistics& r) const {
    for (index_t step = 0; step < static_cast<index_t>(strongest_kind.size()); ++step)
      for (int l = 0; l < layers; ++l) {
        running_mean non_sinks, count, strongest, jaccard;
        for (index_t i = 0; i < m.count; ++i)
          for (int h = 0; h < heads; ++h) {
            auto const steps = path(i, l, h).steps();
            if (step >= std::ssize(steps)) continue;
            auto const& s = steps[static_cast<std::size_t>(step)];
            non_sinks.add(1 - static_cast<double>(s.sinks) / static_cast<double>(s.keys));
            count.add(static_cast<double>(s.sinks));
            strongest.add(s.strongest_share);
            jaccard.add(s.jaccard_with_last);
          }
        r.by_step.push_back({step, l, "non_sink_share", non_sinks.result()});
        r.by_step.push_back({step, l, "sinks", count.result()});
        r.by_step.push_back({step, l, "strongest_share", strongest.result()});
        r.by_step.push_back({step, l, "jaccard_with_last", jaccard.result()});
      }
  }

  int layers, heads, lead;
  sinks::sight sight;
  sinks::epsilon_rule rule;
  test_set const& m;
  std::vector<sinks::trajectory> paths;  // [items, layers, heads]
  std::vector<double> first_rate;        // [items], of the last pass
  std::map<std::pair<token_kind, int>, std::pair<index_t, index_t>> token_counts;
  std::vector<std::array<index_t, kinds>> strongest_kind;
  std::map<std::pair<int, int>, std::vector<std::vector<double>>> example;
  std::vector<std::vector<int>> example_tokens;
  std::vector<std::uint8_t> marks;
};

/// The share of keys that are not sinks when a causal model reads whole items. Its passes during generation are over
/// shorter prefixes.
template <class Model>
estimate non_sinks_of_whole_items(Model& model, test_set const& m, sinks::epsilon_rule rule) {
  running_mean all;
  std::vector<std::uint8_t> marks(static_cast<std::size_t>(m.length));
  for (index_t i = 0; i < m.count; ++i) {
    std::vector<int> ids{lm::begin_id};
    ids.insert(ids.end(), m.sequence(i).begin(), m.sequence(i).end() - 1);
    key_masking mask(model.config(), 1, m.length, i, Model::shared_memory());
    lm::pass const now{0, 1, m.length, m.length, ids};
    lm::require_finite(model.forward(ids, 1, m.length, mask.adapt(now)), "the logits");
    mask.seen(now);
    running_mean heads;
    for (int l = 0; l < model.config().layers; ++l)
      for (int h = 0; h < model.config().heads; ++h)
        heads.add(1 -
                  static_cast<double>(sinks::mark_sinks(rule, mask.received(l, 0, h), m.length, marks)) / m.length);
    all.add(heads.result().mean);
  }
  return all.result();
}

}  // namespace basin::study
