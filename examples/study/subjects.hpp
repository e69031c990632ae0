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
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/training/run_options.hpp"
#include "basin/lm/training/trainer.hpp"
#include "programs/interrupt.hpp"
#include "programs/normalizers_by_name.hpp"
#include "programs/program.hpp"
#include "programs/progress.hpp"
#include "study/options.hpp"
#include "study/test_set.hpp"

namespace basin::study {

/// A model and where it comes from.
template <class Model> struct subject {
  Model model;
  nlohmann::ordered_json config;  // of its checkpoint
  std::filesystem::path origin;   // the folder
  lm::input_kind learned;

  index_t parameter_count() { return nn::parameter_count(model.parameters()); }
};

/// The model of a checkpoint.
///
/// Throws    file_error: no checkpoint, a damaged one, one of the other objective, or one that does not read bytes
template <class Model> subject<Model> load_subject(std::filesystem::path const& folder, std::string const& objective) {
  auto saved = lm::load_model(folder, programs::normalizers_by_name());
  lm::require_objective(saved, objective, "--" + objective, folder);
  lm::require_bytes(saved);
  auto model = lm::restore<Model>(saved, programs::normalizers_by_name());
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

/// The folder of a model that the study trains.
inline std::filesystem::path retrained_folder(study_options const& o, std::string const& objective) {
  return o.out / "retrained" / objective;
}

/// Refuses to train a model in place of an earlier run, unless --overwrite is given.
inline void require_free(study_options const& o, std::string const& objective) {
  if (o.earlier_run == existing::overwrite) return;
  auto const folder = retrained_folder(o, objective);
  if (auto const found = lm::run_in(folder); !found.empty())
    throw value_error{message("basin: --retrain writes to ", lm::quotation(folder.string()), ", which holds ", found,
                              "; replace it by --overwrite, or choose another folder by --out")};
}

/// Trains a subject anew, and saves its checkpoint in the folder `to`.
///
/// Throws    programs::stopped_by_signal, with what was learned so far saved; whatever training throws
template <class Trainer>
nlohmann::ordered_json train_subject(lm::run_options const& options, std::filesystem::path const& to) {
  lm::run_data const data(options);
  lm::make_folder(to);
  lm::folder_lock const lock(to);
  lm::remove_unfinished(to, lm::checkpoint_files);
  programs::interrupt_guard const guard;  // before the first OpenMP region: its threads inherit it
  Trainer trainer{options, data, programs::normalizers_by_name()};
  programs::progress bar("training " + options.objective, 0, options.steps);
  while (trainer.steps_done() < options.steps && !programs::interrupted()) {
    double const loss = trainer.step();
    bar.update(trainer.steps_done(), loss, trainer.steps_done() * options.batch * options.length);
  }
  bar.clear();
  bool const cut = programs::interrupted();
  auto const figures = cut ? nlohmann::ordered_json::object() : trainer.evaluate(lm::short_look);
  trainer.save(to, "study --retrain");
  if (cut)
    throw programs::stopped_by_signal{message("basin: interrupted at step ", trainer.steps_done(), "; ", to.string(),
                                              " has what was learned so far; go on with: train --resume ",
                                              to.string())};
  return figures;
}

template <class Model, class Trainer>
subject<Model> prepare(std::filesystem::path const& folder, std::string const& objective, study_options const& o) {
  if (o.models == training::as_shipped) return load_subject<Model>(folder, objective);
  auto const fresh = retrained_folder(o, objective);
  train_subject<Trainer>(training_options(folder, objective, o), fresh);
  return load_subject<Model>(fresh, objective);
}

}  // namespace basin::study
