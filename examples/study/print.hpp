// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The results on the terminal: the question, what a sink is, the findings, then tables.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "report/number_text.hpp"
#include "report/terminal.hpp"
#include "study/findings.hpp"
#include "study/summary.hpp"

namespace basin::study {

namespace detail {

using report::cell_of, report::text_table;

/// "0.812 ± 0.024", or "-".
inline std::string estimate_cell(estimate const& e, int digits, double factor = 1) {
  return std::isnan(e.mean) ? "-" : text_of(e, digits, factor);
}

inline void print_summary(findings const& f, summary const& s) {
  std::printf("Question\n%sDefinition\n%s", report::wrapped(s.question, 2).c_str(),
              report::wrapped(s.definition, 2).c_str());
  if (!f.warnings.empty()) std::printf("Warnings\n");
  for (auto const& w : f.warnings) std::printf("%s %s\n", w.what.c_str(), w.remedy.c_str());
  std::printf("Findings\n");
  for (std::size_t i = 0; i < s.findings.size(); ++i) {
    std::string const text = report::wrapped(s.findings[i], 5);
    std::printf("  %d. %s", static_cast<int>(i + 1), text.c_str() + 5);
  }
}

inline void print_scores(findings const& f) {
  bool const text = f.options.is_text();
  double const factor = text ? 1 : 100;
  int const digits = text ? 3 : 1;
  std::printf("\n%s over %lld %s, ± standard error; last row: keys ranked by it alone\n",
              text ? "Nats per byte" : "Right answers in %", static_cast<long long>(f.items),
              text ? "windows" : "held-out problems");
  text_table table({"model", "hidden from each head", "keys", text ? "nats" : "right", "minus nothing", "minus random"},
                   2);
  for (auto const& c : f.models)
    for (auto const& o : c.outcomes)
      table.row({c.name, shown_name(o.hidden), std::to_string(o.keys), estimate_cell(o.score, digits, factor),
                 o.keys > 0 ? estimate_cell(o.against_nothing, digits, factor) : "",
                 o.hidden.starts_with("sinks") ? estimate_cell(o.against_random, digits, factor) : ""});
  std::printf("%s", table.text().c_str());
}

inline void print_sinks(findings const& f) {
  std::printf(
      "\nSinks, means over heads, ± standard error over heads (docs/explanation/sinks.md defines the columns)\n");
  text_table table(
      {"model", "non-sinks, %", "at full length", "sinks", "with a sink, %", "persistence", "Jaccard", "var. centre"});
  for (auto const& c : f.models) {
    auto const cell = [&](char const* measure, int digits, double factor = 1) {
      return estimate_cell(over_heads(c.sinks, measure), digits, factor);
    };
    table.row({c.name, cell("non_sink_share", 1, 100), cell_of(c.sinks.non_sinks_at_length.mean, 1, 100),
               cell("sinks", 2), cell_of(over_heads(c.sinks, "has_sink").mean, 0, 100),
               cell_of(over_heads(c.sinks, "persistence").mean, 2), cell_of(over_heads(c.sinks, "jaccard").mean, 2),
               cell("temporal_variance", 1)});
  }
  std::printf("%s\nTokens that are sinks most often\n", table.text().c_str());
  text_table tokens({"model", "token", "class", "% of all sinks"}, 3);
  for (auto const& c : f.models) {
    index_t all = 0;
    for (auto const& t : c.sinks.tokens) all += t.sinks;
    for (std::size_t n = 0; n < std::min<std::size_t>(4, c.sinks.tokens.size()); ++n)
      if (auto const& t = c.sinks.tokens[n]; t.sinks > 0)
        tokens.row({c.name, token_name(t.id), std::string(kind_names[static_cast<std::size_t>(t.kind)]),
                    text_of(static_cast<double>(t.sinks) / static_cast<double>(all), 1, 100)});
  }
  std::printf("%s", tokens.text().c_str());
}

inline constexpr std::pair<char const*, char const*> normalizers_shown[] = {{"softmax", "softmax"},
                                                                            {"length_scaled<softmax, ssmax>", "ssmax"},
                                                                            {"length_scaled<softmax, log_n>", "log_n"},
                                                                            {"top_k(8)", "top_k(8)"}};

/// One measure of every normalizer at every length of both models; `uniform` gives that of equal weights.
inline void print_lengths(findings const& f, estimate length_figure::*which, int digits, double (*uniform)(double)) {
  std::vector<std::string> head{"model", "normalizer"};
  std::vector<index_t> lengths;
  for (auto const& c : f.models)
    for (auto const range : {length_range::trained, length_range::beyond})
      for (index_t const n : lengths_of(c, range)) lengths.push_back(n);
  std::ranges::sort(lengths);
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  for (index_t const n : lengths) head.push_back(std::to_string(n));
  text_table table(std::move(head), 2);
  for (auto const& c : f.models)
    for (auto const& [name, shown] : normalizers_shown) {
      std::vector<std::string> line{c.name, shown};
      for (index_t const n : lengths) line.push_back(cell_of(at_length(c, name, n, which).mean, digits));
      table.row(std::move(line));
    }
  std::vector<std::string> line{"", "uniform"};
  for (index_t const n : lengths) line.push_back(cell_of(uniform(static_cast<double>(n)), digits));
  table.row(std::move(line));
  std::printf("%s", table.text().c_str());
}

}  // namespace detail

/// The findings, then the main numbers.
inline void print_results(findings const& f, summary const& s) {
  detail::print_summary(f, s);
  detail::print_scores(f);
  detail::print_sinks(f);
  std::printf("\nThe same scores under other normalizers\n%s", report::wrapped(s.lengths, 2).c_str());
  std::printf("\nLargest weight by the number of keys, mean over heads\n");
  detail::print_lengths(f, &length_figure::max_weight, 3, [](double n) { return 1 / n; });
  std::printf("\nEntropy in nats by the number of keys, mean over heads\n");
  detail::print_lengths(f, &length_figure::entropy, 2, [](double n) { return std::log(n); });
}

}  // namespace basin::study
