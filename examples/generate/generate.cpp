// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lets a checkpoint write: an autoregressive one goes on from a prompt, byte after byte; a diffusion one fills in what follows
// it, the surest bytes first, and shows every step when asked to.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"
#include "models/checkpoint.hpp"
#include "models/problems.hpp"
#include "models/samplers.hpp"
#include "models/text.hpp"
#include "models/transformer.hpp"

namespace basin::generate {
namespace {

enum class telling { result, every_step };

struct options {
  std::filesystem::path model = BASIN_CHECKPOINTS "/ar";
  std::string prompt = "Tom had 20 pens, gave 4, took 2.";
  int length = models::answer_length, block = 8, steps = 0;
  telling tell = telling::result;
};

/// A model made of a checkpoint.
template <class Attention>
models::transformer<Attention> load(models::checkpoint const& saved) {
  models::transformer<Attention> model(models::architecture_of(saved.config));
  models::read_weights(saved.tensors, model.parameters());
  return model;
}

/// The prompt as the model knows it: word problems have room for 40 bytes and are padded.
std::vector<int> prompt_of(options const& o, models::checkpoint const& saved) {
  auto ids = models::ids_of(o.prompt);
  auto const training = saved.config.find("training");
  bool const problems = training != saved.config.end() && training->value("text", "").empty();
  if (problems && ids.size() < models::prompt_length) ids.resize(models::prompt_length, models::prompt_padding);
  int const context = models::architecture_of(saved.config).context;
  if (ids.empty() || std::ssize(ids) + o.length > context)
    throw value_error{message("basin: a prompt of ", ids.size(), " bytes and ", o.length, " to write; the model has a context of ", context,
                              " and needs a prompt: change --prompt or --length")};
  return ids;
}

std::string append(models::checkpoint const& saved, std::vector<int> const& prompt, options const& o) {
  auto model = load<decltype(attention<>{}.with(causal{}))>(saved);
  models::writing<decltype(model)> text(model, prompt);
  return models::text_of_ids(models::greedy(text, o.length));
}

/// Prints what was there before every pass.
struct telling_watch {
  options const& o;
  std::size_t given;
  models::unchanged adapt(models::pass const& now) const {
    if (o.tell == telling::every_step) std::printf("%3lld  %s\n", static_cast<long long>(now.step), models::text_of_ids(now.tokens.subspan(given)).c_str());
    return {};
  }
  void seen(models::pass const&) const {}
};

std::string fill_in(models::checkpoint const& saved, std::vector<int> const& prompt, options const& o) {
  auto model = load<attention<>>(saved);
  auto ids = prompt;
  ids.resize(prompt.size() + static_cast<std::size_t>(o.length), models::mask_id);
  models::low_confidence(model, ids, 1, {.first = static_cast<int>(prompt.size()), .length = o.length, .block = o.block, .steps = o.steps > 0 ? o.steps : o.length},
                         telling_watch{o, prompt.size()});
  return models::text_of_ids(std::span<int const>(ids).subspan(prompt.size()));
}

void run(options const& o) {
  auto const saved = models::load_model(o.model);
  auto const prompt = prompt_of(o, saved);
  std::string const objective = saved.config.value("objective", "");
  if (objective != "ar" && objective != "mdlm")
    throw file_error{message("basin: ", o.model.string(), " has the objective '", objective, "'; 'ar' and 'mdlm' are known")};
  std::printf("%s%s\n", models::text_of_ids(prompt).c_str(), (objective == "ar" ? append(saved, prompt, o) : fill_in(saved, prompt, o)).c_str());
}

}  // namespace
}  // namespace basin::generate

int main(int argc, char** argv) {
  basin::generate::options o;
  CLI::App app{"Writes with a checkpoint: byte after byte (ar), or by unmasking (mdlm)."};
  app.add_option("--model", o.model, "checkpoint folder")->capture_default_str();
  app.add_option("--prompt", o.prompt, "what to go on from")->capture_default_str();
  app.add_option("--length", o.length, "bytes to write")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--block", o.block, "mdlm: bytes of a block")->capture_default_str();
  app.add_option("--steps", o.steps, "mdlm: steps in all; 0: one byte a step")->capture_default_str();
  app.add_flag_callback("--show-steps", [&o] { o.tell = basin::generate::telling::every_step; }, "mdlm: print every step");
  try {
    app.parse(argc, argv);
    basin::generate::run(o);
    return 0;
  } catch (CLI::ParseError const& what) {
    return app.exit(what) == 0 ? 0 : 2;
  } catch (std::exception const& what) {
    std::fprintf(stderr, "generate: %s\n", what.what());
    return 1;
  }
}
