// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the study found: figures, and the same in words.

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/statistics.hpp"
#include "report/words.hpp"
#include "study/answering.hpp"
#include "study/context_length.hpp"
#include "study/options.hpp"
#include "study/watching.hpp"

namespace basin::study {

using report::estimate, report::finding, report::gathering, report::mean_of, report::paired_difference, report::text_of;

/// One condition, over items; random keys averaged over their draws.
struct outcome {
  std::string hidden;
  index_t keys = 0, draws = 1;
  estimate score;
  estimate against_nothing, against_random;  // paired differences, item by item
};

/// One model's part of the study.
struct chapter {
  std::string key, name;           // "ar", "autoregressive"
  nlohmann::ordered_json config;   // of the checkpoint
  index_t parameters = 0;
  std::vector<scores> answers;
  std::vector<outcome> outcomes;
  sink_report sinks;
  std::vector<length_figure> lengths;
  std::optional<estimate> text_loss;  // nats per byte over whole windows
};

struct findings {
  study_options options;
  std::string command;
  index_t items = 0;
  int length = 0, given = 0, steps = 0, block = 0;
  std::vector<finding> warnings;
  std::vector<chapter> chapters;
  std::vector<finding> in_words;
};

/// Draws averaged and differences taken.
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
inline estimate over_heads(sink_report const& r, std::string const& measure) {
  gathering all;
  for (auto const& f : r.by_head)
    if (f.measure == measure) all.add(f.value.mean);
  return all.result();
}

/// The mean over heads of a figure of one normalizer at one length.
inline estimate at_length(chapter const& c, std::string const& normalizer, index_t length,
                          estimate length_figure::*which) {
  gathering all;
  for (auto const& f : c.lengths)
    if (f.normalizer == normalizer && f.length == length) all.add((f.*which).mean);
  return all.result();
}

inline std::vector<index_t> lengths_of(chapter const& c, reach which) {
  std::vector<index_t> out;
  for (auto const& f : c.lengths)
    if (f.how_far == which && (out.empty() || f.length > out.back())) out.push_back(f.length);
  return out;
}

namespace detail {

inline outcome const& find(chapter const& c, std::string const& hidden, index_t keys) {
  for (auto const& o : c.outcomes)
    if (o.hidden == hidden && o.keys == keys) return o;
  throw value_error{message("basin::study: no condition '", hidden, "' with ", keys, " keys")};
}

/// +1 where hiding sinks hurts more than hiding random keys by over two standard errors, -1 where it hurts less, else
/// 0.
inline int verdict(estimate const& minus_random, bool text) {
  if (!(std::abs(minus_random.mean) > 2 * minus_random.error)) return 0;
  return (minus_random.mean < 0) != text ? 1 : -1;
}

/// "1 and 5", of those masked counts whose verdict is `wanted`.
inline std::string counts_with(chapter const& c, std::string const& selection, bool text, int wanted) {
  std::vector<std::string> found;
  for (index_t const keys : masked_counts)
    if (verdict(find(c, selection, keys).against_random, text) == wanted) found.push_back(std::to_string(keys));
  std::string out;
  for (std::size_t i = 0; i < found.size(); ++i)
    out += (i == 0 ? "" : i + 1 == found.size() ? " and " : ", ") + found[i];
  return out;
}

inline finding masking_words(chapter const& c, findings const& f, std::string const& selection, char const* which) {
  bool const text = f.options.is_text();
  double const factor = text ? 1 : 100;
  int const digits = text ? 3 : 1;
  std::string const more = counts_with(c, selection, text, 1), less = counts_with(c, selection, text, -1),
                    same = counts_with(c, selection, text, 0);
  std::string headline = message("In the ", c.name, " model, hiding ", which);
  char const* separator = " ";
  for (auto const& [counts, words] : {std::pair{more, "hurts more than hiding random keys"},
                                      {less, "hurts less than hiding random keys"},
                                      {same, "cannot be told from hiding random keys"}})
    if (!counts.empty()) headline += message(separator, words, " (", counts, " a head)"), separator = ", ";
  std::string detail =
      message(text ? "Nats per byte" : "Right",
              " with nothing hidden: ", text_of(find(c, "nothing", 0).score, digits, factor), text ? "." : " %.");
  for (index_t const keys : masked_counts) {
    auto const& sinks = find(c, selection, keys);
    detail += message(" ", keys, keys == 1 ? " sink: " : " sinks: ", text_of(sinks.score, digits, factor),
                      ", as many random keys: ", text_of(find(c, "random keys", keys).score, digits, factor),
                      ", difference ", text_of(sinks.against_random, digits, factor), ".");
  }
  bool const too_few = !text && find(c, "nothing", 0).score.mean < 0.1;
  return {headline + (too_few ? "; but it answers too few problems for a loss to show." : "."), detail};
}

/// A clause with its number; nothing where the number is undefined.
inline std::string where_defined(char const* before, estimate const& e, int digits, char const* after) {
  return std::isnan(e.mean) ? "" : message(before, text_of(e, digits), after);
}

/// "falls by a factor of 2.0", or rises, or stays; without two positive numbers there is no factor.
inline std::string change_words(double before, double after) {
  if (!(before > 0 && after > 0 && before / after > 0 && after / before > 0)) return "has no defined change";
  std::string const times = text_of({std::max(before / after, after / before), NAN, 1}, 1);
  return times == "1.0" ? "stays as it is" : message(before > after ? "falls" : "rises", " by a factor of ", times);
}

inline finding sink_words(chapter const& c) {
  auto const& r = c.sinks;
  double const persistence = over_heads(r, "persistence").mean;
  bool const none = std::ranges::none_of(r.tokens, [](token_figure const& t) { return t.sinks > 0; });
  std::string const kept = none                      ? "no head has a sink"
                           : std::isnan(persistence) ? "no sink has a next step in which it could persist"
                                                     : "a sink persists to the next step with probability " +
                                                           text_of({persistence, NAN, 1}, 2);
  finding out{
      message("In the ", c.name, " model ", text_of({r.non_sink_share.mean, NAN, 1}, 1, 100),
              " % of the keys are not sinks; ", kept, "."),
      message("A head has ", text_of(over_heads(r, "sinks"), 2), " sinks (± over heads)",
              where_defined("; the sets of neighbouring steps overlap by ", over_heads(r, "jaccard"), 2, " (Jaccard)"),
              where_defined("; the centre of the sinks varies by ", over_heads(r, "temporal_variance"), 1,
                            " places squared"),
              ". In ", text_of(r.first_key_rate, 1, 100),
              " % of the heads the first key gets over 0.3 on average from the queries that see it. The strongest key "
              "of a head is a sink by the rule in ",
              text_of(over_heads(r, "has_sink"), 0, 100),
              " % of the cases; elsewhere hiding it hides a key that is merely the strongest.")};
  index_t all = 0;
  for (auto const& t : r.tokens) all += t.sinks;
  std::string separator = " Most sinks are: ";
  for (std::size_t n = 0; n < std::min<std::size_t>(4, r.tokens.size()); ++n) {
    auto const& t = r.tokens[n];
    if (t.sinks == 0) break;
    out.detail += message(separator, token_name(t.id), " (", kind_names[static_cast<std::size_t>(t.kind)], ") ",
                          std::lround(100.0 * static_cast<double>(t.sinks) / static_cast<double>(all)), " %");
    separator = ", ";
  }
  if (!none) out.detail += ".";
  return out;
}

/// Whether the rule is as selective as it should be: its source filters out at least 96 % of the keys at a length of
/// 64.
inline finding rule_words(findings const& f) {
  gathering both;
  for (auto const& c : f.chapters) both.add(c.sinks.non_sinks_at_length.mean);
  finding out{message("At the full length of ", f.length, " the rule leaves ",
                      text_of({both.result().mean, NAN, 1}, 1, 100),
                      " % of the keys as non-sinks, mean of both models."),
              ""};
  for (auto const& c : f.chapters)
    out.detail += message(out.detail.empty() ? "" : " ", "The ", c.name, " model, ",
                          c.key == "ar" ? "reading whole items: " : "over its denoising steps: ",
                          text_of(c.sinks.non_sinks_at_length, 1, 100), " %.");
  out.detail += " The rule's source reports at least 96 % at a length of 64.";
  return out;
}

inline finding length_words(chapter const& c) {
  index_t const first = lengths_of(c, reach::trained).back(), last = lengths_of(c, reach::beyond).back();
  auto const from_to = [&](char const* name, estimate length_figure::*which, int digits) {
    return message(text_of({at_length(c, name, first, which).mean, NAN, 1}, digits), " to ",
                   text_of({at_length(c, name, last, which).mean, NAN, 1}, digits));
  };
  double const before = at_length(c, "softmax", first, &length_figure::max_weight).mean,
               after = at_length(c, "softmax", last, &length_figure::max_weight).mean;
  finding out{message("From ", first, " keys (trained) to ", last, " (beyond), the largest softmax weight of the ",
                      c.name, " model ", change_words(before, after),
                      "; in a uniform row it would fall by a factor of ", last / first, "."),
              "Largest weight, and entropy in nats, means over heads:"};
  char const* separator = " ";
  for (auto const& [name, words] : {std::pair{"softmax", "softmax"},
                                    {"length_scaled<softmax, ssmax>", "SSMax"},
                                    {"length_scaled<softmax, log_n>", "log-n"},
                                    {"top_k(8)", "top-8"}}) {
    out.detail += message(separator, words, " ", from_to(name, &length_figure::max_weight, 3), ", ",
                          from_to(name, &length_figure::entropy, 2));
    separator = "; ";
  }
  out.detail += message("; uniform ", text_of({1.0 / static_cast<double>(first), NAN, 1}, 3), " to ",
                        text_of({1.0 / static_cast<double>(last), NAN, 1}, 3), ", ",
                        text_of({std::log(static_cast<double>(first)), NAN, 1}, 2), " to ",
                        text_of({std::log(static_cast<double>(last)), NAN, 1}, 2), ".");
  return out;
}

}  // namespace detail

/// The findings as sentences with their numbers.
inline std::vector<finding> put_in_words(findings const& f) {
  std::vector<finding> out = f.warnings;
  for (auto const& c : f.chapters) {
    out.push_back(detail::masking_words(c, f, "sinks", c.key == "ar" ? "the keys that received most so far" : "sinks"));
    if (c.key == "ar")
      out.push_back(
          detail::masking_words(c, f, "sinks of the last row", "the keys that the last token looked at most"));
  }
  for (auto const& c : f.chapters) out.push_back(detail::sink_words(c));
  out.push_back(detail::rule_words(f));
  for (auto const& c : f.chapters) out.push_back(detail::length_words(c));
  return out;
}

}  // namespace basin::study
