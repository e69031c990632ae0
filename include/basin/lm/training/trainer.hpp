// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One training run: a model, its optimizer and its random streams, moved on step by step, saved and resumed to the bit.

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/attention.hpp"
#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/evaluation/likelihood.hpp"
#include "basin/lm/evaluation/word_problem_answers.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/recorded_policies.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/lm/objectives/objectives.hpp"
#include "basin/lm/policies/model_policies.hpp"
#include "basin/lm/training/run_data.hpp"
#include "basin/lm/training/run_options.hpp"
#include "basin/mask/causal.hpp"
#include "basin/nn/schedule.hpp"

namespace basin::lm {

/// How much of the validation set an evaluation looks at.
struct evaluation_size {
  index_t problems, windows;
  int draws;  // masks a window, for the bound of a diffusion model
};
inline constexpr evaluation_size short_look{100, 256, 2}, long_look{500, 1 << 20, 8};

/// From here on all threads take numbers below 1e-38 for zero: where attention is sharp most weights are such numbers,
/// and a step would take several times as long.
inline void flush_subnormals() {
#if defined(__SSE2__)
  BASIN_OMP(parallel)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
#endif
}

/// The id that an objective puts where a token is not to be seen.
template <class Objective>
inline constexpr int objective_id = begin_id;
template <>
inline constexpr int objective_id<masked_diffusion> = mask_id;

/// The learning rate of a step, counted from 0: to a twentieth of the peak, over the whole run or ("wsd") its last
/// fifth.
inline double learning_rate(run_options const& o, std::int64_t step) {
  double const last = o.learning_rate / 20;
  if (o.schedule == "cosine")
    return nn::warmup_cosine{.peak = o.learning_rate, .last = last, .warmup = o.warmup_steps(), .total = o.steps}(step);
  std::int64_t const decay = std::min(o.steps - o.warmup_steps(), o.steps / 5);
  return nn::warmup_stable_decay{
      .peak = o.learning_rate, .last = last, .warmup = o.warmup_steps(), .decay = decay, .total = o.steps}(step);
}

/// A run in progress. Model: a llama; Objective: what it learns (lm/objectives/objectives.hpp). Policies by name are
/// those of the options; else all layers have the attention `use`. Checkpoints record them
/// (lm/io/recorded_policies.hpp).
///
/// State     all of it is in save(): N steps give the same bits as some, save, resume and the rest
/// Edges     its process flushes subnormal numbers to zero, from the first run on
/// Errors    basin::error; unsupported_error: a policy that a checkpoint cannot record; value_error when the gradient
///           stops being finite; what was saved before stays
/// Determinism  run_to_run, for any number of threads
template <class Model, class Objective>
class trainer {
 public:
  using model_type = Model;
  using attention_type = typename Model::attention_type;

  trainer(run_options options, run_data const& from, attention_type use = {})
    requires(!Model::by_name)
      : trainer(std::move(options), from,
                [&](run_options const& of) { return Model(architecture(of), of.seed, use); }) {}
  trainer(run_options options, run_data const& from, registry const& known)
    requires Model::by_name
      : trainer(std::move(options), from, [&](run_options const& of) {
          return Model(architecture(of), of.seed, policies_of(of, known));
        }) {}

  /// Goes on from load_training(); `use` as above.
  template <class Use = attention_type>
  trainer(run_options options, run_data const& from, checkpoint const& saved, Use const& use = {})
      : trainer(std::move(options), from, use) {
    auto const& file = saved.tensors.origin();
    config_entries const entries{saved.config, file};
    require_attention(trained_attention(saved.config, file), attention(), file);
    if (entries.number("fingerprint", any_number<std::uint64_t>()) != data.fingerprint())
      throw value_error{message("basin: the text ", o.text, " is not the one that the run of ", file,
                                " began with; resume with the same text")};
    state = read_training(saved.tensors, net.parameters());
    if (entries.number("step", at_least<std::int64_t>(1)) != state.step)
      throw file_error{message(
          "basin: ", file,
          ": its configuration and its state are of different steps; use another checkpoint of the run")};
    net.send();
    moments = net.send(state.moments);
    last_figures = saved.config.value("figures", nlohmann::ordered_json::object());
  }

