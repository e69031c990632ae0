// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The results of the study.

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/lm/evaluation/statistics.hpp"
#include "report/terminal.hpp"
#include "study/context_length.hpp"
#include "study/options.hpp"
#include "study/scoring.hpp"
#include "study/sink_statistics.hpp"

namespace basin::study {

using lm::estimate, lm::mean_of, lm::paired_difference, lm::running_mean;

/// One condition, over items; random keys averaged over their draws.
struct outcome {
  std::string hidden;
  index_t keys = 0, draws = 1;
  estimate score;
  estimate against_nothing, against_random;  // paired differences, item by item
};

/// The results of one model.
struct model_results {
  std::string key, name;          // "ar", "autoregressive"
  nlohmann::ordered_json config;  // of the checkpoint
  index_t parameters = 0;
  std::vector<scores> answers;
  std::vector<outcome> outcomes;
  sink_statistics sinks;
  std::vector<length_figure> lengths;
  std::optional<estimate> text_loss;  // nats per byte over whole windows
};

struct findings {
  study_options options;
  std::string command;
  index_t items = 0;
  int length = 0, given = 0, steps = 0, block = 0;
  std::vector<report::warning> warnings;
  std::vector<model_results> models;
};

/// Means over items; random draws are averaged first, and differences are paired.
inline std::vector<outcome> summarise(std::vector<scores> const& all) {
  std::map<std::pair<std::string, index_t>, std::pair<std::vector<double>, index_t>> sums;
  std::vector<std::pair<std::string, index_t>> order;
  for (auto const& s : all) {
    auto const key = std::pair{s.under.name, s.under.plan.count};
    auto& [sum, draws] = sums[key];
    if (draws++ == 0) order.push_back(key), sum.resize(s.items.size());
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += s.items[i];
  }
  for (auto& [key, sum] : sums)
    for (double& x : sum.first) x /= static_cast<double>(sum.second);
  std::vector<outcome> out;
  for (auto const& key : order) {
    auto const& [items, draws] = sums.at(key);
    outcome o{key.first, key.second, draws, mean_of(items), {}, {}};
    if (key.second > 0) o.against_nothing = paired_difference(items, sums.at({"nothing", 0}).first);
    if (key.first.starts_with("sinks"))
      o.against_random = paired_difference(items, sums.at({"random keys", key.second}).first);
    out.push_back(std::move(o));
  }
  return out;
}

/// A head measure averaged over heads; the error is over heads.
inline estimate over_heads(sink_statistics const& r, std::string const& measure) {
  running_mean all;
  for (auto const& f : r.by_head)
    if (f.measure == measure) all.add(f.value.mean);
  return all.result();
}

/// The mean over heads of a figure of one normalizer at one length.
inline estimate at_length(model_results const& c, std::string const& normalizer, index_t length,
                          estimate length_figure::*which) {
  running_mean all;
  for (auto const& f : c.lengths)
    if (f.normalizer == normalizer && f.length == length) all.add((f.*which).mean);
  return all.result();
}

inline std::vector<index_t> lengths_of(model_results const& c, length_range which) {
  std::vector<index_t> out;
  for (auto const& f : c.lengths)
    if (f.range == which && (out.empty() || f.length > out.back())) out.push_back(f.length);
  return out;
}

/// The outcome of one condition.
///
/// Throws    value_error: no such condition
inline outcome const& outcome_of(model_results const& c, std::string const& hidden, index_t keys) {
  for (auto const& o : c.outcomes)
    if (o.hidden == hidden && o.keys == keys) return o;
  throw value_error{message("basin::study: no condition '", hidden, "' with ", keys, " keys")};
}

}  // namespace basin::study
