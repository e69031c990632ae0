// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The two models of the study, loaded from their checkpoints or trained anew by the same code as `train`.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "models/checkpoint.hpp"
#include "models/files.hpp"
#include "models/folder_lock.hpp"
#include "models/interrupt.hpp"
#include "models/program.hpp"
#include "models/progress.hpp"
#include "models/suitability.hpp"
#include "study/material.hpp"
#include "study/options.hpp"
#include "train/options.hpp"
#include "train/trainer.hpp"

namespace basin::study {

/// A model and where it comes from.
template <class Model>
struct subject {
  Model model;
  nlohmann::ordered_json config;  // of its checkpoint
  std::filesystem::path origin;   // the folder
  models::input_kind learned;

  index_t parameter_count() { return nn::parameter_count(model.parameters()); }
};

/// A checkpoint for a model of this kind, and its model.
template <class Model>
models::checkpoint opened(std::filesystem::path const& folder) {
  if constexpr (Model::by_name) return models::load_model(folder, models::normalizers_by_name());
  else return models::load_model(folder);
}
template <class Model>
Model restored(models::checkpoint const& saved) {
  if constexpr (Model::by_name) return models::restore<Model>(saved, models::normalizers_by_name());
  else return models::restore<Model>(saved);
}

/// The model of a checkpoint.
///
/// Throws    file_error: no checkpoint, a damaged one, one of the other objective, or one that does not read bytes
template <class Model>
subject<Model> load_subject(std::filesystem::path const& folder, std::string const& objective) {
  auto saved = opened<Model>(folder);
  models::require_objective(saved, objective, "--" + objective, folder);
  models::require_bytes(saved);
  auto model = restored<Model>(saved);
  auto learned = models::trained_on(saved);
  return {std::move(model), std::move(saved.config), folder, std::move(learned)};
}

/// The options to train a subject with: those of its checkpoint where there is one for the same kind of input, else the
/// usual.
inline train::run_options training_options(std::filesystem::path const& folder, std::string const& objective,
                                           study_options const& o) {
  train::run_options usual;
  usual.objective = objective;
  usual.text = o.text;
  if (!std::filesystem::exists(folder / models::model_file)) return usual;
  auto const saved = models::load_model(folder, models::normalizers_by_name());
  auto found = train::options_of(saved.config, saved.tensors.origin());
  if (found.text.empty() == o.is_text() || found.objective != objective) return usual;
  found.text = o.text;
  return found;
}

/// Trains a subject anew, and leaves its checkpoint in the folder `to`, in place of that of an earlier run.
///
/// Throws    models::stopped_by_signal, with what was learned so far saved; whatever training throws
template <class Trainer>
nlohmann::ordered_json train_subject(train::run_options const& options, std::filesystem::path const& to) {
  train::run_data const data(options);
  models::make_folder(to);
  models::folder_lock const lock(to);
  models::remove_unfinished(to, models::checkpoint_files);
  models::interrupt_guard const guard;  // before the first OpenMP region: its threads inherit it
  Trainer run(options, data);
  models::progress bar("training " + options.objective, 0, options.steps);
  while (run.steps_done() < options.steps && !models::interrupted()) {
    double const loss = run.step();
    bar.update(run.steps_done(), loss, run.steps_done() * options.batch * options.length);
  }
  bar.clear();
  bool const cut = models::interrupted();
  auto const figures = cut ? nlohmann::ordered_json::object() : run.evaluate(train::short_look);
  run.save(to, "study --retrain");
  if (cut)
    throw models::stopped_by_signal{message("basin: interrupted at step ", run.steps_done(), "; ", to.string(),
                                            " has what was learned so far; go on with: train --resume ", to.string())};
  return figures;
}

template <class Model, class Trainer>
subject<Model> prepare(std::filesystem::path const& folder, std::string const& objective, study_options const& o) {
  if (o.models == training::as_shipped) return load_subject<Model>(folder, objective);
  auto const fresh = o.out / "retrained" / objective;
  train_subject<Trainer>(training_options(folder, objective, o), fresh);
  return load_subject<Model>(fresh, objective);
}

}  // namespace basin::study
