// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The study itself: all questions to both models, on whatever engine.

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "basin/mask/causal.hpp"
#include "models/likelihood.hpp"
#include "report/stage.hpp"
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

/// The negative log-likelihood per byte of whole windows: exact, or the bound.
template <class Model>
estimate whole_text_loss(Model& model, reading how, material const& m, std::uint64_t seed) {
  models::likelihood_options const options{.rows = 32, .draws = 8, .seed = seed};
  int const count = static_cast<int>(m.count);
  auto const e = how == reading::left_to_right ? models::next_token_nll(model, m.ids, count, m.length, models::begin_id, {}, options)
                                                      : models::diffusion_bound(model, m.ids, count, m.length, models::mask_id, {}, options);
  return {e.mean, e.standard_error, m.count};
}

/// All four questions to one model.
template <class Model>
chapter examine(subject<Model> s, reading how, material const& m, study_options const& o) {
  bool const appends = how == reading::left_to_right;
  chapter c{appends ? "ar" : "mdlm", appends ? "autoregressive" : "diffusion", s.config, s.origin, s.parameter_count(), {}, {}, {}, {}, {}};
  auto const usual = appends ? evidence::all_passes : evidence::last_pass;
  auto const all = conditions(o, usual);
  sink_watch watch(s.model.config(), m, appends ? 1 : 0, appends ? sinks::sight::causal : sinks::sight::bidirectional, o.rule);
  auto const see = [&](key_masking const& mask, models::pass const& now, index_t first) { watch.see(mask, now, first); };
  {
    index_t const batches = (m.count + batch_size - 1) / batch_size;
    stage part(c.name + " model: hiding sinks", appends ? m.count : batches * std::ssize(all));
    auto const done = [&] { part.tick(); };
    if constexpr (std::is_same_v<decltype(Model::attention_type::visible), causal>) c.answers = answer_left_to_right(s.model, m, all, see, done);
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

}  // namespace detail

/// All that the program finds out.
///
/// Throws    basin::error
template <class Engine>
findings run(study_options const& o, std::string command) {
  auto ar = prepare<train::autoregressive_model_on<Engine>, typename train::trainers<Engine>::autoregressive>(o.ar, "ar", o);
  auto mdlm = prepare<train::diffusion_model_on<Engine>, typename train::trainers<Engine>::diffusion>(o.mdlm, "mdlm", o);
  int const length = std::min(ar.model.config().context, mdlm.model.config().context);
  if (!o.is_text() && length < models::problem_length)
    throw value_error{message("basin: a model has a context of ", length, ", word problems need ", models::problem_length, "; give --text, or other models")};
  auto const m = o.is_text() ? text_material(o.text, length, o.count) : problem_material(o.problems, o.count);
  auto const unmask = unmasking_of(o, m);
  findings f{o, std::move(command), m.count, m.length, m.given, unmask.steps, unmask.block, {}, {}};
  f.chapters.push_back(detail::examine(std::move(ar), reading::left_to_right, m, o));
  f.chapters.push_back(detail::examine(std::move(mdlm), reading::fills_in, m, o));
  f.in_words = put_in_words(f);
  return f;
}

/// run() on a GPU: on_cuda.cpp, or without_cuda.cpp where the program is built without CUDA.
///
/// Throws    unsupported_error: built without CUDA, or no GPU answers
findings run_on_cuda(study_options const& o, std::string command);

}  // namespace basin::study
