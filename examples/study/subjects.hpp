// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The two models of the study, loaded from their checkpoints or trained anew by the same code as `train`.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/folder_lock.hpp"
#include "basin/lm/training/run_options.hpp"
#include "basin/lm/training/trainer.hpp"
#include "programs/interrupt.hpp"
#include "programs/normalizers_by_name.hpp"
#include "programs/program.hpp"
#include "programs/progress.hpp"
#include "study/material.hpp"
#include "study/options.hpp"

namespace basin::study {

/// A model and where it comes from.
template <class Model>
struct subject {
  Model model;
  nlohmann::ordered_json config;  // of its checkpoint
  std::filesystem::path origin;   // the folder
  lm::input_kind learned;

  index_t parameter_count() { return nn::parameter_count(model.parameters()); }
};

/// A checkpoint for a model of this kind, and its model.
template <class Model>
lm::checkpoint opened(std::filesystem::path const& folder) {
  if constexpr (Model::by_name) return lm::load_model(folder, programs::normalizers_by_name());
  else return lm::load_model(folder);
}
template <class Model>
Model restored(lm::checkpoint const& saved) {
  if constexpr (Model::by_name) return lm::restore<Model>(saved, programs::normalizers_by_name());
  else return lm::restore<Model>(saved);
}

/// The model of a checkpoint.
///
/// Throws    file_error: no checkpoint, a damaged one, one of the other objective, or one that does not read bytes
template <class Model>
subject<Model> load_subject(std::filesystem::path const& folder, std::string const& objective) {
  auto saved = opened<Model>(folder);
  lm::require_objective(saved, objective, "--" + objective, folder);
  lm::require_bytes(saved);
  auto model = restored<Model>(saved);
  auto learned = lm::trained_on(saved);
  return {std::move(model), std::move(saved.config), folder, std::move(learned)};
}

/// The options to train a subject with: those of its checkpoint where there is one for the same kind of input, else the
/// usual.
inline lm::run_options training_options(std::filesystem::path const& folder, std::string const& objective,
                                           study_options const& o) {
  lm::run_options usual;
  usual.objective = objective;
  usual.text = o.text;
  if (!std::filesystem::exists(folder / lm::model_file)) return usual;
  auto const saved = lm::load_model(folder, programs::normalizers_by_name());
  auto found = lm::options_of(saved.config, saved.tensors.origin());
  if (found.text.empty() == o.is_text() || found.objective != objective) return usual;
  found.text = o.text;
  return found;
}

/// Trains a subject anew, and leaves its checkpoint in the folder `to`, in place of that of an earlier run.
///
/// Throws    programs::stopped_by_signal, with what was learned so far saved; whatever training throws
template <class Trainer>
nlohmann::ordered_json train_subject(lm::run_options const& options, std::filesystem::path const& to) {
  lm::run_data const data(options);
  lm::make_folder(to);
  lm::folder_lock const lock(to);
  lm::remove_unfinished(to, lm::checkpoint_files);
  programs::interrupt_guard const guard;  // before the first OpenMP region: its threads inherit it
  auto const trainer_of = [&]() -> Trainer {
    if constexpr (Trainer::model_type::by_name) return {options, data, programs::normalizers_by_name()};
    else return {options, data};
  };
  Trainer run = trainer_of();
  programs::progress bar("training " + options.objective, 0, options.steps);
  while (run.steps_done() < options.steps && !programs::interrupted()) {
    double const loss = run.step();
    bar.update(run.steps_done(), loss, run.steps_done() * options.batch * options.length);
  }
  bar.clear();
  bool const cut = programs::interrupted();
  auto const figures = cut ? nlohmann::ordered_json::object() : run.evaluate(lm::short_look);
  run.save(to, "study --retrain");
  if (cut)
    throw programs::stopped_by_signal{message("basin: interrupted at step ", run.steps_done(), "; ", to.string(),
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
