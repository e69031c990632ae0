// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The results as one self-contained HTML file: report.html with the figures and the plotting library inserted.

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "limits/claims.hpp"
#include "limits/report_template.hpp"
#include "limits/summary.hpp"
#include "report/page.hpp"

namespace basin::limits {

namespace detail {

using json = nlohmann::ordered_json;
using report::number, report::pair_json;

struct named_distance {
  char const* name;
  double distance_figure::*which;
};
inline constexpr named_distance distance_names[] = {
    {"a", &distance_figure::true_a},        {"b", &distance_figure::true_b},
    {"c", &distance_figure::true_c},        {"E", &distance_figure::formula},
    {"printed", &distance_figure::printed}, {"proved", &distance_figure::proved},
    {"bound", &distance_figure::bound},     {"broken", &distance_figure::broken},
    {"exact", &distance_figure::exact},     {"E_there", &distance_figure::formula_there}};

struct named_separation {
  char const* name;
  double separation_figure::*which;
};
inline constexpr named_separation separation_names[] = {{"mean", &separation_figure::ratio},
                                                        {"lower", &separation_figure::lower},
                                                        {"lower_count", &separation_figure::lower_count},
                                                        {"upper", &separation_figure::upper},
                                                        {"upper_range", &separation_figure::upper_range},
                                                        {"upper_tight", &separation_figure::upper_tight},
                                                        {"over", &separation_figure::over_upper},
                                                        {"under", &separation_figure::under_lower}};

struct named_monitor {
  char const* name;
  double monitor_figure::*which;
};
inline constexpr named_monitor monitor_names[] = {
    {"entropy", &monitor_figure::entropy}, {"saturation", &monitor_figure::saturation},
    {"most", &monitor_figure::max_weight}, {"n_most", &monitor_figure::n_max_weight},
    {"active", &monitor_figure::active},   {"mass", &monitor_figure::mass}};

inline json distance_json(findings const& f, int normalizer, index_t length, index_t n) {
  json out{{"length", length}, {"n", n}};
  for (auto const& d : distance_names) out[d.name] = pair_json(distance_at(f, normalizer, length, n, d.which));
  return out;
}

/// Every head's ratio and upper bound for the boxes, and means of all.
inline json separation_json(findings const& f, int normalizer, index_t n) {
  json out{{"n", n}, {"ratios", json::array()}, {"uppers", json::array()}, {"lowers", json::array()}};
  for (auto const& s : f.found.separations)
    if (s.index.normalizer == normalizer && s.n == n)
      out["ratios"].push_back(number(s.ratio)), out["uppers"].push_back(number(s.upper)),
          out["lowers"].push_back(number(s.lower));
  for (auto const& s : separation_names) out[s.name] = pair_json(separation_at(f, normalizer, n, s.which));
  return out;
}

inline json monitor_json(findings const& f, int normalizer, index_t length) {
  json out{{"length", length}};
  for (auto const& m : monitor_names) out[m.name] = pair_json(monitor_at(f, normalizer, length, m.which));
  return out;
}

inline json sensitivity_json(findings const& f, int normalizer, double epsilon) {
  json out{{"epsilon", epsilon}, {"mean", json::array()}, {"most", json::array()}};
  for (double const t : f.options.temperatures) {
    out["mean"].push_back(number(sensitivity_at(f, normalizer, t, epsilon, &sensitivity_figure::mean)));
    out["most"].push_back(number(sensitivity_at(f, normalizer, t, epsilon, &sensitivity_figure::most)));
  }
  return out;
}

inline json exponents_json(findings const& f, int normalizer) {
  return {{"max_weight", number(weight_exponent(f, normalizer))},
          {"a", number(distance_exponent(f, normalizer, &distance_figure::true_a))},
          {"E", number(distance_exponent(f, normalizer, &distance_figure::formula))},
          {"printed", number(distance_exponent(f, normalizer, &distance_figure::printed))}};
}

inline json normalizer_json(findings const& f, int normalizer) {
  json out{{"name", f.normalizers[static_cast<std::size_t>(normalizer)]},
           {"own", std::ranges::find(f.own, f.normalizers[static_cast<std::size_t>(normalizer)]) != f.own.end()},
           {"exponents", exponents_json(f, normalizer)},
           {"above_bound", number(share_above_bound(f, normalizer))},
           {"gain_over_paper", number(gain_over_paper(f, normalizer))},
           {"gain_over_proved", number(gain_over_proved(f, normalizer))},
           {"over_upper", number(share_outside(f, normalizer, &separation_figure::over_upper))},
           {"under_lower", number(share_outside(f, normalizer, &separation_figure::under_lower))},
           {"monitors", json::array()},
           {"by_length", json::array()},
           {"by_n", json::array()},
           {"separation", json::array()},
           {"sensitivity", json::array()},
           {"critical", json::array()}};
  for (index_t const length : f.options.lengths) {
    out["monitors"].push_back(monitor_json(f, normalizer, length));
    if (length > f.options.fixed_top)
      out["by_length"].push_back(distance_json(f, normalizer, length, f.options.fixed_top));
  }
  for (index_t const n : counts_at_longest(f))
    out["by_n"].push_back(distance_json(f, normalizer, f.options.longest(), n));
  for (index_t const n : counts_selected(f)) out["separation"].push_back(separation_json(f, normalizer, n));
  for (double const e : f.options.epsilons) out["sensitivity"].push_back(sensitivity_json(f, normalizer, e));
  for (auto const& c : f.found.criticals)
    if (c.normalizer == normalizer)
      out["critical"].push_back(
          {{"length", c.length}, {"expected", c.expected}, {"level", c.level}, {"n", c.n ? json(*c.n) : json()}});
  return out;
}

inline json findings_json(findings const& f, std::vector<claim_result> const& claims) {
  auto const& o = f.options;
  char const* const kinds[] = {"token embeddings", "hidden states that the layer reads", "values of the head"};
  running_mean delta, cosine;
  for (auto const& g : f.found.geometries) delta.add(g.least_distance), cosine.add(g.mean_cosine);
  json out{{"command", f.command},
           {"model", f.model},
           {"trained", f.trained},
           {"layers", f.layers},
           {"heads", f.heads},
           {"dim", f.dim},
           {"text", o.text.empty() ? "" : std::filesystem::path(o.text).filename().string()},
           {"embeddings", kinds[static_cast<int>(o.of)]},
           {"delta", number(delta.result().mean)},
           {"cosine", number(cosine.result().mean)},
           {"every", o.every},
           {"exact_rows", o.exact_rows},
           {"exact_draws", o.exact_draws},
           {"sensitivity_rows", o.sensitivity_rows},
           {"fixed_top", o.fixed_top},
           {"longest", o.longest()},
           {"temperatures", o.temperatures},
           {"searched", o.critical == critical_search::on},
           {"warnings", json::array()},
           {"claims", json::array()},
           {"normalizers", json::array()}};
  char const* const verdicts[] = {"holds", "violated", "not applicable"};
  for (auto const& w : f.warnings) out["warnings"].push_back({{"what", w.what}, {"remedy", w.remedy}});
  for (auto const& c : claims)
    out["claims"].push_back({{"section", c.section},
                             {"name", c.name},
                             {"claim", c.claim},
                             {"measured", c.measured},
                             {"conclusion", c.conclusion},
                             {"verdict", verdicts[static_cast<int>(c.judged)]}});
  for (int n = 0; n < static_cast<int>(f.normalizers.size()); ++n) out["normalizers"].push_back(normalizer_json(f, n));
  return out;
}

}  // namespace detail

/// Writes the report; without a plotting library it has all tables and says how to get the plots.
inline report::plots write_report(findings const& f, std::vector<claim_result> const& claims,
                                  std::filesystem::path const& file) {
  return report::write_page(report_template, "@LIMITS@", detail::findings_json(f, claims), f.options.plotly, file);
}

}  // namespace basin::limits
