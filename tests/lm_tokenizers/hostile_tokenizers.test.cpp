// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers what the readers of tokenizers/ refuse, by name: damaged files, and rules that are not known

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/tokenizers/gguf_vocabulary.hpp"
#include "basin/lm/tokenizers/llama2c.hpp"
#include "basin/lm/tokenizers/tiktoken.hpp"
#include "basin/lm/tokenizers/tokenizer_json.hpp"
#include "basin/lm/tokenizers/vocab_and_merges.hpp"
#include "fixture.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::ContainsSubstring;
using basin_test::small_file;
using nlohmann::json;

namespace {

struct damage {
  char const* what;
  std::function<void(json&)> change;
};

std::vector<damage> const broken{
    {"has no 'model'", [](json& j) { j.erase("model"); }},
    {"has no 'model.vocab'", [](json& j) { j["model"].erase("vocab"); }},
    {"'model.vocab' is [1]; it must be an object", [](json& j) { j["model"]["vocab"] = {1}; }},
    {"'model.merges' is 3; it must be an array", [](json& j) { j["model"]["merges"] = 3; }},
    {"the token 'a' has no whole id", [](json& j) { j["model"]["vocab"]["a"] = -1; }},
    {"the token 'a' has no whole id", [](json& j) { j["model"]["vocab"]["a"] = 1.5; }},
    {"ids have no holes", [](json& j) { j["model"]["vocab"]["a"] = 1 << 30; }},
    {"ids have no holes", [](json& j) { j["model"]["vocab"]["a"] = ~std::uint64_t{0}; }},
    {"no token has the id 10,", [](json& j) { j["model"]["vocab"].erase("+"); }},
    {"have the same id, 66", [](json& j) { j["model"]["vocab"]["a"] = 66; }},
    {"the token with the id 436 is empty", [](json& j) { j["model"]["vocab"][""] = 436; }},
    {"merge 123 has 'zzz', which is no token", [](json& j) { j["model"]["merges"].push_back({"zzz", "a"}); }},
    {"merge 123 has 'qq', which is no token", [](json& j) { j["model"]["merges"].push_back({"q", "q"}); }},
    {"merge 123 has '漢', which is no token", [](json& j) { j["model"]["merges"].push_back("漢 a"); }},
    {"merge 123 has an empty half", [](json& j) { j["model"]["merges"].push_back({"a", ""}); }},
    {"merge 123 is 'a b c'", [](json& j) { j["model"]["merges"].push_back("a b c"); }},
    {"merge 123 is [\"a\"]", [](json& j) { j["model"]["merges"].push_back(json::array({"a"})); }},
    {"is there twice", [](json& j) { j["model"]["merges"].push_back(j["model"]["merges"][0]); }},
    {"'model.ignore_merges' is 1; it must be true or false", [](json& j) { j["model"]["ignore_merges"] = 1; }},
    {"the added token '' with the id 379 has 0 bytes", [](json& j) { j["added_tokens"][0]["content"] = ""; }},
    {"has 2000 bytes", [](json& j) { j["added_tokens"][0]["content"] = std::string(2000, 'x'); }},
    {"'added_tokens[0].id' is -1", [](json& j) { j["added_tokens"][0]["id"] = -1; }},
    {"'added_tokens[0].id' is 9000000000", [](json& j) { j["added_tokens"][0]["id"] = 9000000000; }},
    {"'<|end|>' with the id 0 has the id of '!'", [](json& j) { j["added_tokens"][0]["id"] = 0; }},
    {"leaves ids without a token", [](json& j) { j["added_tokens"][0]["id"] = 2000000000; }},
    {"is listed twice", [](json& j) { j["added_tokens"].push_back(j["added_tokens"][0]); }},
    {"'added_tokens[0]' must be an object", [](json& j) { j["added_tokens"][0] = 5; }},
    {"is no regular expression: ", [](json& j) {
       j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
     }},
    {"combines character classes", [](json& j) {
       j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "[a&&b]"}}}, {"behavior", "Isolated"}};
     }},
    {"must be a template with the text in it", [](json& j) {
       j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", json::array()},
                              {"special_tokens", json::object()}};
     }},
    {"the special id 900 is outside the vocabulary of 380 tokens", [](json& j) {
       j["post_processor"] = json::parse(R"({"type": "TemplateProcessing",
           "single": [{"SpecialToken": {"id": "<|end|>"}}, {"Sequence": {"id": "A"}}],
           "special_tokens": {"<|end|>": {"ids": [900]}}})");
     }},
};

