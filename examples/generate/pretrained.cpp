// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text by models that others trained.

#include "generate/pretrained.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/lm/policies/model_policies.hpp"
#include "basin/lm/pretrained/gguf.hpp"
#include "basin/lm/pretrained/llama2c.hpp"
#include "basin/lm/pretrained/load.hpp"
#include "basin/lm/tokenizers/chat_template.hpp"
#include "basin/lm/tokenizers/gguf_tokenizer.hpp"
#include "basin/lm/tokenizers/token_stream.hpp"
#include "basin/lm/tokenizers/tokenizer_folder.hpp"
#include "programs/normalizers_by_name.hpp"

namespace basin::generate {
namespace {

using model_type = lm::decoder<lm::attention_by_name>;

std::filesystem::path const smollm2 = BASIN_MODELS "/SmolLM2-135M-Instruct.Q4_1.gguf";

/// A model with all that it takes to run it.
struct opened {
  lm::pretrained_model of;
  lm::tensor_store tensors;
  lm::tokenizer words;
};

opened open(std::filesystem::path const& path) {
  if (path == "smollm2") {
    if (!std::filesystem::exists(smollm2))
      throw file_error{
          message("basin: ", smollm2.string(), " is not there; examples/get_smollm2.sh fetches it (93 MB)")};
    return open(smollm2);
  }
  if (path.extension() == ".gguf") {
    auto const file = lm::open_gguf(path);
    return {lm::gguf_model(file), file.tensors, lm::read_gguf_tokenizer(file.metadata, path.string())};
  }
  if (path.extension() == ".bin") {
    auto const file = lm::open_llama2c(path);
    auto words = path.parent_path() / "tokenizer.bin";
    if (!std::filesystem::exists(words)) words = path.parent_path() / "tok512.bin";
    return {lm::llama2c_model(file.config), file.tensors, lm::tokenizer(lm::read_llama2c(words))};
  }
  auto files = lm::open_pretrained(path);
  return {std::move(files.model), files.tensors, lm::read_tokenizer(path)};
}

std::vector<int> prompt_ids(pretrained_options const& o, lm::tokenizer const& words) {
  if (o.kind == prompt_kind::text) return words.framed(words.encode(o.prompt));
  auto const& format = words.find("<|start_header_id|>") ? lm::chats::llama3 : lm::chats::smollm2;
  lm::chat_message const said[] = {{"user", o.prompt}};
  return lm::encode_chat(words, lm::render(format, said, lm::reply::begun));
}

/// Throws value_error for what this program cannot do with a model.
void require_text(pretrained_options const& o, opened const& model, std::size_t prompt) {
  if (model.of.sees == lm::attention_span::full)
    throw value_error{message("basin: the model in ", lm::quotation(o.model.string()), " is of the architecture ",
                              model.of.architecture, ", which fills in masked tokens; generate continues text with ",
                              "autoregressive models alone")};
  auto const context = static_cast<std::size_t>(model.of.shape.sizes.context);
  if (prompt == 0)
    throw value_error{message("basin: --prompt is empty, and the model in ", lm::quotation(o.model.string()),
                              " has no token to begin with; give it a text")};
  if (prompt + static_cast<std::size_t>(o.length) > context)
    throw value_error{message("basin: --prompt has ", prompt, " tokens and --length is ", o.length,
                              ", but the model in ", lm::quotation(o.model.string()), " has a context of ", context,
                              "; together they must be at most that")};
}

model_type load(pretrained_options const& o, opened& from, std::size_t tokens) {
  auto& shape = from.of.shape;
  shape.sizes.context = static_cast<int>(tokens), shape.attention.context = static_cast<index_t>(tokens);
  lm::model_policies const policies(programs::normalizers_by_name(), o.attention.value_or("softmax"), shape.layers,
                                    static_cast<int>(shape.attention.heads), lm::usual_mask(from.of));
  model_type model(shape, std::nullopt, policies);
  lm::read_weights(model, from.of, from.tensors);
  return model;
}

/// Writes tokens until `length`, or one that ends a text; the number of them.
int write(model_type& model, opened const& from, std::vector<int> ids, pretrained_options const& o) {
  philox random(o.seed);
  auto cache = model.make_cache();
  lm::token_stream text(from.words, lm::special_text::omitted, lm::text_place::continuation);
  auto const last = [&](std::span<float const> logits) {
    return logits.last(static_cast<std::size_t>(model.vocabulary()));
  };
  auto logits = last(model.extend(cache, ids));
  auto const& ends = from.of.end_tokens;
  for (int n = 0; n < o.length; ++n) {
    int const next = lm::choose(logits, ids, o.choice, random);
    if (std::ranges::find(ends, next) != ends.end()) return n;
    ids.push_back(next);
    std::string const shown = text.push(next);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);
    if (n + 1 < o.length) logits = last(model.extend(cache, std::span(&next, 1)));
  }
  return o.length;
}

}  // namespace

bool is_pretrained(std::filesystem::path const& model) {
  if (model == "smollm2" || model.extension() == ".gguf" || model.extension() == ".bin") return true;
  std::ifstream in(model / "config.json");
  auto const config = in ? nlohmann::json::parse(in, nullptr, false) : nlohmann::json{};
  return config.is_object() && config.contains("model_type");
}

void continue_text(pretrained_options const& o) {
  o.choice.validate();
  auto from = open(o.model);
  auto const ids = prompt_ids(o, from.words);
  require_text(o, from, ids.size());
  auto model = load(o, from, ids.size() + static_cast<std::size_t>(o.length));
  auto const start = std::chrono::steady_clock::now();
  if (o.kind == prompt_kind::text) std::fwrite(o.prompt.data(), 1, o.prompt.size(), stdout);
  int const written = write(model, from, ids, o);
  std::fputs("\n", stdout);
  double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (o.figures == run_figures::printed)
    std::fprintf(stderr, "generate: %zu tokens read, %d written, seed %llu, %.2f s, %.1f tokens a second\n", ids.size(),
                 written, static_cast<unsigned long long>(o.seed), seconds, written / seconds);
}

}  // namespace basin::generate
