// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Trains a small language model, autoregressive or masked diffusion, on a text or on word problems, and writes a checkpoint.

#include <omp.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/core/error.hpp"
#include "models/engine.hpp"
#include "models/interrupt.hpp"
#include "train/options.hpp"
#include "train/session.hpp"

namespace {

using basin::train::run_options, basin::train::session;

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
    app.add_option("--device", use.device, "cpu, or cuda: an NVIDIA GPU; results differ by rounding");
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
    if (app["--text"]->count() > 0) use.text = run.text;
    if (app["--steps"]->count() > 0) use.steps = run.steps;
    if (app["--text"]->count() > 0 && app["--problems"]->count() > 0)
      throw CLI::ValidationError("--problems", "excludes --text; give one of them");
  }

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

int run(command_line& line) {
  basin::models::interrupt_guard const guard;
  if (line.use.threads > 0) omp_set_num_threads(line.use.threads);
  basin::train::detail::require_choice("device", line.use.device, "cpu", "cuda");
  return line.use.device == "cuda" ? basin::train::run_on_cuda(line.run, line.use) : basin::train::run<basin::models::host_engine<float>>(line.run, line.use);
}

}  // namespace

int main(int argc, char** argv) {
  command_line line;
  try {
    line.parse(argc, argv);
    line.use.command = command_of(argc, argv);
    return run(line);
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