std::vector<damage> const unknown{
    {"the entry 'surprise'", [](json& j) { j["surprise"] = 1; }},
    {"the entry 'model.surprise'", [](json& j) { j["model"]["surprise"] = 1; }},
    {"the entry 'added_tokens[0].surprise'", [](json& j) { j["added_tokens"][0]["surprise"] = 1; }},
    {"'truncation' = ", [](json& j) { j["truncation"] = {{"max_length", 4}}; }},
    {"'padding' = ", [](json& j) { j["padding"] = {{"length", 4}}; }},
    {"'model.type' = \"Unigram\"", [](json& j) { j["model"]["type"] = "Unigram"; }},
    {"'model.dropout' = 0.1", [](json& j) { j["model"]["dropout"] = 0.1; }},
    {"'model.end_of_word_suffix' = \"</w>\"", [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }},
    {"'model.continuing_subword_prefix' = ", [](json& j) { j["model"]["continuing_subword_prefix"] = "##"; }},
    {"'normalizer.type' = \"NFKC\"", [](json& j) { j["normalizer"] = {{"type", "NFKC"}}; }},
    {"'normalizer.normalizers[0].type' = \"Lowercase\"", [](json& j) {
       j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}}}};
     }},
    {"'pre_tokenizer.type' = \"Metaspace\"", [](json& j) { j["pre_tokenizer"] = {{"type", "Metaspace"}}; }},
    {"without the type 'ByteLevel'", [](json& j) { j["pre_tokenizer"] = nullptr; }},
    {"without the type 'ByteLevel'", [](json& j) { j["pre_tokenizer"] = {{"type", "Digits"}}; }},
    {"'Digits' after 'ByteLevel'", [](json& j) {
       j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "ByteLevel"}}, {{"type", "Digits"}}}}};
     }},
    {"'pre_tokenizer.pretokenizers[1].add_prefix_space' = true after another step", [](json& j) {
       j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Digits"}},
           {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", false}}}}};
     }},
    {"'pre_tokenizer.behavior' = \"MergedWithNext\"", [](json& j) {
       j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithNext"}};
     }},
    {"'post_processor.type' = \"BertProcessing\"", [](json& j) { j["post_processor"] = {{"type", "BertProcessing"}}; }},
    {"'decoder.type' = \"WordPiece\"", [](json& j) { j["decoder"] = {{"type", "WordPiece"}}; }},
};

json damaged(damage const& one) {
  json file = small_file("gpt2");
  one.change(file);
  return file;
}

lm::llama2c_tokenizer read_scored(std::int32_t longest, std::vector<std::pair<std::string, float>> const& tokens,
                                  std::int32_t claimed = 0) {
  std::string file(4, ' ');
  std::memcpy(file.data(), &longest, 4);
  for (auto const& [text, score] : tokens) {
    auto const length = claimed ? claimed : static_cast<std::int32_t>(text.size());
    file.resize(file.size() + 8);
    std::memcpy(file.data() + file.size() - 8, &score, 4);
    std::memcpy(file.data() + file.size() - 4, &length, 4);
    file += text;
  }
  return lm::parse_llama2c(file, "t.bin");
}

