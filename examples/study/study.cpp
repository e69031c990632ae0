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

#include "models/engine.hpp"
#include "models/files.hpp"
#include "report/command.hpp"
#include "report/page.hpp"
#include "report/tell.hpp"
#include "study/examine.hpp"
#include "study/findings.hpp"
#include "study/options.hpp"
#include "study/report.hpp"
#include "study/subjects.hpp"
#include "study/tables.hpp"

namespace basin::study {
namespace {

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
  app.add_option("--device", o.device, "cpu, or cuda: an NVIDIA GPU; figures differ by rounding")->capture_default_str();
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
    auto const command = report::command_of("examples/study.sh", argc, argv);
    auto const f = o.device == "cuda" ? study::run_on_cuda(o, command) : study::run<models::host_engine<float>>(o, command);
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
