// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A session of training: a run begun or gone on with, reported, saved, and stopped by Ctrl-C; on any device.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/folder_lock.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/training/run_data.hpp"
#include "basin/lm/training/run_options.hpp"
#include "basin/lm/training/trainer.hpp"
#include "programs/interrupt.hpp"
#include "programs/normalizers_by_name.hpp"
#include "programs/progress.hpp"

namespace basin::train {

/// What decides where and how a run is done, and not what comes out of it but for rounding.
struct session {
  enum class existing { refuse, overwrite };

  std::filesystem::path out, resume;
  existing other_run = existing::refuse;  // what to do with a run that `out` holds and that is not resumed
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
  std::snprintf(text, sizeof text, "%s %.4f +- %.4f (%lld %s)", name.c_str(), figures.value(name, 0.0),
                figures.value("standard_error", 0.0), figures.value(counted, 0LL), counted.c_str());
  return text;
}

template <class Trainer>
int train(Trainer& trainer, session const& use) {
  std::int64_t const steps = trainer.options().steps, first = trainer.steps_done();
  std::int64_t const tokens_a_step = std::int64_t{trainer.options().batch} * trainer.options().length;
  programs::progress bar{"train", first, steps};
  double loss = 0;
  while (trainer.steps_done() < steps && (trainer.steps_done() == first || !programs::interrupted())) {
    double const now = trainer.step();
    std::int64_t const done = trainer.steps_done();
    loss = done == first + 1 ? now : 0.98 * loss + 0.02 * now;
    bar.update(done, loss, (done - first) * tokens_a_step);
    if (done % use.evaluate_every != 0 && done != steps) continue;
    auto const& figures = trainer.evaluate(done == steps ? lm::long_look : lm::short_look);
    trainer.save(use.out, use.command);
    bar.clear();
    std::printf("step %lld/%lld  loss %.4f  %s  %.0f s\n", static_cast<long long>(done), static_cast<long long>(steps),
                loss, spoken(figures).c_str(), bar.seconds_since_start());
    std::fflush(stdout);
  }
  bar.clear();
  if (trainer.steps_done() == steps) return std::printf("wrote %s\n", lm::printable(use.out.string()).c_str()), 0;
  if (trainer.steps_done() > first) trainer.save(use.out, use.command);
  throw programs::stopped_by_signal{message("interrupted at step ", trainer.steps_done(), " of ", steps,
                                          "; go on with: train --resume ", use.out.string())};
}

/// Refuses to write over a run that is not the one to be resumed.
inline void require_free(session const& use) {
  std::error_code absent;
  bool const resumed = !use.resume.empty() && std::filesystem::equivalent(use.out, use.resume, absent);
  if (resumed || use.other_run == session::existing::overwrite) return;
  if (auto const found = lm::run_in(use.out); !found.empty())
    throw value_error{message("basin: --out is ", lm::quotation(use.out.string()), ", which holds ", found,
                              "; go on with it by --resume, replace it by --overwrite, or choose another folder")};
}

/// Creates a folder where there is none; the destructor removes it again if it is still empty.
class made_folder {
 public:
  explicit made_folder(std::filesystem::path wanted) : path(std::move(wanted)), found(std::filesystem::exists(path)) {
    lm::make_folder(path);
  }
  made_folder(made_folder const&) = delete;
  made_folder& operator=(made_folder const&) = delete;
  ~made_folder() {
    std::error_code not_empty;
    if (!found) std::filesystem::remove(path, not_empty);
  }

 private:
  std::filesystem::path path;
  bool found;
};

/// Creates and locks the folder of a run before any work is done, and checks that checkpoints can be written to it.
class run_folder {
 public:
  explicit run_folder(session const& use) : folder(use.out), lock(use.out) {
    require_free(use);
    lm::remove_unfinished(use.out, lm::checkpoint_files);
    lm::staged_file const probe{use.out / lm::config_file};
  }

 private:
  made_folder folder;
  lm::folder_lock lock;
};

template <class Trainer>
int start(lm::run_options const& options, session const& use) {
  validate(options);
  lm::policies_of(options, programs::normalizers_by_name());     // refuses names that do not exist
  lm::run_data const data{options};
  run_folder const taken{use};
  Trainer trainer{options, data, programs::normalizers_by_name()};
  return train(trainer, use);
}

/// The options of the run in a checkpoint, with what the session changes of them.
inline lm::run_options resumed_options(lm::checkpoint const& saved, session const& use) {
  auto const& file = saved.tensors.origin();
  auto options = lm::options_of(saved.config, file);
  if (use.text) options.text = *use.text;
  if (use.steps) options.steps = *use.steps;
  auto const done = lm::config_entries{saved.config, file}.number("step", lm::at_least<std::int64_t>(1));
  if (done >= options.steps)
    throw value_error{message("basin: ", use.resume.string(), " has done ", done, " of ", options.steps,
                              " steps; give a larger --steps to go on")};
  validate(options);
  return options;
}

template <class Trainer>
int resume(lm::run_options const& options, session const& use) {
  lm::run_data const data{options};
  run_folder const taken{use};
  auto const saved = lm::load_training(use.resume, programs::normalizers_by_name());  // again: locked now
  if (resumed_options(saved, use) != options)
    throw value_error{
        message("basin: ", use.resume.string(), " was replaced by another run just now; give the command again")};
  Trainer trainer{options, data, saved, programs::normalizers_by_name()};
  return train(trainer, use);
}

}  // namespace detail

/// The whole session; the exit code of the program.
///
/// Throws    basin::error; programs::stopped_by_signal, with what was learned so far saved
template <class Device>
int run(lm::run_options options, session use) {
  using autoregressive = typename lm::trainers<Device>::autoregressive;
  using diffusion = typename lm::trainers<Device>::diffusion;
  if (use.resume.empty())
    return options.objective == "ar" ? detail::start<autoregressive>(options, use)
                                     : detail::start<diffusion>(options, use);
  auto const saved = lm::load_training(use.resume, programs::normalizers_by_name());
  options = detail::resumed_options(saved, use);
  if (!use.steps)
    use.command = lm::config_entries{saved.config, saved.tensors.origin()}.text(
        "command");  // the same run, so the same bits and the same words
  return options.objective == "ar" ? detail::resume<autoregressive>(options, use)
                                   : detail::resume<diffusion>(options, use);
}

/// run() on a GPU: on_cuda.cpp, or without_cuda.cpp where the program is built without CUDA.
///
/// Throws    unsupported_error: built without CUDA, or no GPU answers
int run_on_cuda(lm::run_options const& options, session const& use);

}  // namespace basin::train
