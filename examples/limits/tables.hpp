// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The figures as tidy CSV files, one line a head, and as tables for a terminal, one line a normalizer.

#include <cstdio>
#include <filesystem>
#include <string>

#include "basin/lm/io/files.hpp"
#include "limits/summary.hpp"
#include "report/csv.hpp"
#include "report/words.hpp"

namespace basin::limits {

using report::csv, report::text_of;

inline std::string const& name_of(findings const& f, int normalizer) {
  return f.normalizers[static_cast<std::size_t>(normalizer)];
}

inline std::string distances_csv(findings const& f) {
  csv table("normalizer,length,n,layer,head,true_a,true_b,true_c,expected,expected_printed,expected_at_most,upper_"
            "bound,broken_share,rows,exact,expected_there,expected_at_most_there,exact_rows");
  for (auto const& d : f.found.distances)
    table.row(name_of(f, d.at.normalizer), d.length, d.n, d.at.layer, d.at.head, d.true_a, d.true_b, d.true_c,
              d.formula, d.printed, d.proved, d.bound, d.broken, d.rows, d.exact, d.formula_there, d.proved_there,
              d.exact_rows);
  return table.text();
}

inline std::string separation_csv(findings const& f) {
  csv table("normalizer,length,n,layer,head,ratio,lower,lower_by_counting,upper,upper_by_range,upper_by_differences,"
            "rows_over_upper,rows_under_lower,rows");
  for (auto const& s : f.found.separations)
    table.row(name_of(f, s.at.normalizer), f.options.longest(), s.n, s.at.layer, s.at.head, s.ratio, s.lower,
              s.lower_count, s.upper, s.upper_range, s.upper_tight, s.over_upper, s.under_lower, s.rows);
  return table.text();
}

inline std::string sensitivity_csv(findings const& f) {
  csv table("normalizer,length,temperature,epsilon,layer,head,mean,most,rows");
  for (auto const& s : f.found.sensitivities)
    table.row(name_of(f, s.at.normalizer), f.options.longest(), s.temperature, s.epsilon, s.at.layer, s.at.head, s.mean,
              s.most, s.rows);
  return table.text();
}

inline std::string monitors_csv(findings const& f) {
  csv table("normalizer,length,layer,head,entropy_nats,entropy_of_log_n,max_weight,n_max_weight,active,mass,rows");
  for (auto const& m : f.found.monitors)
    table.row(name_of(f, m.at.normalizer), m.length, m.at.layer, m.at.head, m.entropy, m.saturation, m.max_weight,
              m.n_max_weight, m.active, m.mass, m.rows);
  return table.text();
}

/// An empty n: the test tells true and expected distances apart at every N that was tried.
inline std::string critical_csv(findings const& f) {
  csv table("normalizer,length,expectation,level,n");
  for (auto const& c : f.found.criticals)
    table.row(name_of(f, c.normalizer), c.length, c.expected, c.level, c.n ? std::to_string(*c.n) : std::string());
  return table.text();
}

inline std::string geometry_csv(findings const& f) {
  csv table("layer,group,least_distance,mean_cosine");
  for (auto const& g : f.found.geometries) table.row(g.layer, g.head, g.least_distance, g.mean_cosine);
  return table.text();
}

inline void write_tables(findings const& f, std::filesystem::path const& folder) {
  auto const write = [&](char const* name, std::string const& text) {
    lm::write_atomically(folder / name, lm::bytes_of(text));
  };
  write("distances.csv", distances_csv(f));
  write("separation.csv", separation_csv(f));
  write("sensitivity.csv", sensitivity_csv(f));
  write("monitors.csv", monitors_csv(f));
  write("geometry.csv", geometry_csv(f));
  if (f.options.critical == critical_search::on) write("critical.csv", critical_csv(f));
}

namespace detail {

inline void head_line(char const* title, char const* first) { std::printf("\n%s\n  %-22s", title, first); }

template <class Numbers, class Print>
void lines(findings const& f, char const* title, Numbers const& columns, char const* format, Print const& print) {
  head_line(title, "");
  for (auto const c : columns) std::printf(format, c);
  std::printf("\n");
  for (int n = 0; n < static_cast<int>(f.normalizers.size()); ++n) {
    std::printf("  %-22s", name_of(f, n).c_str());
    for (auto const c : columns) print(n, c);
    std::printf("\n");
  }
}

/// "97.7/2.19/183/118": true distance, E, E', upper bound.
inline std::string distances_text(findings const& f, int who, index_t length, index_t n) {
  char text[80];
  auto const at = [&](double distance_figure::*which) { return distance_at(f, who, length, n, which).mean; };
  std::snprintf(text, sizeof text, "%.3g/%.3g/%.3g/%.3g", at(&distance_figure::true_a), at(&distance_figure::formula),
                at(&distance_figure::printed), at(&distance_figure::bound));
  return text;
}

inline void print_distances(findings const& f) {
  index_t const n = f.options.fixed_top, longest = f.options.longest();
  lines(f, message("Figure 2a: true distance/E/E'/upper bound at N = ", n, ", means over heads, by length").c_str(),
        f.options.lengths, " %21ld",
        [&](int who, index_t length) { std::printf(" %21s", distances_text(f, who, length, n).c_str()); });
  lines(f, message("Figure 2b: the same at length ", longest, ", by N").c_str(), counts_at_longest(f), " %21ld",
        [&](int who, index_t count) { std::printf(" %21s", distances_text(f, who, longest, count).c_str()); });
}

inline void print_critical(findings const& f) {
  if (f.found.criticals.empty()) return;
  lines(f, "Figure 2c: critical N by the Kolmogorov-Smirnov test at 0.01, against E / E', by length (-: none)",
        f.options.lengths, " %12ld", [&](int who, index_t length) {
          std::string text;
          for (char const* const which : {"E", "E'"})
            for (auto const& c : f.found.criticals)
              if (c.normalizer == who && c.length == length && c.expected == which && c.level == critical_levels[0])
                text += message(text.empty() ? "" : " / ", c.n ? std::to_string(*c.n) : "-");
          std::printf(" %12s", text.c_str());
        });
}

}  // namespace detail

/// The figures that matter most, for a terminal.
inline void print_tables(findings const& f) {
  detail::lines(f, "Lemma 1: n times the largest weight / entropy over log n, means over heads, by length",
                f.options.lengths, " %16ld", [&](int who, index_t length) {
                  std::printf("  %7.2f / %5.3f", monitor_at(f, who, length, &monitor_figure::n_max_weight).mean,
                              monitor_at(f, who, length, &monitor_figure::saturation).mean);
                });
  detail::print_distances(f);
  detail::print_critical(f);
  detail::lines(f,
                message("Figure 3: N_s/N / its upper bound (paper) at length ", f.options.longest(), ", by N").c_str(),
                counts_selected(f), " %13ld", [&](int who, index_t n) {
                  std::printf("  %.3f /%.3f", separation_at(f, who, n, &separation_figure::ratio).mean,
                              separation_at(f, who, n, &separation_figure::upper).mean);
                });
  double const epsilon = f.options.epsilons.front();
  detail::lines(f, message("Figure 4: largest over heads of the mean g(T, eps = ", epsilon, "), by T").c_str(),
                f.options.temperatures, " %8g", [&](int who, double t) {
                  std::printf(" %8.3g", sensitivity_at(f, who, t, epsilon, &sensitivity_figure::mean));
                });
}

}  // namespace basin::limits
