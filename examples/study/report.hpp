// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The results as one self-contained HTML file: report.html with the figures and the plotting library inserted.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "report/page.hpp"
#include "study/findings.hpp"
#include "study/report_template.hpp"
#include "study/summary.hpp"

namespace basin::study {

namespace detail {

using json = nlohmann::ordered_json;
using report::number, report::pair_json;

inline json sinks_json(sink_statistics const& r) {
  json heads = json::array(), steps = json::array(), kinds_of_steps = json::array(), tokens = json::array(),
       examples = json::array();
  for (auto const& f : r.by_head)
    heads.push_back({{"layer", f.layer}, {"head", f.head}, {"measure", f.measure}, {"value", pair_json(f.value)}});
  for (auto const& f : r.by_step)
    steps.push_back({{"step", f.step}, {"layer", f.layer}, {"measure", f.measure}, {"value", pair_json(f.value)}});
  for (auto const& counts : r.strongest_kind) kinds_of_steps.push_back(counts);
  for (auto const& t : std::span(r.tokens).first(std::min<std::size_t>(12, r.tokens.size())))
    tokens.push_back({{"kind", kind_names[static_cast<std::size_t>(t.kind)]},
                      {"token", token_name(t.id)},
                      {"sinks", t.sinks},
                      {"keys", t.keys}});
  index_t all = 0;
  for (auto const& t : r.tokens) all += t.sinks;
  for (auto const& e : r.example) {
    json share = json::array();
    for (auto const& row : e.share) {
      json cells = json::array();
      for (double const x : row) cells.push_back(std::round(x * 1e4) / 1e4);
      share.push_back(std::move(cells));
    }
    examples.push_back({{"layer", e.layer}, {"head", e.head}, {"share", std::move(share)}});
  }
  json read = json::array();
  for (auto const& step : r.example_tokens) {
    json names = json::array();
    for (int const id : step) names.push_back(token_name(id));
    read.push_back(std::move(names));
  }
  return {{"non_sink_share", pair_json(r.non_sink_share)},
          {"non_sinks_at_length", pair_json(r.non_sinks_at_length)},
          {"first_key_rate", pair_json(r.first_key_rate)},
          {"heads", heads},
          {"steps", steps},
          {"kinds", kinds_of_steps},
          {"tokens", tokens},
          {"all_sinks", all},
          {"example", examples},
          {"example_tokens", read}};
}

inline json model_json(model_results const& c) {
  json outcomes = json::array(), draws = json::array(), lengths = json::array();
  for (auto const& o : c.outcomes)
    outcomes.push_back({{"hidden", o.hidden},
                        {"shown", shown_name(o.hidden)},
                        {"keys", o.keys},
                        {"draws", o.draws},
                        {"score", pair_json(o.score)},
                        {"against_nothing", pair_json(o.against_nothing)},
                        {"against_random", pair_json(o.against_random)}});
  for (auto const& s : c.answers)
    if (s.under.plan.what == drop::random)
      draws.push_back({{"keys", s.under.plan.count}, {"draw", s.under.draw}, {"score", number(mean_of(s.items).mean)}});
  for (auto const& l : c.lengths)
    lengths.push_back({{"normalizer", l.normalizer},
                       {"length", l.length},
                       {"beyond", l.range == length_range::beyond},
                       {"layer", l.layer},
                       {"head", l.head},
                       {"max_weight", number(l.max_weight.mean)},
                       {"entropy", number(l.entropy.mean)}});
  json out{{"key", c.key},         {"name", c.name}, {"parameters", c.parameters},   {"config", c.config},
           {"outcomes", outcomes}, {"draws", draws}, {"sinks", sinks_json(c.sinks)}, {"lengths", lengths}};
  if (c.text_loss) out["text_loss"] = pair_json(*c.text_loss);
  return out;
}

inline json findings_json(findings const& f, summary const& s) {
  char const* const units[] = {"column sum", "percent", "mean"};
  json out{{"command", f.command},
           {"is_text", f.options.is_text()},
           {"items", f.items},
           {"length", f.length},
           {"given", f.given},
           {"steps", f.steps},
           {"block", f.block},
           {"draws", f.options.draws},
           {"seed", f.options.seed},
           {"problems", f.options.problems},
           {"text", std::filesystem::path(f.options.text).filename().string()},
           {"kinds", kind_names},
           {"rule", {{"unit", units[static_cast<int>(f.options.rule.unit)]}, {"epsilon", f.options.rule.epsilon}}},
           {"question", s.question},
           {"definition", s.definition},
           {"findings", s.findings},
           {"length_summary", s.lengths},
           {"warnings", json::array()},
           {"models", json::array()}};
  for (auto const& w : f.warnings) out["warnings"].push_back({{"what", w.what}, {"remedy", w.remedy}});
  for (auto const& c : f.models) out["models"].push_back(model_json(c));
  return out;
}

}  // namespace detail

/// Writes the report; without a plotting library it has all tables and says how to get the plots.
inline report::plots write_report(findings const& f, summary const& s, std::filesystem::path const& file) {
  return report::write_page(report_template, "@STUDY@", detail::findings_json(f, s), f.options.plotly, file);
}

}  // namespace basin::study
