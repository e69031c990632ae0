// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The figures as tidy CSV files, one line per head.

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "basin/lm/io/files.hpp"
#include "limits/summary.hpp"
#include "report/csv.hpp"

namespace basin::limits {

using report::csv;

inline std::string const& name_of(findings const& f, int normalizer) {
  return f.normalizers[static_cast<std::size_t>(normalizer)];
}

inline std::string distances_csv(findings const& f) {
  csv table("normalizer,length,n,layer,head,true_a,true_b,true_c,expected,expected_printed,expected_at_most,upper_"
            "bound,share_above_bound,rows,exact,expected_there,expected_at_most_there,exact_rows");
  for (auto const& d : f.found.distances)
    table.row(name_of(f, d.index.normalizer), d.length, d.n, d.index.layer, d.index.head, d.true_a, d.true_b, d.true_c,
              d.formula, d.printed, d.proved, d.bound, d.broken, d.rows, d.exact, d.formula_there, d.proved_there,
              d.exact_rows);
  return table.text();
}

inline std::string separation_csv(findings const& f) {
  csv table("normalizer,length,n,layer,head,ratio,lower,lower_by_counting,upper,upper_by_range,upper_by_differences,"
            "rows_over_upper,rows_under_lower,rows");
  for (auto const& s : f.found.separations)
    table.row(name_of(f, s.index.normalizer), f.options.longest(), s.n, s.index.layer, s.index.head, s.ratio, s.lower,
              s.lower_count, s.upper, s.upper_range, s.upper_tight, s.over_upper, s.under_lower, s.rows);
  return table.text();
}

inline std::string sensitivity_csv(findings const& f) {
  csv table("normalizer,length,temperature,epsilon,layer,head,mean,most,rows");
  for (auto const& s : f.found.sensitivities)
    table.row(name_of(f, s.index.normalizer), f.options.longest(), s.temperature, s.epsilon, s.index.layer,
              s.index.head, s.mean, s.most, s.rows);
  return table.text();
}

inline std::string monitors_csv(findings const& f) {
  csv table("normalizer,length,layer,head,entropy_nats,entropy_of_log_n,max_weight,n_max_weight,active,mass,rows");
  for (auto const& m : f.found.monitors)
    table.row(name_of(f, m.index.normalizer), m.length, m.index.layer, m.index.head, m.entropy, m.saturation,
              m.max_weight, m.n_max_weight, m.active, m.mass, m.rows);
  return table.text();
}

/// An empty n: the test rejects at every N that was tried.
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

/// All files that the program writes to the folder of --out.
inline constexpr std::array<std::string_view, 7> output_files{"report.html",     "distances.csv", "separation.csv",
                                                              "sensitivity.csv", "monitors.csv",  "geometry.csv",
                                                              "critical.csv"};

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

}  // namespace basin::limits
