// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the study asks, what a sink is, and the main results as sentences.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "report/number_text.hpp"
#include "study/findings.hpp"

namespace basin::study {

using report::text_of;

/// The sentences at the top of the report.
struct summary {
  std::string question, definition;
  std::vector<std::string> findings;  // at most three
  std::string lengths;                // for the section about the context length
};

/// "top keys", for the condition "sinks": the keys that are hidden received the most attention, whether or not the rule
/// calls them sinks.
inline std::string shown_name(std::string const& hidden) {
  return hidden == "sinks" ? "top keys" : hidden == "sinks of the last row" ? "top keys, last row" : hidden;
}

namespace detail {

/// What a sink is by the rule that is used.
inline std::string sink_definition(sinks::epsilon_rule const& rule) {
  std::string const number = message(rule.epsilon);
  std::string const amount = rule.unit == sinks::scale::column_sum
                                 ? message(number, rule.epsilon == 1 ? " query's" : " queries'", " worth of attention")
                             : rule.unit == sinks::scale::percent
                                 ? message(number, " % of the attention of all queries")
                                 : message("a share of ", number, " of the attention of all queries");
  return message("An attention sink of a head is a key that receives at least ", amount,
                 " more than the average other key.");
}

/// +1 where hiding the top keys hurts more than hiding random keys by over two standard errors, -1 where it hurts less,
/// else 0.
inline int verdict(estimate const& minus_random, bool text) {
  if (!(std::abs(minus_random.mean) > 2 * minus_random.standard_error)) return 0;
  return (minus_random.mean < 0) != text ? 1 : -1;
}

/// "1 and 5", of those masked counts whose verdict is `wanted`.
inline std::string counts_with(model_results const& c, std::string const& hidden, bool text, int wanted) {
  std::vector<std::string> found;
  for (index_t const keys : masked_counts)
    if (verdict(outcome_of(c, hidden, keys).against_random, text) == wanted) found.push_back(std::to_string(keys));
  std::string out;
  for (std::size_t i = 0; i < found.size(); ++i)
    out += (i == 0 ? "" : i + 1 == found.size() ? " and " : ", ") + found[i];
  return out;
}

inline std::string masking_finding(model_results const& c, findings const& f) {
  bool const text = f.options.is_text();
  double const factor = text ? 1 : 100;
  int const digits = text ? 3 : 1;
  std::string out = message("In the ", c.name, " model, hiding the top keys of each head");
  char const* separator = " ";
  for (auto const& [wanted, words] : {std::pair{1, "hurts more than hiding random keys"},
                                      {-1, "hurts less than hiding random keys"},
                                      {0, "does not differ measurably from hiding random keys"}})
    if (auto const counts = counts_with(c, "sinks", text, wanted); !counts.empty())
      out += message(separator, words, " (", counts, counts == "1" ? " key)" : " keys)"), separator = ", and ";
  index_t const one = masked_counts[0];
  auto const score = [&](char const* hidden, index_t keys) {
    return text_of(outcome_of(c, hidden, keys).score.mean, digits, factor);
  };
  out += message(text ? ". Nats per byte" : ". Right answers", " with 1 key hidden: ", score("sinks", one),
                 text ? "" : " %", "; with 1 random key: ", score("random keys", one), text ? "" : " %",
                 "; with none: ", score("nothing", 0), text ? "" : " %");
  if (std::ranges::any_of(c.outcomes, [](outcome const& o) { return o.hidden == "sinks of the last row"; }))
    out += message("; with the strongest key of the last row of weights: ", score("sinks of the last row", one),
                   text ? "" : " %");
  if (!text && outcome_of(c, "nothing", 0).score.mean < 0.1)
    out += "; but it answers too few problems for a loss to show";
  return out + ".";
}

/// "falls by a factor of 2.0", or rises, or stays; without two positive numbers there is no factor.
inline std::string change_words(double before, double after) {
  if (!(before > 0 && after > 0 && before / after > 0 && after / before > 0)) return "has no defined change";
  std::string const times = text_of(std::max(before / after, after / before), 1);
  return times == "1.0" ? "stays as it is" : message(before > after ? "falls" : "rises", " by a factor of ", times);
}

/// The most frequent sink: "[begin] (67 % of the sinks)", or "none".
inline std::string most_frequent_sink(sink_statistics const& r) {
  index_t all = 0;
  for (auto const& t : r.tokens) all += t.sinks;
  if (all == 0) return "none";
  auto const& most = r.tokens.front();
  std::string const name = token_name(most.id);
  return message(name.size() == 1 ? "'" + name + "'" : name, " (",
                 std::lround(100.0 * static_cast<double>(most.sinks) / static_cast<double>(all)), " % of the sinks)");
}

/// "a and b", of one text for each model.
template <class Text> std::string of_models(findings const& f, Text const& text) {
  std::string out;
  for (auto const& c : f.models) out += (out.empty() ? "" : " and ") + text(c);
  return out;
}

inline std::string sink_finding(findings const& f) {
  std::string out =
      message(of_models(f,
                        [](model_results const& c) {
                          return message(text_of(c.sinks.non_sink_share.mean, 1, 100), " % (", c.name, ")");
                        }),
              " of the keys are not sinks");
  bool const none = std::ranges::all_of(f.models, [](model_results const& c) {
    return std::ranges::none_of(c.sinks.tokens, [](token_figure const& t) { return t.sinks > 0; });
  });
  if (none) return out + "; no head has a sink.";
  out += message(". The most frequent sink is ",
                 of_models(f, [](model_results const& c) { return most_frequent_sink(c.sinks); }));
  auto const persistence = [](model_results const& c) { return over_heads(c.sinks, "persistence").mean; };
  if (std::ranges::none_of(f.models, [&](model_results const& c) { return std::isnan(persistence(c)); }))
    out += message(", and a sink persists to the next step with probability ",
                   of_models(f, [&](model_results const& c) { return text_of(persistence(c), 2); }));
  return out + ".";
}

inline std::string length_summary(findings const& f) {
  std::string out, last_range;
  for (auto const& c : f.models) {
    index_t const first = lengths_of(c, length_range::trained).back(),
                  last = lengths_of(c, length_range::beyond).back();
    double const before = at_length(c, "softmax", first, &length_figure::max_weight).mean,
                 after = at_length(c, "softmax", last, &length_figure::max_weight).mean;
    std::string const range =
        message("From ", first, " keys (the trained length) to ", last, ", where uniform weights fall by a factor of ",
                last / first, ", the largest softmax weight");
    out += range == last_range ? ", and that" : message(out.empty() ? "" : ". ", range);
    out += message(" of the ", c.name, " model ", change_words(before, after));
    last_range = range;
  }
  return out + ".";
}

}  // namespace detail

inline summary summary_of(findings const& f) {
  summary out{message("Do a small autoregressive and a small masked diffusion language model need their attention "
                      "sinks? Before each step, every head loses the 1, 5 or 10 keys that received the most attention "
                      "(top keys), or as many random keys."),
              detail::sink_definition(f.options.rule),
              {},
              detail::length_summary(f)};
  for (auto const& c : f.models) out.findings.push_back(detail::masking_finding(c, f));
  out.findings.push_back(detail::sink_finding(f));
  return out;
}

}  // namespace basin::study