std::vector<std::pair<std::string, float>> scored_tokens() {
  std::vector<std::pair<std::string, float>> tokens{{"<unk>", 0.f}, {"\n<s>\n", 0.f}, {"\n</s>\n", 0.f}};
  char name[8];
  for (unsigned b = 0; b < 256; ++b) {
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    tokens.push_back({name, 0.f});
  }
  for (char const* piece : {" ", "a", "b", "ab", " a"}) tokens.push_back({piece, -1.f});
  return tokens;
}

}  // namespace

TEST_CASE("a damaged tokenizer.json is refused with its reason", "[unit][tokenizer]") {
  for (damage const& one : broken) {
    CAPTURE(one.what);
    auto const text = damaged(one).dump();
    REQUIRE_THROWS_AS(lm::parse_tokenizer_json(text, "t.json"), basin::file_error);
    REQUIRE_THROWS_WITH(lm::parse_tokenizer_json(text, "t.json"),
                        ContainsSubstring("t.json is not a valid tokenizer.json: ") && ContainsSubstring(one.what));
  }
}

TEST_CASE("what a tokenizer.json asks for and is not known is refused by name", "[unit][tokenizer]") {
  for (damage const& one : unknown) {
    CAPTURE(one.what);
    auto const text = damaged(one).dump();
    REQUIRE_THROWS_AS(lm::parse_tokenizer_json(text, "t.json"), basin::unsupported_error);
    REQUIRE_THROWS_WITH(lm::parse_tokenizer_json(text, "t.json"),
                        ContainsSubstring("t.json asks for what is not supported: ") && ContainsSubstring(one.what));
  }
}

TEST_CASE("every beginning of a tokenizer.json is refused", "[unit][tokenizer]") {
  auto const text = small_file("gpt2").dump();
  for (std::size_t size = 0; size < text.size(); size += 97)
    REQUIRE_THROWS_AS(lm::parse_tokenizer_json(text.substr(0, size), "t.json"), basin::file_error);
  REQUIRE_THROWS_WITH(lm::parse_tokenizer_json(std::string(100000, '['), "t.json"),
                      ContainsSubstring("nested too deeply"));
  std::string twice = text;
  twice.insert(twice.find("\"!\":"), "\"!\":0,");
  REQUIRE_THROWS_WITH(lm::parse_tokenizer_json(twice, "t.json"), ContainsSubstring("names '!' twice"));
}

TEST_CASE("a byte without a token is refused by name, or becomes the unknown token", "[unit][tokenizer]") {
  auto file = small_file("unknown");
  REQUIRE(lm::parse_tokenizer_json(file.dump(), "t.json").encode("\x80") == std::vector<int>{0});
  file["model"]["unk_token"] = nullptr;
  auto const strict = lm::parse_tokenizer_json(file.dump(), "t.json");
  REQUIRE_THROWS_WITH(strict.encode("a\x80"), ContainsSubstring("no token for the byte 0x80"));
  file["model"]["byte_fallback"] = true;
  REQUIRE_THROWS_WITH(lm::parse_tokenizer_json(file.dump(), "t.json"),
                      ContainsSubstring("'model.byte_fallback' = true in a vocabulary with tokens for 216 of 256"));
}

TEST_CASE("a damaged pair of vocab.json and merges.txt is refused", "[unit][tokenizer]") {
  std::string const tokens = R"({"a": 0, "b": 1, "ab": 2})";
  auto const read = [&](std::string const& vocabulary, std::string const& merges) {
    return lm::parse_vocab_and_merges(vocabulary, merges, {.split = lm::pre_tokenizer_named("gpt-2")}, "v.json");
  };
  REQUIRE(read(tokens, "#version: 0.2\r\na b\r\n").encode("abba") == std::vector<int>{2, 1, 0});
  REQUIRE_THROWS_WITH(read("[]", ""), ContainsSubstring("its vocabulary is not an object"));
  REQUIRE_THROWS_WITH(read("{}", ""), ContainsSubstring("the vocabulary is empty"));
  REQUIRE_THROWS_WITH(read(tokens, "a b\na b\n"), ContainsSubstring("merge 1, 'a' and 'b', is there twice"));
  REQUIRE_THROWS_WITH(read(tokens, "ab ab\n"), ContainsSubstring("merge 0 has 'abab', which is no token"));
  REQUIRE_THROWS_WITH(read(tokens, "ab\n"), ContainsSubstring("merge 0 is 'ab'"));
  REQUIRE_THROWS_WITH(read(tokens, " b\n"), ContainsSubstring("merge 0 has an empty half"));
  REQUIRE_THROWS_WITH(lm::parse_tokenizer_config(R"({"added_tokens_decoder": {"x": {"content": "y"}}})", "c.json"),
                      ContainsSubstring("an added token has the id 'x'"));
}

