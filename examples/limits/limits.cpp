// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Holds the theorems of "Limitations of Normalization in Attention Mechanism" (arXiv 2508.17821) against a model: its figures 2a,
// 2b, 2c, 3 and 4 for every normalizer, side by side, and in words where a bound holds, is loose, or is broken.

#include <omp.h>

#include <cstdio>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>

#include "limits/candidate.hpp"
#include "limits/comma_list.hpp"
#include "limits/experiment.hpp"
#include "limits/material.hpp"
#include "limits/options.hpp"
#include "limits/report.hpp"
#include "limits/subject.hpp"
#include "limits/tables.hpp"
#include "limits/words.hpp"
#include "models/files.hpp"
#include "report/command.hpp"
#include "report/page.hpp"
#include "report/stage.hpp"
#include "report/tell.hpp"

namespace basin::limits {
namespace {

findings run(limits_options const& o, std::string command) {
  auto s = subject_of(o);
  auto const tokens = tokens_of(o);
  auto const list = chosen_of(all_candidates({static_cast<double>(s.trained)}), o.normalizers);
  auto const& sizes = s.model.config();
  findings f{.options = o, .command = std::move(command), .model = s.name, .trained = s.trained, .layers = sizes.layers, .heads = sizes.heads, .dim = sizes.dim,
             .normalizers = {}, .found = {}, .in_words = {}};
  for (auto const& c : list) f.normalizers.push_back(c.name);
  {
    report::stage part("layers x normalizers", sizes.layers * std::ssize(list));
    f.found = measure(s, tokens, list, o, [&] { part.tick(); });
  }
  f.in_words = put_in_words(f);
  return f;
}

void describe(CLI::App& app, limits_options& o) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // so that a script can give its own first
  auto const list = [&](char const* name, auto& numbers, char const* what) {
    using number = typename std::remove_reference_t<decltype(numbers)>::value_type;
    auto const read = [name, &numbers](std::string const& text) { numbers = comma_list<number>(name, text); };
    app.add_option_function<std::string>(name, read, what)->type_name("LIST")->default_str(comma_text(numbers));
  };
  app.add_option("--model", o.model, "checkpoint folder of an autoregressive model")->capture_default_str();
  list("--random-model", o.random_model, "layers,heads,dim of a model with seeded random weights instead: for shape and time");
  app.add_option("--text", o.text, "text to read; without it, word problems joined end to end");
  app.add_option("--offset", o.offset, "first byte of the text")->capture_default_str();
  app.add_option("--problems", o.problems, "seed of the word problems")->capture_default_str();
  list("--normalizers", o.normalizers, "names as --list gives them, with commas between them; default: all");
  list("--lengths", o.lengths, "lengths L of figures 2a and 2c; the longest one is that of the other figures");
  list("--top", o.top, "numbers N of selected tokens in figure 2b");
  app.add_option("--fixed-top", o.fixed_top, "N of figure 2a")->capture_default_str();
  list("--selected", o.selected, "numbers N of selected tokens in figure 3");
  list("--temperatures", o.temperatures, "T of figure 4: it divides the scores before the normalizer");
  list("--epsilons", o.epsilons, "lengths of the step in figure 4");
  std::map<std::string, embedding> const kinds{{"token", embedding::token}, {"hidden", embedding::hidden}, {"value", embedding::value}};
  app.add_option("--embeddings", o.of, "what x_i is, moved onto the unit sphere: token (row of the embedding table; default), hidden (what the layer reads), value (of the head)")
      ->transform(CLI::CheckedTransformer(kinds));
  app.add_option("--every", o.every, "measure every n-th row")->capture_default_str();
  app.add_option("--exact-rows", o.exact_rows, "rows of a head whose expectation is also drawn")->capture_default_str();
  app.add_option("--exact-draws", o.exact_draws, "draws for each")->capture_default_str();
  app.add_option("--sensitivity-rows", o.sensitivity_rows, "rows of a head in figure 4")->capture_default_str();
  app.add_flag_callback("--ks", [&o] { o.critical = critical_search::on; }, "search for the critical N as well (figure 2c)");
  app.add_option("--critical-rows", o.critical_rows, "rows of a head and length in that search")->capture_default_str();
  app.add_option("--seed", o.seed, "of directions, draws and random weights")->capture_default_str();
  app.add_option("--threads", o.threads, "0: as OpenMP decides")->capture_default_str();
  app.add_option("--out", o.out, "folder for the report and the CSV files")->capture_default_str();
  app.add_option("--plotly", o.plotly, "plotly.min.js, to be put into the report")->capture_default_str();
  app.add_flag_callback("--list", [&o] { o.wanted = limits_options::answer::list; }, "name the normalizers and stop");
}

}  // namespace
}  // namespace basin::limits

int main(int argc, char** argv) {
  using namespace basin;
  limits::limits_options o;
  CLI::App app{"The limits of normalization: figures of arXiv 2508.17821 for every normalizer, on one model and text."};
  limits::describe(app, o);
  try {
    app.parse(argc, argv);
    if (o.wanted == limits::limits_options::answer::list) {
      for (auto const& c : limits::all_candidates({})) std::printf("%s\n", c.name.c_str());
      return 0;
    }
    validate(o);
    if (o.threads > 0) omp_set_num_threads(o.threads);
    models::make_folder(o.out);
    auto const f = limits::run(o, report::command_of("examples/limits.sh", argc, argv));
    limits::write_tables(f, o.out);
    auto const drawn = limits::write_report(f, o.out / "report.html");
    limits::print_tables(f);
    report::tell(f.in_words, drawn, o.plotly, o.out);
    return 0;
  } catch (CLI::ParseError const& what) {
    return app.exit(what) == 0 ? 0 : 2;
  } catch (std::exception const& what) {
    std::fprintf(stderr, "limits: %s\n", what.what());
    return 1;
  }
}
