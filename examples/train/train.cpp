// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Trains a small language model, autoregressive or masked diffusion, on a text or on word problems, and writes a checkpoint.

#include <omp.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/core/error.hpp"
#include "models/checkpoint.hpp"
#include "models/files.hpp"
#include "models/interrupt.hpp"
#include "models/progress.hpp"
#include "train/data.hpp"
#include "train/options.hpp"
#include "train/trainer.hpp"

namespace {

using basin::train::run_options;

/// What decides where and how a run is done, and not what comes out of it.
struct session {
  std::filesystem::path out, resume;
  std::int64_t evaluate_every = 500;
  int threads = 0;
};

/// The command that made a checkpoint, as it can be typed again.
std::string command_of(int argc, char const* const* argv) {
  std::string command = std::filesystem::path{argv[0]}.filename().string();
  for (int i = 1; i < argc; ++i) {
    std::string const word = argv[i];
    bool const plain = word.find_first_of(" \t\n\"'\\$&;|<>*?()") == std::string::npos && !word.empty();
    command += plain ? " " + word : " '" + word + "'";
  }
  return command;
}

/// The program's command line; the names of the options that belong to the run are kept, to know which were given.
class command_line {
 public:
  command_line() {
    app.option_defaults()->always_capture_default();
    add("--objective", run.objective, "ar (next token) or mdlm (masked diffusion)");
    add("--text", run.text, "learn the bytes of this file: nine tenths train, the last tenth validates");
    add("--problems", run.problems, "learn word problems drawn from this seed (when there is no --text)");
    add("--steps", run.steps, "steps of the optimizer");
    add("--batch", run.batch, "sequences in a step");
    add("--length", run.length, "bytes in a sequence; problems have 64");
    add("--dim", run.dim, "width of the model");
    add("--layers", run.layers, "layers");
    add("--heads", run.heads, "query heads; dim must be an even multiple");
    add("--kv-heads", run.kv_heads, "key and value heads; must divide --heads");
    add("--hidden", run.hidden, "width of the SwiGLU layer");
    add("--rope-base", run.rope_base, "base of the rotary frequencies; small for short sequences");
    add("--learning-rate", run.learning_rate, "peak of the schedule");
    add("--schedule", run.schedule, "cosine, or wsd: level, and straight down in the last fifth");
    add("--warmup", run.warmup, "steps of linear warm-up");
    add("--weight-decay", run.weight_decay, "of matrices");
    add("--seed", run.seed, "of the first weights, the order of the data and the masks");
    app.add_option("--out", use.out, "folder of the checkpoint; with --resume, that of the run");
    app.add_option("--resume", use.resume, "go on from the checkpoint in this folder, with its options");
    app.add_option("--evaluate-every", use.evaluate_every, "steps between evaluations, each followed by a checkpoint")->check(CLI::PositiveNumber);
    app.add_option("--threads", use.threads, "threads; 0: as OpenMP chooses. The result does not depend on it")->check(CLI::Range(0, 1024));
  }

  void parse(int argc, char** argv) {
    app.parse(argc, argv);
    if (use.out.empty()) use.out = use.resume;
    if (use.out.empty()) throw CLI::RequiredError("--out");
    for (CLI::Option const* const option : of_run) {
      bool const relocates = option->get_name() == "--text" || option->get_name() == "--steps";
      if (!use.resume.empty() && option->count() > 0 && !relocates)
        throw CLI::ValidationError(option->get_name(), "belongs to the checkpoint that --resume continues; leave it out");
    }
    if (app["--text"]->count() > 0 && app["--problems"]->count() > 0)
      throw CLI::ValidationError("--problems", "excludes --text; give one of them");
  }

  bool given(std::string const& name) const { return app.get_option(name)->count() > 0; }

  CLI::App app{"Trains a small language model on a text or on word problems and writes a checkpoint: model.safetensors,\n"
               "config.json, and training.safetensors to resume from. Ctrl-C finishes the step and saves. Example:\n"
               "  train --objective mdlm --problems 1 --out my_model"};
  run_options run;
  session use;

