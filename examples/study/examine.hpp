// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The study: all measurements of both models, on any engine.

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/lm/evaluation/likelihood.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/finite.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "report/folder.hpp"
#include "report/stage.hpp"
#include "report/terminal.hpp"
#include "study/context_length.hpp"
#include "study/findings.hpp"
#include "study/options.hpp"
#include "study/scoring.hpp"
#include "study/sink_statistics.hpp"
#include "study/subjects.hpp"
#include "study/tables.hpp"
#include "study/test_set.hpp"

namespace basin::study {

using report::stage;

namespace detail {

/// The items for both models.
///
/// Throws    value_error: a context that is too short for it; what text_test_set throws
template <class Left, class Right> test_set test_set_for(study_options const& o, Left const& ar, Right const& mdlm) {
  constexpr index_t most_hidden = *std::ranges::max_element(masked_counts);  // out of the first half of a window
  index_t const least = o.is_text() ? 2 * most_hidden : lm::problem_length;
  auto const require = [&](char const* option, std::filesystem::path const& folder, int context) {
    if (context < least)
      throw value_error{message("basin: ", option, " is ", lm::quotation(folder.string()),
                                ", whose model has a context of ", context, "; ",
                                o.is_text() ? "windows of a text" : "word problems", " need ", least,
                                ": give another model", o.is_text() ? "" : ", or --text")};
    return context;
  };
  int const length = std::min(require("--ar", ar.origin, ar.model.config().context),
                              require("--mdlm", mdlm.origin, mdlm.model.config().context));
  return o.is_text() ? text_test_set(o.text, length, o.count) : problem_test_set(o.problems, o.count);
}

/// One warning for each model that was trained on other input than it reads here.
template <class... Subjects> std::vector<report::warning> warnings_of(test_set const& m, Subjects const&... all) {
  std::vector<report::warning> out;
  auto const add = [&](auto const& s) {
    if (auto const found = lm::unlike_training(s.learned, m.input, s.origin))
      out.push_back({found->what, found->remedy});
  };
  (add(all), ...);
  return out;
}

/// The negative log-likelihood per byte of whole windows: exact, or the bound.
template <class Model> estimate whole_text_loss(Model& model, model_kind kind, test_set const& m, std::uint64_t seed) {
  lm::likelihood_options const options{.rows = 32, .draws = 8, .seed = seed};
  int const count = static_cast<int>(m.count);
  auto const e = kind == model_kind::autoregressive
                     ? lm::next_token_nll(model, m.ids, count, m.length, lm::begin_id, {}, options)
                     : lm::diffusion_bound(model, m.ids, count, m.length, lm::mask_id, {}, options);
  lm::require_finite(std::span(&e.mean, 1), "the loss");
  return {e.mean, e.standard_error, m.count};
}

/// All measurements of one model.
template <class Model>
model_results examine(subject<Model> s, model_kind kind, test_set const& m, study_options const& o) {
  bool const appends = kind == model_kind::autoregressive;
  model_results c{appends ? "ar" : "mdlm",
                  appends ? "autoregressive" : "diffusion",
                  s.config,
                  s.parameter_count(),
                  {},
                  {},
                  {},
                  {},
                  {}};
  auto const usual = appends ? evidence::all_passes : evidence::last_pass;
  auto const all = conditions(o, usual);
  sink_recorder recorder(s.model.config(), m, appends ? 1 : 0,
                         appends ? sinks::sight::causal : sinks::sight::bidirectional, o.rule);
  auto const record = [&](key_masking const& mask, lm::pass const& now, index_t first) {
    recorder.record(mask, now, first);
  };
  {
    index_t const batches = (m.count + batch_size - 1) / batch_size;
    stage part(c.name + " model: hiding sinks", appends ? m.count : batches * std::ssize(all));
    auto const done = [&] { part.tick(); };
    c.answers = appends ? score_autoregressive(s.model, m, all, record, done)
                        : score_diffusion(s.model, m, o, all, record, done);
  }
  c.outcomes = summarise(c.answers);
  c.sinks = recorder.report();
  c.sinks.non_sinks_at_length = appends ? non_sinks_of_whole_items(s.model, m, o.rule) : c.sinks.non_sink_share;
  if (m.is_text()) c.text_loss = whole_text_loss(s.model, kind, m, o.seed);
  stage part(c.name + " model: context length", 1);
  c.lengths = context_lengths(s.model, m, kind, o.seed);
  return c;
}

/// examine(), with the model in its error messages.
template <class Model>
model_results examine_by_name(subject<Model> s, model_kind kind, test_set const& m, study_options const& o) {
  std::string const name = message("basin: ", kind == model_kind::autoregressive ? "--ar " : "--mdlm ",
                                   lm::quotation(s.origin.string()), ": ");
  try {
    return examine(std::move(s), kind, m, o);
  } catch (value_error const& why) {
    std::string_view text = why.what();
    text.remove_prefix(text.starts_with("basin: ") ? 7 : 0);
    throw value_error{name + std::string(text)};
  }
}

}  // namespace detail

/// Measures both models; warnings are printed before the work. The folder of the report is locked before the work, and
/// stays so in `folder`.
///
/// Throws    basin::error
template <class Device>
findings run_study(study_options const& o, std::string command, std::optional<report::locked_folder>& folder) {
  if (o.models == training::anew) {
    for (char const* const objective : {"ar", "mdlm"}) require_free(o, objective);
    folder.emplace(o.out, output_files);
  }
  using trainers = lm::trainers<Device>;
  auto ar = prepare<lm::model_on<Device>, typename trainers::autoregressive>(o.ar, "ar", o);
  auto mdlm = prepare<lm::model_on<Device>, typename trainers::diffusion>(o.mdlm, "mdlm", o);
  auto const m = detail::test_set_for(o, ar, mdlm);
  auto const unmask = unmasking_of(o, m);
  if (!folder) folder.emplace(o.out, output_files);
  findings f{o,       std::move(command), m.count,      m.length,
             m.given, unmask.steps,       unmask.block, detail::warnings_of(m, ar, mdlm),
             {}};
  report::print_warnings("study", f.warnings);
  f.models.push_back(detail::examine_by_name(std::move(ar), model_kind::autoregressive, m, o));
  f.models.push_back(detail::examine_by_name(std::move(mdlm), model_kind::diffusion, m, o));
  return f;
}

/// run_study() on a GPU: on_cuda.cpp, or without_cuda.cpp where the program is built without CUDA.
///
/// Throws    unsupported_error: built without CUDA, or no GPU answers
findings run_study_on_cuda(study_options const& o, std::string command, std::optional<report::locked_folder>& folder);

}  // namespace basin::study
