// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A session of training: a run begun or gone on with, told about, saved, and stopped by Ctrl-C; on whatever engine.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "models/checkpoint.hpp"
#include "models/files.hpp"
#include "models/interrupt.hpp"
#include "models/progress.hpp"
#include "train/data.hpp"
#include "train/options.hpp"
#include "train/trainer.hpp"

namespace basin::train {

/// What decides where and how a run is done, and not what comes out of it but for rounding.
struct session {
  std::filesystem::path out, resume;
  std::int64_t evaluate_every = 500;
  int threads = 0;
  std::string device = "cpu";          // "cpu" | "cuda"
  std::string command;                 // that made it, as it can be typed again
  std::optional<std::string> text;     // of a resumed run, where given
  std::optional<std::int64_t> steps;
};

namespace detail {

/// "accuracy 0.912 +- 0.020 (200 problems)".
inline std::string spoken(nlohmann::ordered_json const& figures) {
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
int train(Trainer& trainer, session const& use) {
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
    trainer.save(use.out, use.command);
    bar.clear();
    std::printf("step %lld/%lld  loss %.4f  %s  %.0f s\n", static_cast<long long>(done), static_cast<long long>(steps), loss,
                spoken(figures).c_str(), bar.seconds_since_start());
    std::fflush(stdout);
  }
  bar.clear();
  if (trainer.steps_done() == steps) return std::printf("wrote %s\n", use.out.c_str()), 0;
  if (trainer.steps_done() > first) trainer.save(use.out, use.command);
  std::fprintf(stderr, "train: interrupted at step %lld of %lld; go on with: train --resume %s\n",
               static_cast<long long>(trainer.steps_done()), static_cast<long long>(steps), use.out.c_str());
  return models::exit_code_of_interrupt();
}

/// Fails before any work is done where a checkpoint could not be written later.
inline void require_writable(std::filesystem::path const& folder) {
  models::make_folder(folder);
  models::staged_file const probe{folder / models::config_file};
}

template <class Trainer>
int start(run_options const& options, session const& use) {
  validate(options);
  run_data const data{options};
  require_writable(use.out);
  Trainer trainer{options, data};
  return train(trainer, use);
}

template <class Trainer>
int resume(run_options const& options, models::checkpoint const& saved, session const& use) {
  run_data const data{options};
  Trainer trainer{options, data, saved};
  if (trainer.steps_done() >= options.steps)
    throw value_error{message("basin: ", use.resume.string(), " has done ", trainer.steps_done(), " of ", options.steps,
                              " steps; give a larger --steps to go on")};
  require_writable(use.out);
  return train(trainer, use);
}

}  // namespace detail

/// The whole session; the exit code of the program.
///
/// Throws    basin::error
template <class Engine>
int run(run_options options, session use) {
  using autoregressive = typename trainers<Engine>::autoregressive;
  using diffusion = typename trainers<Engine>::diffusion;
  if (use.resume.empty()) return options.objective == "ar" ? detail::start<autoregressive>(options, use) : detail::start<diffusion>(options, use);
  auto const saved = models::load_training(use.resume);
  options = options_of(saved.config);
  if (use.text) options.text = *use.text;
  if (use.steps) options.steps = *use.steps;
  else use.command = saved.config.value("command", use.command);  // the same run, so the same bits and the same words
  validate(options);
  return options.objective == "ar" ? detail::resume<autoregressive>(options, saved, use) : detail::resume<diffusion>(options, saved, use);
}

/// run() on a GPU: on_cuda.cpp, or without_cuda.cpp where the program is built without CUDA.
///
/// Throws    unsupported_error: built without CUDA, or no GPU answers
int run_on_cuda(run_options const& options, session const& use);

}  // namespace basin::train
