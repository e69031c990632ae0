// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The findings as tidy CSV files, one a question, and as tables for a terminal.

#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "basin/lm/io/files.hpp"
#include "report/csv.hpp"
#include "study/findings.hpp"

namespace basin::study {

using report::csv;

inline std::string_view measure_name(findings const& f) { return f.options.is_text() ? "nats_per_byte" : "accuracy"; }

inline std::string answers_csv(findings const& f) {
  csv table("model,hidden,keys,draw,measure,mean,standard_error,items");
  for (auto const& c : f.models) {
    for (auto const& s : c.answers) {
      auto const e = mean_of(s.items);
      table.row(c.key, s.under.name, s.under.plan.count, s.under.draw, measure_name(f), e.mean, e.standard_error,
                e.count);
    }
    if (c.text_loss)
      table.row(c.key, "nothing", index_t{0}, index_t{0}, "nats_per_byte_of_whole_windows", c.text_loss->mean,
                c.text_loss->standard_error, c.text_loss->count);
  }
  return table.text();
}

inline std::string masking_csv(findings const& f) {
  csv table("model,hidden,keys,draws,measure,mean,standard_error,minus_nothing,minus_nothing_error,minus_random,minus_"
            "random_error,items");
  for (auto const& c : f.models)
    for (auto const& o : c.outcomes)
      table.row(c.key, o.hidden, o.keys, o.draws, measure_name(f), o.score.mean, o.score.standard_error,
                o.against_nothing.mean, o.against_nothing.standard_error, o.against_random.mean,
                o.against_random.standard_error, o.score.count);
  return table.text();
}

inline std::string sinks_csv(findings const& f) {
  csv table("model,step,layer,head,measure,mean,standard_error,count");  // an empty step or head: over all of them
  for (auto const& c : f.models) {
    auto const& whole = c.sinks.non_sinks_at_length;
    table.row(c.key, "", "", "", "non_sink_share_at_full_length", whole.mean, whole.standard_error, whole.count);
    for (auto const& h : c.sinks.by_head)
      table.row(c.key, "", h.layer, h.head, h.measure, h.value.mean, h.value.standard_error, h.value.count);
    for (auto const& s : c.sinks.by_step)
      table.row(c.key, s.step, s.layer, "", s.measure, s.value.mean, s.value.standard_error, s.value.count);
    for (std::size_t step = 0; step < c.sinks.strongest_kind.size(); ++step) {
      double all = 0;
      for (index_t const n : c.sinks.strongest_kind[step]) all += static_cast<double>(n);
      for (std::size_t k = 0; k < kinds; ++k)
        table.row(c.key, static_cast<index_t>(step), "", "", message("strongest_is_", kind_names[k]),
                  static_cast<double>(c.sinks.strongest_kind[step][k]) / all, NAN, static_cast<index_t>(all));
    }
  }
  return table.text();
}

inline std::string sink_tokens_csv(findings const& f) {
  csv table("model,kind,token,id,times_sink,times_key");
  for (auto const& c : f.models)
    for (auto const& t : c.sinks.tokens)
      table.row(c.key, kind_names[static_cast<std::size_t>(t.kind)], token_name(t.id), t.id, t.sinks, t.keys);
  return table.text();
}

inline std::string context_length_csv(findings const& f) {
  csv table("model,normalizer,length,range,layer,head,measure,mean,standard_error,sequences");
  for (auto const& c : f.models)
    for (auto const& l : c.lengths) {
      char const* const far = l.range == length_range::trained ? "trained" : "beyond";
      table.row(c.key, l.normalizer, l.length, far, l.layer, l.head, "max_weight", l.max_weight.mean,
                l.max_weight.standard_error, l.max_weight.count);
      table.row(c.key, l.normalizer, l.length, far, l.layer, l.head, "entropy_nats", l.entropy.mean,
                l.entropy.standard_error,
                l.entropy.count);
    }
  return table.text();
}

/// All files that the program writes to the folder of --out.
inline constexpr std::array<std::string_view, 6> output_files{"report.html", "answers.csv",     "masking.csv",
                                                              "sinks.csv",   "sink_tokens.csv", "context_length.csv"};

inline void write_tables(findings const& f, std::filesystem::path const& folder) {
  auto const write = [&](char const* name, std::string const& text) {
    lm::write_atomically(folder / name, lm::bytes_of(text));
  };
  write("answers.csv", answers_csv(f));
  write("masking.csv", masking_csv(f));
  write("sinks.csv", sinks_csv(f));
  write("sink_tokens.csv", sink_tokens_csv(f));
  write("context_length.csv", context_length_csv(f));
}

}  // namespace basin::study
