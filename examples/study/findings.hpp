// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the study found: figures, and the same in words.

#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "study/answering.hpp"
#include "study/context_length.hpp"
#include "study/options.hpp"
#include "study/statistics.hpp"
#include "study/watching.hpp"

namespace basin::study {

/// One condition, over items; random keys averaged over their draws.
struct outcome {
  std::string hidden;
  index keys = 0, draws = 1;
  estimate score;
  estimate against_nothing, against_random;  // paired differences, item by item
};

/// One model's part of the study.
struct chapter {
  std::string key, name;           // "ar", "autoregressive"
  nlohmann::ordered_json config;   // of the checkpoint
  std::string origin;
  index parameters = 0;
  std::vector<scores> answers;
  std::vector<outcome> outcomes;
  sink_report sinks;
  std::vector<length_figure> lengths;
  std::optional<estimate> text_loss;  // nats per byte over whole windows
};

struct findings {
  study_options options;
  std::string command;
  index items = 0;
  int length = 0, given = 0, steps = 0, block = 0;
  std::vector<chapter> chapters;
  std::vector<std::string> in_words;
};

/// Draws averaged and differences taken.
inline std::vector<outcome> summarise(std::vector<scores> const& all) {
  std::map<std::pair<std::string, index>, std::pair<std::vector<double>, index>> sums;
  std::vector<std::pair<std::string, index>> order;
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
    if (key.first.starts_with("sinks")) o.against_random = paired_difference(items, sums.at({"random keys", key.second}).first);
    out.push_back(std::move(o));
  }
  return out;
}

/// "0.812 ± 0.024", or the same in per cent.
inline std::string text_of(estimate const& e, int digits, double factor = 1) {
  if (std::isnan(e.mean)) return "undefined";
  char text[64];
  if (std::isnan(e.error)) std::snprintf(text, sizeof text, "%.*f", digits, factor * e.mean);
  else std::snprintf(text, sizeof text, "%.*f ± %.*f", digits, factor * e.mean, digits, factor * e.error);
  return text;
}

/// A head measure averaged over heads; the error is over heads.
inline estimate over_heads(sink_report const& r, std::string const& measure) {
  gathering all;
  for (auto const& f : r.by_head)
    if (f.measure == measure) all.add(f.value.mean);
  return all.result();
}

/// The mean over heads of a figure of one normalizer at one length.
inline estimate at_length(chapter const& c, std::string const& normalizer, index length, estimate length_figure::*which) {
  gathering all;
  for (auto const& f : c.lengths)
    if (f.normalizer == normalizer && f.length == length) all.add((f.*which).mean);
  return all.result();
}

inline std::vector<index> lengths_of(chapter const& c, reach which) {
  std::vector<index> out;
  for (auto const& f : c.lengths)
    if (f.how_far == which && (out.empty() || f.length > out.back())) out.push_back(f.length);
  return out;
}

