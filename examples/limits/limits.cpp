// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures the theorems of "Limitations of Normalization in Attention Mechanism" (arXiv 2508.17821) on a model: figures
// 2a, 2b, 2c, 3 and 4 for every normalizer, and for each claim a verdict.

#include <omp.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/lm/evaluation/suitability.hpp"
#include "limits/candidate.hpp"
#include "limits/claims.hpp"
#include "limits/comma_list.hpp"
#include "limits/experiment.hpp"
#include "limits/input.hpp"
#include "limits/options.hpp"
#include "limits/print.hpp"
#include "limits/report.hpp"
#include "limits/subject.hpp"
#include "limits/tables.hpp"
#include "programs/command_line.hpp"
#include "programs/program.hpp"
#include "report/command.hpp"
#include "report/folder.hpp"
#include "report/page.hpp"
#include "report/stage.hpp"
#include "report/terminal.hpp"

namespace basin::limits {
namespace {

/// The warning that the model was trained on other input than it reads here; none for random weights.
std::vector<report::warning> warnings_of(subject const& s, model_input const& read) {
  if (s.folder.empty()) return {};
  auto const found = lm::unlike_training(s.learned, read.input, s.folder);
  return found ? std::vector<report::warning>{{found->what, found->remedy}} : std::vector<report::warning>{};
}

/// The names without "own", which is no normalizer of the list.
std::vector<std::string> names_of_list(std::vector<std::string> names) {
  std::erase(names, own_name);
  return names;
}

/// What is measured: the list, or what was chosen of it, and before it the normalizers that the model was trained with,
/// where they were asked for or are not softmax.
std::vector<candidate> list_for(subject& s, limits_options const& o) {
  bool const asked = std::ranges::find(o.normalizers, own_name) != o.normalizers.end();
  auto const names = names_of_list(o.normalizers);
  std::vector<candidate> list;
  if (!asked || !names.empty()) list = chosen_of(all_candidates({static_cast<double>(s.trained)}), names);
  auto own = own_normalizers(s);
  if (asked && !own)
    throw value_error{message("basin: --normalizers has 'own', but all heads of the model were trained with softmax; "
                              "name softmax")};
  if (own && (asked || o.normalizers.empty())) list.insert(list.begin(), *own);
  return list;
}

/// The folder is locked before the measurement, and stays so in `folder`.
findings measure_model(limits_options const& o, std::string command, std::optional<report::locked_folder>& folder) {
  auto const read = input_of(o);
  auto s = subject_of(o);
  folder.emplace(o.out, output_files);
  auto const list = list_for(s, o);
  auto const& sizes = s.model.config();
  findings f{.options = o,
             .command = std::move(command),
             .model = s.name,
             .trained = s.trained,
             .layers = sizes.layers,
             .heads = sizes.heads,
             .dim = sizes.dim,
             .normalizers = {},
             .own = {},
             .warnings = warnings_of(s, read),
             .found = {}};
  for (auto const& c : list) {
    f.normalizers.push_back(c.name);
    if (c.origin == candidate_origin::user) f.own.push_back(c.name);
  }
  report::print_warnings("limits", f.warnings);
  {
    report::stage part("layers x normalizers", sizes.layers * std::ssize(list));
    f.found = measure(s, read.tokens, list, o, [&] { part.tick(); });
  }
  return f;
}

/// An option for a list; `read` makes the list of a text.
template <class T, class Read>
CLI::Option* add_list(CLI::App& app, char const* name, std::vector<T>& values, char const* what, Read read) {
  return app
      .add_option_function<std::string>(
          name, [&values, read](std::string const& text) { values = read(text); }, what)
      ->type_name("LIST")
      ->default_str(comma_text(values));
}

template <class T> void add_numbers(CLI::App& app, limits_options& o, list_option<T> const& l) {
  add_list(app, l.name, o.*l.values, l.what,
           [&l](std::string const& text) { return comma_list<T>(l.name, text, l.allowed); });
}

void describe_input(CLI::App& app, limits_options& o) {
  auto* const model = app.add_option("--model", o.model, "checkpoint folder of an autoregressive model")
                          ->type_name("FOLDER")
                          ->capture_default_str();
  add_list(app, "--random-model", o.random_model,
           "layers,heads,dim of a model with seeded random weights instead: for shape and time",
           [](std::string const& text) { return comma_list<int>("--random-model", text, random_sizes); })
      ->excludes(model);
  auto* const problems =
      programs::add_number(app, "--problems", o.problems, lm::any_number<std::uint64_t>(), "seed of the word problems");
  app.add_option("--text", o.text, "text to read; without it, word problems joined end to end")
      ->type_name("FILE")
      ->excludes(problems);
  add_list(app, "--normalizers", o.normalizers,
           "names as --list gives them, with commas between them, or own: what each head was trained with; "
           "default: all, and own where that is not softmax",
           [](std::string const& text) { return comma_names("--normalizers", text); });
  programs::add_choice<embedding>(
      app, "--embeddings", o.of,
      {{"token", embedding::token}, {"hidden", embedding::hidden}, {"value", embedding::value}},
      "what x_i is, moved onto the unit sphere: token (row of the embedding table), hidden (what the layer reads), "
      "value (of the head)");
}

void describe_figures(CLI::App& app, limits_options& o) {
  for (auto const& l : length_options) add_numbers(app, o, l);
  for (auto const& l : real_options) add_numbers(app, o, l);
  for (auto const& c : count_options) programs::add_number(app, c.name, o.*c.value, c.allowed, c.what);
  app.get_option("--offset")->needs("--text");
  auto* const search = app.add_flag_callback(
      "--ks", [&o] { o.critical = critical_search::on; }, "search for the critical N as well (figure 2c)");
  app.get_option("--critical-rows")->needs(search);
}

void describe_output(CLI::App& app, limits_options& o) {
  programs::add_number(app, "--seed", o.seed, lm::any_number<std::uint64_t>(),
                       "of directions, draws and random weights");
  programs::add_number(app, "--threads", o.threads, thread_counts, "number of threads; 0: as OpenMP decides");
  app.add_option("--out", o.out, "folder for the report and the CSV files")->type_name("FOLDER")->capture_default_str();
  app.add_option("--plotly", o.plotly, "plotly.min.js, which draws the plots of the report")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag_callback(
      "--list", [&o] { o.wanted = limits_options::answer::list; }, "name the normalizers and stop");
}

int work(limits_options const& o, std::string const& command) {
  if (o.wanted == limits_options::answer::list) {
    for (auto const& c : all_candidates({})) std::printf("%s\n", c.name.c_str());
    return programs::exit_done;
  }
  validate(o);
  (void)chosen_of(all_candidates({}), names_of_list(o.normalizers));  // a wrong name is refused before anything is read
  if (o.threads > 0) omp_set_num_threads(o.threads);
  std::optional<report::locked_folder> folder;
  auto const f = measure_model(o, command, folder);
  auto const claims = judge_claims(f);
  write_tables(f, o.out);
  auto const drawn = write_report(f, claims, o.out / "report.html");
  print_results(f, claims);
  report::print_paths(drawn, o.plotly, o.out);
  return programs::exit_done;
}

}  // namespace
}  // namespace basin::limits

int main(int argc, char** argv) {
  using namespace basin;
  limits::limits_options o;
  CLI::App app{
      "The limits of normalization: the figures of arXiv 2508.17821 for every normalizer, on one model and text.\n"
      "Without options it reads word problems with the shipped autoregressive model."};
  app.option_defaults()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);  // so that a script can give its own first
  limits::describe_input(app, o);
  limits::describe_figures(app, o);
  limits::describe_output(app, o);
  return programs::run_program("limits", app, argc, argv,
                               [&] { return limits::work(o, report::command_of("examples/limits.sh", argc, argv)); });
}
