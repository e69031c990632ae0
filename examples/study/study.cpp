// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compares an autoregressive and a masked diffusion model: their scores, their attention sinks, their scores with sinks
// hidden, and the weights of several normalizers as the context grows.

#include <omp.h>

#include <cstdint>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "basin/lm/devices/host.hpp"
#include "programs/command_line.hpp"
#include "programs/program.hpp"
#include "report/command.hpp"
#include "report/folder.hpp"
#include "report/page.hpp"
#include "report/terminal.hpp"
#include "study/examine.hpp"
#include "study/findings.hpp"
#include "study/options.hpp"
#include "study/print.hpp"
#include "study/report.hpp"
#include "study/subjects.hpp"
#include "study/summary.hpp"
#include "study/tables.hpp"

namespace basin::study {
namespace {

using programs::add_number, lm::at_least, lm::from_to;

void describe_models(CLI::App& app, study_options& o) {
  app.add_option("--ar", o.ar, "checkpoint folder of the autoregressive model")
      ->type_name("FOLDER")
      ->capture_default_str();
  app.add_option("--mdlm", o.mdlm, "checkpoint folder of the masked diffusion model")
      ->type_name("FOLDER")
      ->capture_default_str();
  auto* const problems =
      add_number(app, "--problems", o.problems, lm::any_number<std::uint64_t>(), "seed of the held-out word problems");
  add_number(app, "--count", o.count, from_to<index_t>(2, 100000),
             "how many problems, or windows of the text; a short text has fewer");
  app.add_option("--text", o.text, "judge by this text instead of word problems: nats per byte on its last tenth")
      ->type_name("FILE")
      ->excludes(problems);
  auto* const retrain = app.add_flag_callback(
      "--retrain", [&o] { o.models = training::anew; },
      "first train both models anew: with the options that their checkpoints record, or the usual ones of train for "
      "other input; they go to retrained/ in the folder of --out");
  app.add_flag_callback(
         "--overwrite", [&o] { o.earlier_run = existing::overwrite; },
         "with --retrain: replace the runs that retrained/ holds")
      ->needs(retrain);
}

void describe_measurement(CLI::App& app, study_options& o) {
  using sinks::scale;
  programs::add_choice<scale>(app, "--scale", o.rule.unit,
                              {{name_of(scale::column_sum), scale::column_sum},
                               {name_of(scale::percent), scale::percent},
                               {name_of(scale::mean), scale::mean}},
                              "unit in which the sink rule compares keys: column_sum (attention summed over queries), "
                              "percent or mean (of the queries)");
  add_number(
      app, "--epsilon", o.rule.epsilon, at_least(0.0),
      "a sink receives more than the mean of the other keys by this, in the unit of --scale; default for mean: 0.03");
  add_number(app, "--draws", o.draws, from_to<index_t>(1, 1000), "random sets of keys beside each set of sinks");
  programs::add_number<int>(app, "--block", at_least(1),
                            "diffusion model: bytes of a block, a divisor of those that are unmasked (24 of a problem, "
                            "half a window of a text); default: the largest one up to 8",
                            "", [&o](int n) { o.unmask.block = n; });
  add_number(app, "--steps", o.unmask.steps, at_least(0),
             "diffusion model: steps of unmasking, a multiple of the number of blocks; 0: one byte a step");
  add_number(app, "--seed", o.seed, lm::any_number<std::uint64_t>(), "of the random keys and the random masks");
}

void describe_output(CLI::App& app, study_options& o) {
  app.add_option("--out", o.out, "folder for the report and the CSV files")->type_name("FOLDER")->capture_default_str();
  add_number(app, "--threads", o.threads, from_to(0, 4096), "number of threads; 0: as OpenMP decides");
  programs::add_choice(app, "--device", o.device, {"cpu", "cuda"},
                       "cpu, or cuda: an NVIDIA GPU; figures differ by rounding");
  app.add_option("--plotly", o.plotly, "plotly.min.js, which draws the plots of the report")
      ->type_name("FILE")
      ->capture_default_str();
}

int work(study_options o, CLI::App const& app, std::string const& command) {
  if (app.count("--scale") > 0 && app.count("--epsilon") == 0) o.rule.epsilon = sinks::usual_epsilon(o.rule.unit);
  validate(o);
  if (o.threads > 0) omp_set_num_threads(o.threads);
  std::optional<report::locked_folder> folder;
  auto const f = o.device == "cuda" ? run_study_on_cuda(o, command, folder)
                                    : run_study<lm::host>(o, command, folder);
  auto const sentences = summary_of(f);
  write_tables(f, o.out);
  auto const drawn = write_report(f, sentences, o.out / "report.html");
  print_results(f, sentences);
  report::print_paths(drawn, o.plotly, o.out);
  return programs::exit_done;
}

}  // namespace
}  // namespace basin::study

int main(int argc, char** argv) {
  using namespace basin;
  study::study_options o;
  CLI::App app{
      "Attention sinks and the limits of normalizers in an autoregressive and a masked diffusion model, side by side.\n"
      "Without options it examines the two shipped models on 100 word problems."};
  app.option_defaults()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);  // so that a script can give its own first
  study::describe_models(app, o);
  study::describe_measurement(app, o);
  study::describe_output(app, o);
  return programs::run_program("study", app, argc, argv, [&] {
    return study::work(o, app, report::command_of("examples/study.sh", argc, argv));
  });
}