  /// One step; returns the loss before it.
  double step() {
    tokens.resize(learned.size());
    data.draw(state.data, tokens);
    auto const batch = objective(tokens, o.batch, o.length, learned, state.masks);
    net.clear_gradients();
    double const loss = accumulate(net, batch);
    net.step(moments, learning_rate(o, state.step), {.weight_decay = o.weight_decay});
    ++state.step;
    return loss;
  }

  /// Judges the model on what it does not train on; the figures join the next checkpoint.
  nlohmann::ordered_json const& evaluate(evaluation_size const& size) {
    auto const note = [&](char const* name, estimate const& e, char const* counted, index_t count) {
      last_figures = {{"step", state.step}, {name, e.mean}, {"standard_error", e.standard_error}, {counted, count}};
    };
    if (!data.is_text()) {
      auto const problems = run_data::test_problems(size.problems);
      auto const answers =
          o.objective == "ar" ? answers_left_to_right(net, problems) : answers_by_unmasking(net, problems);
      note("accuracy", accuracy(problems, answers), "problems", size.problems);
      return last_figures;
    }
    auto const windows = data.validation_windows(size.windows);
    int const count = static_cast<int>(windows.size()) / o.length;
    if (o.objective == "ar")
      note("nll_per_byte", next_token_nll(net, windows, count, o.length, begin_id), "windows", count);
    else
      note("elbo_per_byte",
           diffusion_bound(net, windows, count, o.length, mask_id, {}, {.draws = size.draws}),
           "windows", count);
    return last_figures;
  }

  void save(std::filesystem::path const& folder, std::string const& command) {
    nlohmann::ordered_json const config{{"format", checkpoint_format},
                                        {"objective", o.objective},
                                        {"tokenizer", "bytes"},
                                        {"architecture", architecture_json(architecture(o))},
                                        {"attention", attention()},
                                        {"training", to_json(o)},
                                        {"fingerprint", data.fingerprint()},
                                        {"step", state.step},
                                        {"command", command},
                                        {"figures", last_figures}};
    net.fetch();
    state.moments = net.fetch(moments);
    save_checkpoint(folder, config, net.parameters(), state);
  }

  std::int64_t steps_done() const { return state.step; }
  run_options const& options() const { return o; }
  Model& model() { return net; }

 private:
  template <class Make>
    requires std::is_invocable_v<Make const&, run_options const&>
  trainer(run_options options, run_data const& from, Make const& make)
      : o(std::move(options)), data(from), net(make(o)), objective{objective_id<Objective>} {
    static_cast<void>(attention());  // refuses policies that a checkpoint cannot record, before the first step
    flush_subnormals();
    auto const words = philox::words(o.seed, o.problems);
    state.data = philox{(std::uint64_t{words[0]} << 32) | words[1]};
    state.masks = philox{(std::uint64_t{words[2]} << 32) | words[3]};
  }

  /// The policies of all layers, as a checkpoint records them.
  nlohmann::ordered_json attention() const {
    if constexpr (Model::by_name) return attention_record(net.policies_of_layers());
    else return attention_record(layer_record(net.policies_of_layers()), o.layers);
  }

  run_options o;
  run_data const& data;
  Model net;
  training_state state;  // its moments as of the last load or save
  typename Model::moments moments;
  nlohmann::ordered_json last_figures = nlohmann::ordered_json::object();
  Objective objective;
  std::vector<unsigned char> learned = data.learned(o.batch);
  std::vector<int> tokens;
};

/// The model of both objectives on a device, with policies by name.
template <class Device>
using model_on = llama<attention_by_name, float, Device>;

/// The trainers of both objectives on a device.
template <class Device>
struct trainers {
  using autoregressive = trainer<model_on<Device>, next_token>;
  using diffusion = trainer<model_on<Device>, masked_diffusion>;
};

using autoregressive_model = model_on<host>;
using diffusion_model = model_on<host>;
using autoregressive_trainer = trainers<host>::autoregressive;
using diffusion_trainer = trainers<host>::diffusion;

}  // namespace basin::lm
