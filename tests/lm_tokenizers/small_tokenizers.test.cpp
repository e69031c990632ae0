// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers tokenizers/tokenizer_json.hpp, pre_tokenizer.hpp, normal_form.hpp, added_tokens.hpp and byte_level_bpe.hpp
// against Hugging Face tokenizers

#include <string>
#include <vector>

#include "basin/lm/tokenizers/token_stream.hpp"
#include "basin/lm/tokenizers/tokenizer.hpp"
#include "basin/lm/tokenizers/tokenizer_json.hpp"
#include "fixture.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::fixture;
using basin_test::small_file;

namespace {

lm::byte_level_bpe read_small(std::string const& name) {
  return lm::parse_tokenizer_json(small_file(name).dump(), name + ".json");
}

}  // namespace

TEST_CASE("small tokenizers make of every text what Hugging Face tokenizers make of it", "[unit][tokenizer]") {
  std::string const name =
      GENERATE("gpt2", "prefix", "llama3", "qwen2", "smollm", "digits", "removed", "flags", "unknown");
  CAPTURE(name);
  auto const words = read_small(name);
  auto const& expected = fixture("small.json")["tokenizers"][name];
  auto const& texts = fixture("small.json")["texts"];
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto const text = texts[i].get<std::string>();
    CAPTURE(i, text);
    CHECK(words.encode(text, lm::special_tokens::recognise) == expected["recognised"][i].get<std::vector<int>>());
    CHECK(words.encode(text, lm::special_tokens::as_text) == expected["as_text"][i].get<std::vector<int>>());
  }
}