TEST_CASE("a damaged GGUF vocabulary is refused", "[unit][tokenizer]") {
  lm::gguf_vocabulary const good{.model = "gpt2", .pre = "gpt-2", .tokens = {"a", "b", "ab", "<|end|>"},
                                 .merges = {"a b"}, .token_type = {1, 1, 1, 3}, .special = {.end = 3}};
  REQUIRE(lm::tokenizer_of_gguf(good, "g").encode("ab<|end|>", lm::special_tokens::recognise) ==
          std::vector<int>{2, 3});
  auto const refused = [&](auto change) {
    auto bad = good;
    change(bad);
    try {
      lm::tokenizer_of_gguf(bad, "g.gguf");
    } catch (basin::error const& why) {
      return std::string{why.what()};
    }
    return std::string{"nothing"};
  };
  CHECK_THAT(refused([](auto& g) { g.model = "llama"; }), ContainsSubstring("the tokenizer 'llama'"));
  CHECK_THAT(refused([](auto& g) { g.pre = "falcon"; }),
             ContainsSubstring("the pre-tokenizer 'falcon'") && ContainsSubstring("'smollm'"));
  CHECK_THAT(refused([](auto& g) { g.token_type.pop_back(); }), ContainsSubstring("4 tokens and 3 token types"));
  CHECK_THAT(refused([](auto& g) { g.token_type[0] = 6; }), ContainsSubstring("the token 'a' of the type 6"));
  CHECK_THAT(refused([](auto& g) { g.token_type[0] = -7; }), ContainsSubstring("the token 'a' of the type -7"));
  CHECK_THAT(refused([](auto& g) { g.tokens[1] = "a"; }), ContainsSubstring("the token 'a' is there twice"));
  CHECK_THAT(refused([](auto& g) { g.tokens[1] = ""; }), ContainsSubstring("the token with the id 1 is empty"));
  CHECK_THAT(refused([](auto& g) { g.merges[0] = "a c"; }), ContainsSubstring("merge 0 has 'c'"));
  CHECK_THAT(refused([](auto& g) { g.special.end = 4; }), ContainsSubstring("the special id 4 is outside"));
  CHECK_THAT(refused([](auto& g) { g.frame.before = {-1}; }), ContainsSubstring("the special id -1 is outside"));
  CHECK_THAT(refused([](auto& g) { g.tokens.clear(), g.merges.clear(), g.token_type.clear(); }),
             ContainsSubstring("is empty"));
}