namespace detail {

inline outcome const& find(chapter const& c, std::string const& hidden, index keys) {
  for (auto const& o : c.outcomes)
    if (o.hidden == hidden && o.keys == keys) return o;
  throw value_error{message("basin::study: no condition '", hidden, "' with ", keys, " keys")};
}

/// What a difference says: two standard errors are asked for.
inline std::string judged(estimate const& difference, char const* more, char const* less, char const* same) {
  if (difference.error == 0 && difference.mean == 0) return same;
  if (std::abs(difference.mean) <= 2 * difference.error) return same;
  return difference.mean > 0 ? more : less;
}

inline std::string masking_words(chapter const& c, findings const& f, std::string const& selection) {
  bool const text = f.options.is_text();
  double const factor = text ? 1 : 100;
  int const digits = text ? 3 : 1;
  char const* const unit = text ? " nats per byte" : " %";
  std::string out = message("The ", c.name, " model ", text ? "loses " : "answers ", text_of(find(c, "nothing", 0).score, digits, factor), unit,
                            text ? " with nothing hidden." : " of the problems with nothing hidden.");
  for (index const keys : masked_counts) {
    auto const& sinks = find(c, selection, keys);
    auto const& random = find(c, "random keys", keys);
    std::string const verdict = judged(sinks.against_random, text ? "sinks hurt more" : "random keys hurt more",
                                       text ? "random keys hurt more" : "sinks hurt more", "no difference beyond two standard errors");
    out += message(" Hiding the top ", keys, selection == "sinks" ? "" : " of the last row", keys == 1 ? " sink" : " sinks", " of every head gives ",
                   text_of(sinks.score, digits, factor), unit, ", hiding ", keys, " random ", keys == 1 ? "key " : "keys ",
                   text_of(random.score, digits, factor), unit, ": ", verdict, " (difference ", text_of(sinks.against_random, digits, factor), ").");
  }
  return out;
}

inline std::string sink_words(chapter const& c) {
  auto const& r = c.sinks;
  std::string out = message("In the ", c.name, " model the rule leaves ", text_of(r.non_sink_share, 1, 100), " % of the keys as non-sinks; a head has ",
                            text_of(over_heads(r, "sinks"), 2), " sinks (± over heads).");
  out += message(" A sink of one step is one in the next with chance ", text_of(over_heads(r, "persistence"), 2), ", sets of neighbouring steps overlap by ",
                 text_of(over_heads(r, "jaccard"), 2), " (Jaccard), and the centre of the sinks varies by ", text_of(over_heads(r, "temporal_variance"), 1), " places squared.");
  if (!r.tokens.empty()) {
    index all = 0;
    for (auto const& t : r.tokens) all += t.sinks;
    out += " Most often a sink:";
    for (std::size_t n = 0; n < std::min<std::size_t>(3, r.tokens.size()); ++n)
      out += message(n ? ", " : " ", token_name(r.tokens[n].id), " (", kind_names[static_cast<std::size_t>(r.tokens[n].kind)], ", ",
                     static_cast<int>(std::lround(100.0 * static_cast<double>(r.tokens[n].sinks) / static_cast<double>(std::max<index>(1, all)))), " %)");
    out += ".";
  }
  return out;
}

inline std::string length_words(chapter const& c) {
  auto const within = lengths_of(c, reach::trained), beyond = lengths_of(c, reach::beyond);
  if (within.empty() || beyond.empty()) return "";
  index const first = within.back(), last = beyond.back();
  auto const weight = [&](char const* name, index n) { return text_of(at_length(c, name, n, &length_figure::max_weight), 3); };
  auto const nats = [&](char const* name, index n) { return text_of(at_length(c, name, n, &length_figure::entropy), 2); };
  std::string out = message("On the heads of the ", c.name, " model, from ", first, " keys (trained) to ", last, " (beyond): ");
  char const* separator = "";
  for (auto const& [name, words] : {std::pair{"softmax", "softmax"}, {"length_scaled<softmax, ssmax>", "SSMax"}, {"length_scaled<softmax, log_n>", "log-n"}, {"top_k(8)", "top-8"}}) {
    out += message(separator, words, " moves its largest weight from ", weight(name, first), " to ", weight(name, last), " and its entropy from ", nats(name, first), " to ", nats(name, last), " nats");
    separator = "; ";
  }
  return out + message(". A uniform row would have ", text_of({1.0 / static_cast<double>(last), NAN, 1}, 3), " and ", text_of({std::log(static_cast<double>(last)), NAN, 1}, 2), ".");
}

}  // namespace detail

/// The findings as sentences with their numbers.
inline std::vector<std::string> put_in_words(findings const& f) {
  std::vector<std::string> out;
  for (auto const& c : f.chapters) {
    out.push_back(detail::masking_words(c, f, "sinks"));
    if (c.key == "ar") out.push_back("Judged by the last row instead, as in the paper: " + detail::masking_words(c, f, "sinks of the last row"));
  }
  for (auto const& c : f.chapters) out.push_back(detail::sink_words(c));
  for (auto const& c : f.chapters) out.push_back(detail::length_words(c));
  return out;
}

}  // namespace basin::study
