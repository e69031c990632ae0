// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Puts the same questions to an autoregressive model and a masked diffusion model: how well do they answer, where does their
// attention sink, what happens when the sinks are hidden, and what does a normalizer limit as the context grows?

#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "models/files.hpp"
#include "models/likelihood.hpp"
#include "report/command.hpp"
#include "report/page.hpp"
#include "report/stage.hpp"
#include "report/tell.hpp"
#include "study/answering.hpp"
#include "study/context_length.hpp"
#include "study/findings.hpp"
#include "study/material.hpp"
#include "study/options.hpp"
#include "study/report.hpp"
#include "study/subjects.hpp"
#include "study/tables.hpp"
#include "study/watching.hpp"

namespace basin::study {
namespace {

using report::plots, report::stage;

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
  auto const see = [&](key_masking const& mask, models::pass const& now, index first) { watch.see(mask, now, first); };
  {
    index const batches = (m.count + detail::batch_size - 1) / detail::batch_size;
    stage part(c.name + " model: hiding sinks", appends ? m.count : batches * std::ssize(all));
    auto const done = [&] { part.tick(); };
    if constexpr (std::is_same_v<Model, train::autoregressive_model>) c.answers = answer_left_to_right(s.model, m, all, see, done);
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

findings run(study_options const& o, std::string command) {
  auto ar = prepare<train::autoregressive_model, train::autoregressive_trainer>(o.ar, "ar", o);
  auto mdlm = prepare<train::diffusion_model, train::diffusion_trainer>(o.mdlm, "mdlm", o);
  int const length = std::min(ar.model.config().context, mdlm.model.config().context);
  if (!o.is_text() && length < models::problem_length)
    throw value_error{message("basin: a model has a context of ", length, ", word problems need ", models::problem_length, "; give --text, or other models")};
  auto const m = o.is_text() ? text_material(o.text, length, o.count) : problem_material(o.problems, o.count);
  auto const unmask = unmasking_of(o, m);
  findings f{o, std::move(command), m.count, m.length, m.given, unmask.steps, unmask.block, {}, {}};
  f.chapters.push_back(examine(std::move(ar), reading::left_to_right, m, o));
  f.chapters.push_back(examine(std::move(mdlm), reading::fills_in, m, o));
  f.in_words = put_in_words(f);
  return f;
}

void describe(CLI::App& app, study_options& o) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // so that a script can give its own first
  app.add_option("--ar", o.ar, "checkpoint folder of the autoregressive model")->capture_default_str();
  app.add_option("--mdlm", o.mdlm, "checkpoint folder of the masked diffusion model")->capture_default_str();
  app.add_option("--problems", o.problems, "seed of the held-out word problems")->capture_default_str();
  app.add_option("--count", o.count, "how many problems, or windows of the text")->capture_default_str();
  app.add_option("--text", o.text, "judge by this text instead: nats per byte on its last tenth");
  app.add_flag_callback("--retrain", [&o] { o.models = training::anew; }, "train both models anew first, as their checkpoints were");
  app.add_option("--out", o.out, "folder for the report and the CSV files")->capture_default_str();
  std::map<std::string, sinks::scale> const units{{"column_sum", sinks::scale::column_sum}, {"percent", sinks::scale::percent}, {"mean", sinks::scale::mean}};
  app.add_option("--scale", o.rule.unit, "unit of the sink rule: column_sum, percent or mean")->transform(CLI::CheckedTransformer(units));
  app.add_option("--epsilon", o.rule.epsilon, "a sink receives more than the mean of the others by this (default 3; for mean 0.03)");
  app.add_option("--draws", o.draws, "random sets of keys beside each set of sinks")->capture_default_str();
  app.add_option("--block", o.block, "bytes of a block of unmasking")->capture_default_str();
  app.add_option("--steps", o.steps, "steps of unmasking; 0: one byte a step")->capture_default_str();
  app.add_option("--seed", o.seed, "of the random keys and the random masks")->capture_default_str();
  app.add_option("--threads", o.threads, "0: as OpenMP decides")->capture_default_str();
  app.add_option("--plotly", o.plotly, "plotly.min.js, to be put into the report")->capture_default_str();
}

}  // namespace
}  // namespace basin::study

int main(int argc, char** argv) {
  using namespace basin;
  study::study_options o;
  CLI::App app{"Sinks and limits of an autoregressive and a masked diffusion model, side by side."};
  study::describe(app, o);
  try {
    app.parse(argc, argv);
    if (app.count("--scale") > 0 && app.count("--epsilon") == 0) o.rule.epsilon = sinks::usual_epsilon(o.rule.unit);
    validate(o);
    if (o.threads > 0) omp_set_num_threads(o.threads);
    models::make_folder(o.out);
    auto const f = study::run(o, report::command_of("examples/study.sh", argc, argv));
    study::write_tables(f, o.out);
    auto const drawn = study::write_report(f, o.out / "report.html");
    study::print_tables(f);
    report::tell(f.in_words, drawn, o.plotly, o.out);
    return 0;
  } catch (CLI::ParseError const& what) {
    return app.exit(what) == 0 ? 0 : 2;
  } catch (study::interrupted const& what) {
    std::fprintf(stderr, "study: %s\n", what.what());
    return models::exit_code_of_interrupt();
  } catch (std::exception const& what) {
    std::fprintf(stderr, "study: %s\n", what.what());
    return 1;
  }
}
