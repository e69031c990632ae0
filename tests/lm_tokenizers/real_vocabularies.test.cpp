// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers tokenizers/gguf_vocabulary.hpp, vocab_and_merges.hpp, tiktoken.hpp and llama2c.hpp with the vocabularies of
// real models: the expectations of shared data, and what other implementations make of long texts

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "basin/lm/tokenizers/tiktoken.hpp"
#include "basin/lm/tokenizers/token_stream.hpp"
#include "fixture.hpp"
#include "real_vocabularies.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace lm = basin::lm;
using namespace basin_test;

namespace {

/// The same vocabulary and merges as a tiktoken file: GPT-2's ids are in the order of its merges.
std::string as_tiktoken(lm::byte_level_bpe const& words) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::ostringstream file;
  for (int id = 0; id < words.size() - 1; ++id) {
    std::string const bytes{words.bytes_of(id)};
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      unsigned group = 0;
      for (std::size_t k = i; k < i + 3; ++k)
        group = group << 8 | (k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0u);
      for (std::size_t k = 0; k < 4; ++k)
        file << (i + k > bytes.size() ? '=' : digits[group >> (18 - 6 * k) & 63]);
    }
    file << ' ' << id << '\n';
  }
  return file.str();
}

void compare_with_texts(lm::byte_level_bpe const& words, std::string const& name) {
  for (auto const& [file, expected] : fixture("real_vocabularies.json")["files"].items()) {
    auto const path = shared_data(file);
    if (!path) continue;
    auto const text = text_of_path(*path);
    auto const ids = words.encode(text);
    CAPTURE(name, file);
    CHECK(ids.size() == expected[name]["ids"].get<std::size_t>());
    CHECK(fingerprint_of(ids) == expected[name]["fingerprint"].get<std::string>());
    CHECK(lm::decode(lm::tokenizer{words}, ids) == text);
  }
}

void compare_with_strings(lm::byte_level_bpe const& words, std::string const& name) {
  auto const path = shared_data("tokenizers/gpt2/ggml-vocab-gpt-2.gguf.inp");
  if (!path) return;
  auto const strings = marked_strings(text_of_path(*path));
  auto const& expected = fixture("real_vocabularies.json")["strings"][name];
  REQUIRE(strings.size() == expected.size());
  for (std::size_t i = 0; i < strings.size(); ++i) {
    CAPTURE(name, i, strings[i]);
    CHECK(words.encode(strings[i]) == expected[i].get<std::vector<int>>());
  }
}

}  // namespace

TEST_CASE("GPT-2 gives the expected ids of every string of its test file", "[unit][tokenizer]") {
  auto const words = real_gpt2();
  auto const inputs = shared_data("tokenizers/gpt2/ggml-vocab-gpt-2.gguf.inp");
  auto const outputs = shared_data("tokenizers/gpt2/ggml-vocab-gpt-2.gguf.out");
  if (!words || !inputs || !outputs) return;
  REQUIRE(words->size() == 50257);
  REQUIRE(words->special().end == 50256);
  auto const strings = marked_strings(text_of_path(*inputs));
  REQUIRE(strings.size() == 46);
  std::istringstream lines{text_of_path(*outputs)};
  for (std::string const& text : strings) {
    std::string line;
    std::getline(lines, line);
    std::istringstream numbers{line};
    std::vector<int> expected;
    for (int id = 0; numbers >> id;) expected.push_back(id);
    CAPTURE(text);
    CHECK(words->encode(text) == expected);
    CHECK(lm::decode(lm::tokenizer{*words}, expected) == text);
  }
}

TEST_CASE("real vocabularies make the same ids of long texts as Hugging Face tokenizers", "[unit][tokenizer]") {
  if (auto const words = real_gpt2()) compare_with_texts(*words, "gpt2");
  if (auto const words = real_qwen2()) {
    compare_with_texts(*words, "qwen2.5");
    compare_with_strings(*words, "qwen2.5");
  }
}

