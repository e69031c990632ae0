// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Trains a small language model, autoregressive or masked diffusion, on a text or on word problems, and writes a
// checkpoint.

#include <omp.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/lm/devices/host.hpp"
#include "basin/lm/training/run_options.hpp"
#include "programs/command_line.hpp"
#include "programs/interrupt.hpp"
#include "programs/normalizers_by_name.hpp"
#include "programs/program.hpp"
#include "train/session.hpp"

namespace {

using basin::lm::run_options, basin::train::session;
namespace lm = basin::lm;
namespace programs = basin::programs;

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

std::string names_of_policies() {
  auto const joined = [](auto const& names) {
    std::string all;
    for (auto const& name : names) all += (all.empty() ? "" : ", ") + std::string(name);
    return all;
  };
  return "Normalizers: " + joined(programs::normalizers_by_name().names()) +
         "; scaled by length: ssmax, log_n, su_log_n, yarn, position_steps, asentmax, alone or after '*'. Masks: " +
         joined(lm::mask_names) + ". Scorers: " + joined(lm::scorer_names) + ". Parts of a layer: " +
         joined(lm::part_names);
}

/// The program's command line; the names of the options that belong to the run are kept, to know which were given.
class command_line {
 public:
  command_line() {
    app.option_defaults()->always_capture_default();
    keep(programs::add_choice(app, "--objective", run.objective, {"ar", "mdlm"},
                            "ar (next token) or mdlm (masked diffusion)"));
    keep(app.add_option("--text", run.text,
                        "learn the bytes of this file: nine tenths train, the last tenth validates"));
    basin::lm::for_each_number(run, [&](char const* name, auto& value, auto const& allowed, char const* what) {
      keep(programs::add_number(app, basin::lm::option_name(name), value, allowed, what));
    });
    keep(programs::add_choice(app, "--schedule", run.schedule, {"cosine", "wsd"},
                            "cosine, or wsd: level, and straight down in the last fifth"));
    keep(app.add_option("--attention,--normalizer", run.attention,
                        "policies by name, for some layers and heads if wanted: "
                        "'softmax; layers 2-3: entmax15; layer 0 heads 0-1: top_k:k=8; layer 1: "
                        "sliding_window:left=16'; sink_logit:learned learns its number. " +
                            names_of_policies()));
    keep(programs::add_choice(app, "--gate", gate, {"none", "elementwise", "per_head"},
                              "sigmoid gate on the output of attention, in all layers"));
    keep(programs::add_choice(app, "--qk-norm", qk_norm, {"none", "rms_norm"},
                              "norm of the queries and keys of every head, in all layers"));
    keep(programs::add_choice(app, "--norm", run.norm, {"rms_norm", "layer_norm"}, "norm of the residual stream"));
    keep(programs::add_choice(app, "--mlp", run.mlp, {"swiglu", "gelu", "gelu_tanh"}, "the MLP of every block"));
    keep(programs::add_number<std::int64_t>(app, "--warmup", lm::at_least<std::int64_t>(0), "steps of linear warm-up",
                                          "a tenth of --steps, at most 100",
                                          [this](std::int64_t steps) { run.warmup = steps; }));
    app.add_option("--out", use.out, "folder of the checkpoint; with --resume, that of the run");
    app.add_option("--resume", use.resume, "go on from the checkpoint in this folder, with its options");
    app.add_flag_callback(
        "--overwrite", [this] { use.other_run = session::existing::overwrite; }, "replace the run that --out holds");
    programs::add_number(app, "--evaluate-every", use.evaluate_every, lm::at_least<std::int64_t>(1),
                       "steps between evaluations, each followed by a checkpoint");
    programs::add_number(app, "--threads", use.threads, lm::from_to(0, 1024),
                       "threads; 0: as OpenMP chooses. The result does not depend on it");
    programs::add_choice(app, "--device", use.device, {"cpu", "cuda"},
                       "cpu, or cuda: an NVIDIA GPU; results differ by rounding");
  }

  /// Checks what the options mean together, once they are parsed.
  void finish() {
    if (use.out.empty()) use.out = use.resume;
    if (use.out.empty()) throw CLI::RequiredError("--out");
    for (CLI::Option const* const option : of_run) {
      bool const relocates = option->get_name() == "--text" || option->get_name() == "--steps";
      if (!use.resume.empty() && option->count() > 0 && !relocates)
        throw CLI::ValidationError(option->get_name(),
                                   "belongs to the checkpoint that --resume continues; leave it out");
    }
    if (app["--text"]->count() > 0) use.text = run.text;
    if (app["--steps"]->count() > 0) use.steps = run.steps;
    if (gate != "none") run.attention += gate == "elementwise" ? "; gate" : "; head_gate";
    if (qk_norm != "none") run.attention += "; qk_norm";
    if (app["--text"]->count() > 0 && app["--problems"]->count() > 0)
      throw CLI::ValidationError("--problems", "excludes --text; give one of them");
  }

  CLI::App app{
      "Trains a small language model on a text or on word problems and writes a checkpoint: model.safetensors,\n"
      "config.json, and training.safetensors to resume from. Ctrl-C finishes the step and saves. Example:\n"
      "  train --objective mdlm --problems 1 --out my_model"};
  lm::run_options run;
  session use;
  std::string gate = "none", qk_norm = "none";  // joined to run.attention

 private:
  void keep(CLI::Option const* option) { of_run.push_back(option); }
  std::vector<CLI::Option const*> of_run;
};

int run(command_line& line) {
  programs::interrupt_guard const guard;
  if (line.use.threads > 0) omp_set_num_threads(line.use.threads);
  return line.use.device == "cuda" ? basin::train::run_on_cuda(line.run, line.use)
                                   : basin::train::run<lm::host>(line.run, line.use);
}

}  // namespace

int main(int argc, char** argv) {
  command_line line;
  return programs::run_program("train", line.app, argc, argv, [&] {
    line.finish();
    line.use.command = command_of(argc, argv);
    return run(line);
  });
}
