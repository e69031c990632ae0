// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The study itself: all questions to both models, on whatever engine.

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "basin/lm/evaluation/likelihood.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/finite.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/mask/causal.hpp"
#include "report/folder.hpp"
#include "report/stage.hpp"
#include "report/tell.hpp"
#include "study/answering.hpp"
#include "study/context_length.hpp"
#include "study/findings.hpp"
#include "study/material.hpp"
#include "study/options.hpp"
#include "study/subjects.hpp"
#include "study/watching.hpp"

namespace basin::study {

using report::stage;

namespace detail {

/// What both models read.
///
/// Throws    value_error: a context that is too short for it; what text_material throws
template <class Left, class Right> material material_for(study_options const& o, Left const& ar, Right const& mdlm) {
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
  return o.is_text() ? text_material(o.text, length, o.count) : problem_material(o.problems, o.count);
}

/// One warning for each model that was trained on other input than it reads here.
template <class... Subjects>
std::vector<finding> warnings_of(material const& m, Subjects const&... all) {
  std::vector<finding> out;
  auto const add = [&](auto const& s) {
    if (auto const found = lm::unlike_training(s.learned, m.input, s.origin))
      out.push_back({found->what, found->remedy});
  };
  (add(all), ...);
  return out;
}

/// The negative log-likelihood per byte of whole windows: exact, or the bound.
template <class Model>
estimate whole_text_loss(Model& model, reading how, material const& m, std::uint64_t seed) {
  lm::likelihood_options const options{.rows = 32, .draws = 8, .seed = seed};
  int const count = static_cast<int>(m.count);
  auto const e = how == reading::left_to_right
                     ? lm::next_token_nll(model, m.ids, count, m.length, lm::begin_id, {}, options)
                     : lm::diffusion_bound(model, m.ids, count, m.length, lm::mask_id, {}, options);
  lm::require_finite(std::span(&e.mean, 1), "the loss");
  return {e.mean, e.standard_error, m.count};
}

/// All four questions to one model.
template <class Model>
chapter examine(subject<Model> s, reading how, material const& m, study_options const& o) {
  bool const appends = how == reading::left_to_right;
  chapter c{appends ? "ar" : "mdlm",
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
  sink_watch watch(s.model.config(), m, appends ? 1 : 0, appends ? sinks::sight::causal : sinks::sight::bidirectional,
                   o.rule);
  auto const see = [&](key_masking const& mask, lm::pass const& now, index_t first) {
    watch.see(mask, now, first);
  };
  {
    index_t const batches = (m.count + batch_size - 1) / batch_size;
    stage part(c.name + " model: hiding sinks", appends ? m.count : batches * std::ssize(all));
    auto const done = [&] { part.tick(); };
    if constexpr (std::is_same_v<decltype(Model::attention_type::visible), causal>)
      c.answers = answer_left_to_right(s.model, m, all, see, done);
    else c.answers = answer_by_unmasking(s.model, m, o, all, see, done);
  }
  c.outcomes = summarise(c.answers);
  c.sinks = watch.report();
  c.sinks.non_sinks_at_length = appends ? non_sinks_of_whole_items(s.model, m, o.rule) : c.sinks.non_sink_share;
  if (m.is_text()) c.text_loss = whole_text_loss(s.model, how, m, o.seed);
  stage part(c.name + " model: context length", 1);
  c.lengths = context_lengths(s.model, m, how, o.seed);
  return c;
}

/// examine(), whose errors say which model it was.
template <class Model>
chapter examine_by_name(subject<Model> s, reading how, material const& m, study_options const& o) {
  std::string const name = message("basin: ", how == reading::left_to_right ? "--ar " : "--mdlm ",
                                   lm::quotation(s.origin.string()), ": ");
  try {
    return examine(std::move(s), how, m, o);
  } catch (value_error const& why) {
    std::string_view text = why.what();
    text.remove_prefix(text.starts_with("basin: ") ? 7 : 0);
    throw value_error{name + std::string(text)};
  }
}

}  // namespace detail

/// All that the program finds out; warnings are printed before the work.
///
/// Throws    basin::error
template <class Device>
findings run(study_options const& o, std::string command) {
  if (o.models == training::anew) report::require_writable(o.out);
  auto ar =
      prepare<lm::autoregressive_model_on<Device>, typename lm::trainers<Device>::autoregressive>(o.ar, "ar", o);
  auto mdlm =
      prepare<lm::diffusion_model_on<Device>, typename lm::trainers<Device>::diffusion>(o.mdlm, "mdlm", o);
  auto const m = detail::material_for(o, ar, mdlm);
  auto const unmask = unmasking_of(o, m);
  report::require_writable(o.out);
  findings f{o,
             std::move(command),
             m.count,
             m.length,
             m.given,
             unmask.steps,
             unmask.block,
             detail::warnings_of(m, ar, mdlm),
             {},
             {}};
  report::warn("study", f.warnings);
  f.chapters.push_back(detail::examine_by_name(std::move(ar), reading::left_to_right, m, o));
  f.chapters.push_back(detail::examine_by_name(std::move(mdlm), reading::fills_in, m, o));
  f.in_words = put_in_words(f);
  return f;
}

/// run() on a GPU: on_cuda.cpp, or without_cuda.cpp where the program is built without CUDA.
///
/// Throws    unsupported_error: built without CUDA, or no GPU answers
findings run_on_cuda(study_options const& o, std::string command);

}  // namespace basin::study