TEST_CASE("SmolLM2 makes the ids of transformers, with each digit alone", "[unit][tokenizer]") {
  auto const words = real_smollm2();
  if (!words) return;
  REQUIRE(words->size() == 49152);
  compare_with_texts(*words, "smollm2");
  compare_with_strings(*words, "smollm2");
  auto const golden = shared_data("../reference/smollm2_golden.json");
  auto const text = shared_data("text/wikitext2-valid.txt");
  if (!golden || !text) return;
  auto const expected = nlohmann::json::parse(text_of_path(*golden));
  for (auto const& entry : expected["a_tokens"]) {
    auto const string = entry["text"].get<std::string>();
    CAPTURE(string);
    auto const ids = entry["ids"].get<std::vector<int>>();
    CHECK(words->encode(string) == ids);
    CHECK(lm::decode(lm::tokenizer{*words}, ids) == string);
  }
  auto const ids = words->encode(text_of_path(*text).substr(0, 120000));
  auto const first = expected["text_first_512_ids"].get<std::vector<int>>();
  CHECK(std::vector<int>(ids.begin(), ids.begin() + 512) == first);
  CHECK(words->encode("<|im_start|>", lm::special_tokens::recognise) == std::vector<int>{1});
  CHECK(words->encode("<|im_start|>").size() > 1);
}

TEST_CASE("a tiktoken file of the same vocabulary makes the ids of tiktoken", "[unit][tokenizer]") {
  auto const words = real_gpt2();
  if (!words) return;
  auto const by_rank = lm::parse_tiktoken(as_tiktoken(*words), lm::pre_tokenizer_named("llama-3"),
                                          {{.id = 50256, .content = "<|endoftext|>"}}, "gpt2.tiktoken");
  REQUIRE(by_rank.size() == words->size());
  compare_with_texts(by_rank, "gpt2 ranks, llama3 pattern");
  auto const ids = by_rank.encode("a<|endoftext|>", lm::special_tokens::recognise);
  CHECK(ids == std::vector<int>{64, 50256});
}

TEST_CASE("Llama 3's special tokens have their published ids", "[unit][tokenizer]") {
  auto const tokens = lm::llama3_special_tokens();
  auto const id_of = [&](std::string const& content) {
    auto const found = std::ranges::find(tokens, content, &lm::added_token::content);
    return found == tokens.end() ? -1 : found->id;
  };
  REQUIRE(tokens.size() == 256);
  CHECK(id_of("<|begin_of_text|>") == 128000);
  CHECK(id_of("<|end_of_text|>") == 128001);
  CHECK(id_of("<|start_header_id|>") == 128006);
  CHECK(id_of("<|end_header_id|>") == 128007);
  CHECK(id_of("<|eot_id|>") == 128009);
  CHECK(id_of("<|reserved_special_token_250|>") == 128255);
}

TEST_CASE("the tokenizer of stories260K follows llama2.c", "[unit][tokenizer]") {
  auto const words = real_stories();
  if (!words) return;
  lm::tokenizer const any{*words};
  REQUIRE(any.size() == 512);
  REQUIRE(any.framed(any.encode("Once upon a time")) == std::vector<int>{1, 403, 407, 261, 378});
  auto const& expected = fixture("real_vocabularies.json")["stories260k"];
  for (std::size_t i = 0; i < expected["texts"].size(); ++i) {
    auto const text = expected["texts"][i].get<std::string>();
    CAPTURE(text);
    auto const ids = any.encode(text);
    CHECK(ids == expected["ids"][i].get<std::vector<int>>());
    CHECK(lm::decode(any, ids) == text);
  }
  auto const path = shared_data("text/tinyshakespeare.txt");
  if (!path) return;
  auto const text = text_of_path(*path).substr(0, expected["bytes"].get<std::size_t>());
  CHECK(fingerprint_of(any.encode(text)) == expected["fingerprint"].get<std::string>());
}

TEST_CASE("only the first token of a text loses the space that llama2.c puts in front", "[unit][tokenizer]") {
  auto const words = real_stories();
  if (!words) return;
  lm::tokenizer const any{*words};
  int const upon = any.id_of(" upon");
  REQUIRE(lm::decode(any, std::vector<int>{1, upon, upon}, lm::special_text::omitted) == "upon upon");
  lm::token_stream more{any, lm::special_text::written, lm::text_place::continuation};
  REQUIRE(more.push(upon) == " upon");
}

TEST_CASE("ids that stories260K generates are the known text", "[unit][tokenizer]") {
  auto const words = real_stories();
  if (!words) return;
  std::vector<int> const ids{403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338,
                             401, 396, 267, 337, 410, 408, 419, 292, 411, 322, 265, 282, 295, 433, 426, 385,
                             328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388, 426, 338, 391, 266, 267,
                             337, 335, 312, 432, 398, 312, 286, 267, 414, 270, 333, 415, 426, 13,  438, 310};
  REQUIRE(lm::decode(lm::tokenizer{*words}, ids) ==
          "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she "
          "saw a big, red ball. She wanted to play with it, but it was too high.\nLily");
}
