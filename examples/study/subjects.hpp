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
#include "models/interrupt.hpp"
#include "models/progress.hpp"
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
  std::string origin;

  index_t parameter_count() { return nn::parameter_count(model.parameters()); }
};

/// What is said of an interrupted study.
struct interrupted : error {
  using error::error;
};

/// The model of a checkpoint.
///
/// Throws    file_error: no checkpoint, a damaged one, or one of the other objective
template <class Model>
subject<Model> load_subject(std::filesystem::path const& folder, std::string const& objective) {
  auto saved = models::load_model(folder);
  std::string const found = saved.config.value("objective", "");
  if (found != objective)
    throw file_error{message("basin: ", folder.string(), " holds a model of the objective '", found, "'; give one of '", objective,
                             "', made by: train --objective ", objective)};
  subject<Model> s{Model(models::architecture_of(saved.config)), std::move(saved.config), folder.string()};
  models::read_weights(saved.tensors, s.model.parameters());
  s.model.send();
  return s;
}

/// The options to train a subject with: those of its checkpoint where there is one for the same kind of input, else the usual.
inline train::run_options training_options(std::filesystem::path const& folder, std::string const& objective, study_options const& o) {
  train::run_options usual;
  usual.objective = objective;
  usual.text = o.text;
  if (!std::filesystem::exists(folder / models::model_file)) return usual;
  auto found = train::options_of(models::load_model(folder).config);
  if (found.text.empty() == o.is_text() || found.objective != objective) return usual;
  found.text = o.text;
  return found;
}

/// Trains a subject anew, and leaves its checkpoint in the folder `to`.
///
/// Throws    interrupted, with what was learned so far saved; whatever training throws
template <class Trainer>
nlohmann::ordered_json train_subject(train::run_options const& options, std::filesystem::path const& to) {
  train::run_data const data(options);
  models::interrupt_guard const guard;                           // before the first OpenMP region: its threads inherit it
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
  if (cut) throw interrupted{message("basin: interrupted at step ", run.steps_done(), "; ", to.string(), " has what was learned so far")};
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