 private:
  template <class T>
  void add(char const* name, T& value, char const* what) {
    of_run.push_back(app.add_option(name, value, what));
  }
  std::vector<CLI::Option const*> of_run;
};

/// "accuracy 0.912 +- 0.020 (200 problems)".
std::string spoken(nlohmann::ordered_json const& figures) {
  std::string name, counted;
  for (auto const& [key, value] : figures.items()) {
    if (key == "accuracy" || key == "nll_per_byte" || key == "elbo_per_byte") name = key;
    if (key == "problems" || key== "windows") counted = key;
  }
  char text[160];
  std::snprintf(text, sizeof text, "%s %.4f +- %.4f (%lld %s)", name.c_str(), figures.value(name, 0.0), figures.value("standard_error", 0.0),
                figures.value(counted, 0LL), counted.c_str());
  return text;
}

template <class Trainer>
int train(Trainer& trainer, session const& use, std::string const& command) {
  namespace models = basin::models;
  using namespace basin::train;
  std::int64_t const steps = trainer.options().steps, first = trainer.steps_done();
  std::int64_t const tokens_a_step = std::int64_t{trainer.options().batch} * trainer.options().length;
  models::progress bar{"train", first, steps};
  double loss = 0;
  while (trainer.steps_done() < steps && (trainer.steps_done() == first || !models::interrupted())) {
    double const now = trainer.step();
    std::int64_t const done = trainer.steps_done();
    loss = done == first + 1 ? now : 0.98 * loss + 0.02 * now;
    bar.update(done, loss, (done - first) * tokens_a_step);
    if (done % use.evaluate_every != 0 && done != steps) continue;
    auto const& figures = trainer.evaluate(done == steps ? long_look : short_look);
    trainer.save(use.out, command);
    bar.clear();
    std::printf("step %lld/%lld  loss %.4f  %s  %.0f s\n", static_cast<long long>(done), static_cast<long long>(steps), loss,
                spoken(figures).c_str(), bar.seconds_since_start());
    std::fflush(stdout);
  }
  bar.clear();
  if (trainer.steps_done() == steps) return std::printf("wrote %s\n", use.out.c_str()), 0;
  if (trainer.steps_done() > first) trainer.save(use.out, command);
  std::fprintf(stderr, "train: interrupted at step %lld of %lld; go on with: train --resume %s\n",
               static_cast<long long>(trainer.steps_done()), static_cast<long long>(steps), use.out.c_str());
  return models::exit_code_of_interrupt();
}

/// Fails before any work is done where a checkpoint could not be written later.
void require_writable(std::filesystem::path const& folder) {
  basin::models::make_folder(folder);
  basin::models::staged_file const probe{folder / basin::models::config_file};
}

template <class Trainer>
int start(command_line const& line, std::string const& command) {
  validate(line.run);
  basin::train::run_data const data{line.run};
  require_writable(line.use.out);
  Trainer trainer{line.run, data};
  return train(trainer, line.use, command);
}

template <class Trainer>
int resume(run_options const& options, basin::models::checkpoint const& saved, session const& use, std::string const& command) {
  basin::train::run_data const data{options};
  Trainer trainer{options, data, saved};
  if (trainer.steps_done() >= options.steps)
    throw basin::value_error{basin::message("basin: ", use.resume.string(), " has done ", trainer.steps_done(), " of ", options.steps,
                                            " steps; give a larger --steps to go on")};
  require_writable(use.out);
  return train(trainer, use, command);
}

int run(command_line& line, std::string command) {
  basin::models::interrupt_guard const guard;
  if (line.use.threads > 0) omp_set_num_threads(line.use.threads);
  if (line.use.resume.empty()) {
    bool const autoregressive = line.run.objective == "ar";
    return autoregressive ? start<basin::train::autoregressive_trainer>(line, command) : start<basin::train::diffusion_trainer>(line, command);
  }
  auto const saved = basin::models::load_training(line.use.resume);
  run_options options = basin::train::options_of(saved.config);
  if (line.given("--text")) options.text = line.run.text;
  if (line.given("--steps")) options.steps = line.run.steps;
  else command = saved.config.value("command", command);  // the same run, so the same bits and the same words
  validate(options);
  return options.objective == "ar" ? resume<basin::train::autoregressive_trainer>(options, saved, line.use, command)
                                   : resume<basin::train::diffusion_trainer>(options, saved, line.use, command);
}

}  // namespace

int main(int argc, char** argv) {
  command_line line;
  try {
    line.parse(argc, argv);
    return run(line, command_of(argc, argv));
  } catch (CLI::ParseError const& what) {
    return line.app.exit(what) == 0 ? 0 : 2;
  } catch (basin::error const& what) {
    std::fprintf(stderr, "train: %s\n", what.what());
    return 2;
  } catch (nlohmann::json::exception const& what) {
    std::fprintf(stderr, "train: basin: the checkpoint's configuration is damaged: %s\n", what.what());
    return 2;
  } catch (std::exception const& what) {
    std::fprintf(stderr, "train: %s\n", what.what());
    return 1;
  }
}
