// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers tokenizers/tokenizer_folder.hpp and the frame of tokenizer_json.hpp

#include <filesystem>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/tokenizers/token_stream.hpp"
#include "basin/lm/tokenizers/tokenizer_folder.hpp"
#include "fixture.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace lm = basin::lm;
using basin_test::ContainsSubstring;
using basin_test::scratch;
using basin_test::small_file;

namespace {

void write(std::filesystem::path const& path, std::string const& text) {
  lm::write_atomically(path, lm::bytes_of(text));
}

}  // namespace

TEST_CASE("a folder's tokenizer.json is read, with the roles of its tokenizer_config.json", "[unit][tokenizer]") {
  scratch const folder;
  write(folder / "tokenizer.json", small_file("llama3").dump());
  write(folder / "tokenizer_config.json",
        R"({"bos_token": {"content": "<|end|>", "lstrip": false}, "eos_token": "<|end|>", "pad_token": null,
            "unk_token": "not a token", "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1e30})");
  auto const words = lm::read_tokenizer(folder.path);
  int const end = words.id_of("<|end|>");
  REQUIRE(words.special() == lm::special_ids{.begin = end, .end = end});
  REQUIRE(words.frame() == lm::sequence_frame{.before = {end}});
  auto const ids = words.encode("the cat");
  REQUIRE(words.framed(ids).size() == ids.size() + 1);
  REQUIRE(lm::decode(words, words.framed(ids)) == "<|end|>the cat");
}

TEST_CASE("a folder with vocab.json and merges.txt is read by its tokenizer's class", "[unit][tokenizer]") {
  scratch const folder;
  write(folder / "vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
  write(folder / "merges.txt", "a b\n");
  REQUIRE_THROWS_WITH(lm::read_tokenizer(folder.path), ContainsSubstring("has a vocab.json for ''"));
  write(folder / "tokenizer_config.json",
        R"({"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|end|>",
            "added_tokens_decoder": {"3": {"content": "<|end|>", "special": true}}})");
  auto const words = lm::read_tokenizer(folder.path);
  REQUIRE(words.special().end == 3);
  REQUIRE(words.encode("ab<|end|>", lm::special_tokens::recognise) == std::vector<int>{2, 3});
  write(folder / "tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer"})");
  REQUIRE_THROWS_WITH(lm::read_tokenizer(folder.path), ContainsSubstring("a 'GPT2Tokenizer' of 3 tokens"));
}

TEST_CASE("a folder without a tokenizer is refused, and one of llama2.c is read", "[unit][tokenizer]") {
  scratch const folder;
  REQUIRE_THROWS_AS(lm::read_tokenizer(folder.path), basin::file_error);
  REQUIRE_THROWS_WITH(lm::read_tokenizer(folder.path), ContainsSubstring("has no tokenizer"));
  auto const file = basin_test::shared_data("stories260k/tok512.bin");
  if (!file) return;
  std::filesystem::copy_file(*file, folder / "tokenizer.bin");
  REQUIRE(lm::read_tokenizer(folder.path).size() == 512);
}

TEST_CASE("Qwen's folder gives its special tokens by role", "[unit][tokenizer]") {
  auto const file = basin_test::shared_data("tokenizers/qwen2.5/vocab.json");
  if (!file) return;
  auto const words = lm::read_tokenizer(file->parent_path());
  REQUIRE(words.size() == 151669);
  REQUIRE(words.special() == lm::special_ids{.end = 151645, .pad = 151643});
  REQUIRE(words.encode("<tool_call>") == std::vector<int>{151657});  // added, and not special
  REQUIRE(words.encode("<|im_end|>").size() > 1);
}