TEST_CASE("a damaged tiktoken file is refused", "[unit][tokenizer]") {
  auto const read = [](std::string const& text) {
    return lm::parse_tiktoken(text, lm::pre_tokenizer_named("gpt-2"), {}, "t.model");
  };
  REQUIRE(read("YQ== 0\nYg== 1\nYWI= 2\n").encode("abba") == std::vector<int>{2, 1, 0});
  REQUIRE_THROWS_WITH(read("YQ==\n"), ContainsSubstring("line 1 is 'YQ=='"));
  REQUIRE_THROWS_WITH(read("YQ== 0\nYR== 1\n"), ContainsSubstring("line 2 is 'YR== 1'"));
  REQUIRE_THROWS_WITH(read("Y?== 0\n"), ContainsSubstring("line 1 is "));
  REQUIRE_THROWS_WITH(read("YQ 0\n"), ContainsSubstring("line 1 is "));
  REQUIRE_THROWS_WITH(read("YQ== -1\n"), ContainsSubstring("line 1 is "));
  REQUIRE_THROWS_WITH(read("YQ== 0 0\n"), ContainsSubstring("line 1 is "));
  REQUIRE_THROWS_WITH(read("YQ== 18446744073709551616\n"), ContainsSubstring("line 1 is "));
  REQUIRE_THROWS_WITH(read(" 0\n"), ContainsSubstring("line 1 has a token of 0 bytes"));
  REQUIRE_THROWS_WITH(read("YQ== 1\n"), ContainsSubstring("ranks have no holes"));
  REQUIRE_THROWS_WITH(read("YQ== 0\nYg== 0\n"), ContainsSubstring("the rank 0 is there twice"));
  REQUIRE_THROWS_WITH(read("YQ== 0\nYQ== 1\n"), ContainsSubstring("the token 'a' is there twice"));
  REQUIRE_THROWS_WITH(read(std::string(4000, 'Y') + " 0\n"), ContainsSubstring("has a token of 3000 bytes"));
  REQUIRE_THROWS_WITH(read(""), ContainsSubstring("is empty"));
}

TEST_CASE("a damaged tokenizer of llama2.c is refused", "[unit][tokenizer]") {
  auto const good = scored_tokens();
  auto const refused = [&](auto change) {
    auto bad = good;
    change(bad);
    try {
      read_scored(10, bad);
    } catch (basin::file_error const& why) {
      return std::string{why.what()};
    }
    return std::string{"nothing"};
  };
  REQUIRE(read_scored(10, good).encode("ab") == std::vector<int>{263, 261});  // equal scores: the leftmost pair
  CHECK_THAT(refused([](auto& t) { t.resize(259); }), ContainsSubstring("it has 259 tokens"));
  CHECK_THAT(refused([](auto& t) { t[10].first = "<0x08>"; }), ContainsSubstring("token 10 is '<0x08>', not '<0x07>'"));
  CHECK_THAT(refused([](auto& t) { t[261].first = "a"; }), ContainsSubstring("the token 'a' is there twice"));
  CHECK_THAT(refused([](auto& t) { t[259].first = "x"; }), ContainsSubstring("no token for the space"));
  CHECK_THAT(refused([](auto& t) { t[260].first = ""; }), ContainsSubstring("token 260 claims 0 bytes"));
  CHECK_THAT(refused([](auto& t) { t[260].first = "eleven long"; }), ContainsSubstring("token 260 claims 11 bytes"));
  CHECK_THAT(refused([](auto& t) { t[260].second = std::nanf(""); }), ContainsSubstring("which is not finite"));
  REQUIRE_THROWS_WITH(read_scored(1 << 30, good, 100 << 20), ContainsSubstring("token 0 claims 104857600 bytes; "));
  REQUIRE_THROWS_WITH(read_scored(10, good, -5), ContainsSubstring("token 0 claims -5 bytes"));
  REQUIRE_THROWS_WITH(lm::parse_llama2c("abc", "t.bin"), ContainsSubstring("it ends within its first number"));
  REQUIRE_THROWS_WITH(lm::parse_llama2c("\x05" + std::string(8, '\0'), "t.bin"),
                      ContainsSubstring("it ends within token 0"));
}

TEST_CASE("a pattern that PCRE2 cannot finish is an error, not a crash", "[unit][tokenizer]") {
  lm::pattern const endless{"(a+)+(b|\\z)x"};
  auto const search = [&] { endless.each_match(std::string(40, 'a') + "yx", [](std::size_t, std::size_t) {}); };
  REQUIRE_THROWS_WITH(search(), ContainsSubstring("cannot split this text: match limit exceeded"));
}
