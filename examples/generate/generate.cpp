// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Continues a prompt with a checkpoint: an autoregressive model appends byte after byte; a diffusion model fills in
// what follows the prompt, the surest bytes first, and every step can be printed. Models that others trained are in
// pretrained.cpp.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/attention.hpp"
#include "basin/lm/decoding/samplers.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "basin/lm/training/trainer.hpp"
#include "basin/mask/causal.hpp"
#include "generate/pretrained.hpp"
#include "programs/command_line.hpp"
#include "programs/normalizers_by_name.hpp"
#include "programs/program.hpp"
#include "programs/unmasking_options.hpp"

namespace basin::generate {
namespace {

enum class steps_shown { none, all };

struct options {
  std::filesystem::path model = BASIN_CHECKPOINTS "/ar";
  std::optional<std::string> prompt;  // absent: what the model was trained on decides
  std::optional<int> length;
  programs::unmasking_options unmask;
  steps_shown show = steps_shown::none;
  pretrained_options pretrained{};
};

/// Options for models that others trained.
inline constexpr char const* pretrained_names[] = {"--temperature", "--top-k", "--top-p",  "--min-p", "--seed",
                                                   "--repetition-penalty", "--chat", "--attention", "--figures"};

inline constexpr std::string_view usual_problem = "Tom had 20 figs,got 4,ate 2. Left?";
inline constexpr int longest_text = 64;

/// What the options and the model make together.
struct request {
  std::vector<int> prompt;
  int length = 0;
};

/// The prompt as the model was trained on it: that of a word problem is padded to 40 bytes.
std::vector<int> prompt_of(options const& o, lm::input_kind const& learned) {
  auto ids = lm::ids_of(o.prompt.value_or(learned.is_text() ? "" : std::string(usual_problem)));
  if (!learned.is_text() && ids.size() < lm::prompt_length)
    ids.resize(lm::prompt_length, lm::prompt_padding);
  return ids;
}

/// Throws value_error for a prompt and a length that do not fit the model's context.
request request_of(options const& o, lm::input_kind const& learned, int context) {
  request r{prompt_of(o, learned), 0};
  int const size = static_cast<int>(r.prompt.size()), left = context - size;
  r.length =
      o.length.value_or(std::min(left, learned.is_text() ? longest_text : static_cast<int>(lm::answer_length)));
  if (left < 1)
    throw value_error{message("basin: --prompt has ", size, " bytes, and the model in ",
                              lm::quotation(o.model.string()), " has a context of ", context,
                              "; give a prompt of at most ", context - 1, " bytes")};
  if (r.length > left)
    throw value_error{message("basin: --length is ", r.length, ", but the context of the model in ",
                              lm::quotation(o.model.string()), " is ", context, " and --prompt takes ", size,
                              " of it; it must be at most ", left)};
  if (!learned.is_text() && size > lm::prompt_length)
    std::fprintf(stderr, "generate: the model was trained on word problems of at most %d bytes; this prompt has %d\n",
                 static_cast<int>(lm::prompt_length), size);
  return r;
}

/// The text as it is; on a terminal, with control characters other than the end of a line spelled out.
std::string shown(std::string_view text) {
  if (::isatty(STDOUT_FILENO) != 1) return std::string(text);
  std::string out;
  for (std::size_t start = 0, end = 0; end != text.npos; start = end + 1) {
    end = text.find('\n', start);
    out += lm::printable(text.substr(start, end - start)) + (end == text.npos ? "" : "\n");
  }
  return out;
}

std::string append(lm::checkpoint const& saved, request const& r) {
  auto model = lm::restore<lm::autoregressive_model>(saved, programs::normalizers_by_name());
  lm::writing<decltype(model)> text(model, r.prompt);
  return lm::text_of_ids(lm::greedy(text, r.length));
}

/// Prints the bytes that are unmasked so far, before each pass, on one line.
struct step_printer {
  steps_shown show;
  std::size_t given;
  lm::unchanged adapt(lm::pass const& now) const {
    if (show == steps_shown::all)
      std::printf("%3lld  %s\n", static_cast<long long>(now.step),
                  lm::printable(lm::text_of_ids(now.tokens.subspan(given))).c_str());
    return {};
  }
  void seen(lm::pass const&) const {}
};

std::string fill_in(lm::checkpoint const& saved, request const& r, lm::unmasking const& how, steps_shown show) {
  auto model = lm::restore<lm::diffusion_model>(saved, programs::normalizers_by_name());
  auto ids = r.prompt;
  ids.resize(r.prompt.size() + static_cast<std::size_t>(r.length), lm::mask_id);
  lm::low_confidence(model, ids, 1, how, step_printer{show, r.prompt.size()});
  return lm::text_of_ids(std::span<int const>(ids).subspan(r.prompt.size()));
}

/// Refuses options of unmasking for a model that does not unmask.
void require_no_unmasking(options const& o, CLI::App const& app) {
  for (char const* const name : {"--block", "--steps", "--show-steps"})
    if (app.count(name) > 0)
      throw value_error{message("basin: ", name, " is for diffusion models, and the model in ",
                                lm::quotation(o.model.string()),
                                " is autoregressive: it appends byte after byte; leave ", name, " out")};
}

void run_pretrained(options const& o, CLI::App const& app) {
  require_no_unmasking(o, app);
  auto of = o.pretrained;
  of.model = o.model, of.prompt = o.prompt.value_or(""), of.length = o.length.value_or(of.length);
  continue_text(of);
}

void run(options const& o, CLI::App const& app) {
  if (is_pretrained(o.model)) return run_pretrained(o, app);
  for (char const* const name : pretrained_names)
    if (app.count(name) > 0)
      throw value_error{message("basin: ", name, " is for models that others trained, and the one in ",
                                lm::quotation(o.model.string()), " is a checkpoint of train; leave ", name, " out")};
  auto const saved = lm::load_model(o.model, programs::normalizers_by_name());
  std::string const objective = lm::objective_of(saved);
  lm::require_bytes(saved);
  if (objective == "ar") require_no_unmasking(o, app);
  auto const r =
      request_of(o, lm::trained_on(saved), lm::architecture_of(saved.config, saved.tensors.origin()).context);
  auto const how = programs::unmasking_of(o.unmask, std::ssize(r.prompt), r.length);
  std::string const written = objective == "ar" ? append(saved, r) : fill_in(saved, r, how, o.show);
  std::string const text = shown(lm::text_of_ids(r.prompt) + written) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// --length counts tokens here.
void describe_pretrained(CLI::App& app, pretrained_options& o) {
  std::string const group = "models that others trained";
  auto& choice = o.choice;
  programs::add_number(app, "--temperature", choice.temperature, lm::from_to(0.0, 1e6),
                       "divides the logits; 0: the likeliest token")
      ->group(group);
  programs::add_number(app, "--top-k", choice.top_k, lm::at_least(0), "only the k likeliest tokens; 0: all")
      ->group(group);
  lm::interval<double> const shares{.least = 0, .most = 1, .low = lm::interval<double>::edge::excluded};
  programs::add_number(app, "--top-p", choice.top_p, shares, "only the likeliest tokens with this probability in all")
      ->group(group);
  programs::add_number(app, "--min-p", choice.min_p, lm::from_to(0.0, 1.0),
                       "only tokens with this share of the largest probability")
      ->group(group);
  programs::add_number(app, "--repetition-penalty", choice.repetition_penalty, lm::at_least(1.0),
                       "makes tokens that were there less likely")
      ->group(group);
  programs::add_number(app, "--seed", o.seed, lm::at_least<std::uint64_t>(0), "of the draws")->group(group);
  app.add_flag_callback("--chat", [&o] { o.kind = prompt_kind::chat; }, "the prompt is what the user says in a chat")
      ->group(group);
  app.add_option_function<std::string>(
         "--attention", [&o](std::string const& text) { o.attention = text; },
         "policies by name, without retraining: 'softmax; layer 7: entmax15'")->type_name("TEXT")->group(group);
  app.add_flag_callback("--figures", [&o] { o.figures = run_figures::printed; },
                        "print tokens, seed and seconds at the end, on stderr")->group(group);
}

void describe(CLI::App& app, options& o) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--model", o.model, "checkpoint folder; or a model that others trained: a folder of Hugging Face "
                                     "transformers, a GGUF file, a file of llama2.c, or smollm2")
      ->type_name("FOLDER")
      ->capture_default_str();
  app.add_option_function<std::string>(
      "--prompt", [&o](std::string const& text) { o.prompt = text; },
      "text to continue; default: a word problem, or nothing for a model that was trained on a text");
  programs::add_number<int>(app, "--length", lm::at_least(1),
                          "bytes to write; default: 24, or up to 64 for a model that was trained on a text", "",
                          [&o](int n) { o.length = n; });
  programs::add_number<int>(app, "--block", lm::at_least(1),
                          "diffusion models: bytes of a block, a divisor of --length; default: the largest one up to 8",
                          "", [&o](int n) { o.unmask.block = n; });
  programs::add_number(app, "--steps", o.unmask.steps, lm::at_least(0),
                     "diffusion models: steps in all, a multiple of the number of blocks; 0: one byte a step");
  app.add_flag_callback(
      "--show-steps", [&o] { o.show = steps_shown::all; }, "diffusion models: print every step");
  describe_pretrained(app, o.pretrained);
}

}  // namespace
}  // namespace basin::generate

int main(int argc, char** argv) {
  using namespace basin;
  generate::options o;
  CLI::App app{"Continues a prompt: byte after byte with an autoregressive model, by unmasking with a diffusion model. "
               "Example:\n"
               "  generate --prompt 'Ann had 13 figs,got 4,ate 2. Left?'"};
  generate::describe(app, o);
  return programs::run_program("generate", app, argc, argv, [&] { return generate::run(o, app), programs::exit_done; });
}
