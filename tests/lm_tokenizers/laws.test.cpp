// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers tokenizers/merger.hpp, merge_table.hpp, byte_alphabet.hpp, pattern.hpp, byte_level_bpe.hpp, token_stream.hpp
// and byte_tokenizer.hpp by their laws

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "basin/lm/tokenizers/byte_alphabet.hpp"
#include "basin/lm/tokenizers/merger.hpp"
#include "basin/lm/tokenizers/pattern.hpp"
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

/// Bytes of all kinds: random ones, pieces of the fixture's texts, and characters that are cut off.
std::string random_text(unsigned seed) {
  std::mt19937 random{seed};
  auto const& texts = fixture("small.json")["texts"];
  std::string text;
  for (unsigned parts = random() % 12; parts > 0; --parts) {
    auto const piece = texts[random() % texts.size()].get<std::string>();
    std::size_t const from = piece.empty() ? 0 : random() % piece.size();
    switch (random() % 3) {
      case 0: text += piece; break;
      case 1: text += piece.substr(from, random() % 9); break;  // may begin and end within a character
      default:
        for (unsigned n = random() % 9; n > 0; --n) text += static_cast<char>(random());
    }
  }
  return text;
}

using naive_table = std::map<std::pair<int, int>, lm::merge>;

/// The definition: look at every pair, merge the best, start again.
std::vector<int> merged_by_definition(std::vector<int> ids, naive_table const& table) {
  for (;;) {
    std::size_t best = ids.size();
    lm::merge what;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      auto const found = table.find({ids[i], ids[i + 1]});
      if (found == table.end() || (best < ids.size() && found->second.rank >= what.rank)) continue;
      best = i;
      what = found->second;
    }
    if (best == ids.size()) return ids;
    ids[best] = what.id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

bool is_utf8(std::string_view text) { return lm::detail::valid_length(text) == text.size(); }

}  // namespace

TEST_CASE("merging is merging the best pair until there is none", "[property][tokenizer]") {
  auto const seed = GENERATE(range(0u, 60u));
  CAPTURE(seed);
  std::mt19937 random{seed};
  int const letters = 2 + static_cast<int>(random() % 3);
  naive_table naive;
  lm::merge_table table;
  for (std::uint32_t rank = 0; rank < 20; ++rank) {
    int const known = letters + static_cast<int>(rank);
    std::pair<int, int> const pair{random() % known, random() % known};
    // Pairs of equal ranks, as scores have them, are merged from left to right.
    lm::merge const what{rank / (1 + seed % 2), known};
    REQUIRE(table.add(pair.first, pair.second, what) == naive.try_emplace(pair, what).second);
  }
  REQUIRE(table.size() == naive.size());
  lm::merger merge{table};
  for (std::size_t const size : {0, 1, 2, 3, 17, 200}) {
    std::vector<int> ids(size);
    for (int& id : ids) id = static_cast<int>(random() % static_cast<unsigned>(letters));
    auto const expected = merged_by_definition(ids, naive);
    merge(ids);
    REQUIRE(ids == expected);
  }
}

TEST_CASE("the byte alphabet has a character for each byte and is read back", "[unit][tokenizer]") {
  std::string every;
  for (int b = 0; b < 256; ++b) every += static_cast<char>(b);
  REQUIRE(lm::bytes_of_spelling(lm::spelling_of(every)) == every);
  REQUIRE(lm::spelling_of(" \n") == "ĠĊ");
  REQUIRE_FALSE(lm::bytes_of_spelling(" "));
  REQUIRE_FALSE(lm::bytes_of_spelling("漢"));
  REQUIRE_FALSE(lm::bytes_of_spelling("\xc4"));
  REQUIRE_FALSE(lm::bytes_of_spelling("\xff"));
  REQUIRE_FALSE(lm::bytes_of_spelling("ń"));
}

TEST_CASE("white space in patterns is Unicode's, inside of character classes and outside", "[unit][tokenizer]") {
  auto const matches = [](std::string_view regex, std::string_view text) {
    std::vector<std::string> found;
    lm::pattern{regex}.each_match(
        text, [&](std::size_t begin, std::size_t end) { found.emplace_back(text.substr(begin, end - begin)); });
    return found;
  };
  using texts = std::vector<std::string>;
  std::string_view const text = "a \u0085\u00a0\u2028b\u180e]";  // U+180E is white space for PCRE2 alone
  std::string const space = " \u0085\u00a0\u2028", mark = "\u180e";
  CHECK(matches(R"(\s+)", text) == texts{space});
  CHECK(matches(R"(\S+)", text) == texts{"a", "b" + mark + "]"});
  CHECK(matches(R"([\s]+)", text) == texts{space});
  CHECK(matches(R"([^\s]+)", text) == texts{"a", "b" + mark + "]"});
  CHECK(matches(R"([]\s]+)", text) == texts{space, "]"});
  CHECK(matches(R"([^]\s]+)", text) == texts{"a", "b" + mark});
  CHECK(matches(R"([[:alpha:]\s]+)", text) == texts{"a" + space + "b"});
  CHECK(matches(R"(\[\s|\\s)", "[ \\s") == texts{"[ ", "\\s"});
  for (auto const* const bad : {"[a[b]]", "[a&&b]", "[[:alpha", "a\\", "(", "\\C"})
    CHECK_THROWS_AS(lm::pattern{bad}, basin::value_error);
}

TEST_CASE("any bytes come back from their ids, valid UTF-8 or not", "[property][tokenizer]") {
  std::string const name = GENERATE("gpt2", "llama3", "smollm", "digits");
  lm::tokenizer const words = read_small(name);
  for (unsigned seed = 0; seed < 200; ++seed) {
    auto const text = random_text(seed);
    CAPTURE(name, seed, text);
    for (auto const treat : {lm::special_tokens::as_text, lm::special_tokens::recognise})
      REQUIRE(lm::decode(words, words.encode(text, treat)) == text);
    auto const ids = words.encode(text, lm::special_tokens::as_text);
    REQUIRE(std::ranges::none_of(ids, [&](int id) { return words.role_of(id) == lm::token_role::special; }));
  }
}

TEST_CASE("with normalisation, the composed text comes back and other bytes stay", "[property][tokenizer]") {
  lm::tokenizer const words = read_small("qwen2");
  for (unsigned seed = 0; seed < 200; ++seed) {
    auto const text = random_text(seed);
    std::string storage;
    CAPTURE(seed, text);
    REQUIRE(lm::decode(words, words.encode(text)) == lm::normalised(text, lm::normal_form::nfc, storage));
  }
  REQUIRE(lm::decode(words, words.encode("\xfe" "cafe\u0301\xff")) == "\xfe" "caf\u00e9\xff");
}

TEST_CASE("a stream gives the same text as all ids at once, in whole characters", "[property][tokenizer]") {
  lm::tokenizer const words = read_small("gpt2");
  for (unsigned seed = 0; seed < 100; ++seed) {
    auto const text = random_text(seed);
    CAPTURE(seed, text);
    lm::token_stream stream{words};
    std::string all;
    for (int const id : words.encode(text)) {
      auto const part = stream.push(id);
      if (is_utf8(text)) REQUIRE(is_utf8(part));
      all += part;
    }
    if (is_utf8(text)) REQUIRE(stream.finish().empty());
    else all += stream.finish();
    REQUIRE(all == text);
  }
}

TEST_CASE("a stream holds back the beginning of a character and nothing else", "[unit][tokenizer]") {
  lm::tokenizer const words = read_small("gpt2");
  lm::token_stream stream{words};
  auto const push = [&](std::string_view bytes) { return stream.push(words.id_of(bytes)); };
  REQUIRE(push("\xf0").empty());
  REQUIRE(push("\x9f").empty());
  REQUIRE(push("\x99").empty());
  REQUIRE(push("\x82") == "🙂");
  REQUIRE(push("\xc3").empty());
  REQUIRE(push("a") == "\xc3""a");  // what cannot become a character is not held back
  REQUIRE(push("\xff") == "\xff");
  REQUIRE(push("\xe0").empty());
  REQUIRE(push("\x80") == "\xe0\x80");  // no character begins so
  REQUIRE(push("\xe2").empty());
  REQUIRE(stream.finish() == "\xe2");
  REQUIRE(stream.finish().empty());
  REQUIRE(stream.push(words.size()) == "\xef\xbf\xbd");
}

TEST_CASE("special tokens are left out of a text where that is asked for", "[unit][tokenizer]") {
  lm::tokenizer const words = read_small("gpt2");
  auto const ids = words.encode("one<|end|>two", lm::special_tokens::recognise);
  REQUIRE(lm::decode(words, ids) == "one<|end|>two");
  REQUIRE(lm::decode(words, ids, lm::special_text::omitted) == "onetwo");
}

TEST_CASE("a whole piece of ordinary text is no special token, though it has the same bytes", "[unit][tokenizer]") {
  auto file = small_file("llama3");
  int const zebra = file["model"]["vocab"]["Ġzebra"];
  lm::tokenizer const ordinary = lm::parse_tokenizer_json(file.dump(), "t.json");
  REQUIRE(ordinary.encode(" zebra") == std::vector<int>{zebra});
  file["added_tokens"].push_back({{"id", zebra}, {"content", " zebra"}, {"special", true}});
  lm::tokenizer const special = lm::parse_tokenizer_json(file.dump(), "t.json");
  REQUIRE(special.encode(" zebra", lm::special_tokens::recognise) == std::vector<int>{zebra});
  auto const ids = special.encode(" zebra");
  REQUIRE(ids.size() > 1);
  REQUIRE(lm::decode(special, ids) == " zebra");
}

TEST_CASE("a megabyte of one letter is encoded in one piece", "[unit][tokenizer]") {
  lm::tokenizer const words = read_small("gpt2");
  std::size_t const size = 1000000;
  auto const ids = words.encode(std::string(size, 'a'));
  REQUIRE(lm::decode(words, ids).size() == size);
  REQUIRE(ids.size() < size / 2);
}

TEST_CASE("bytes are a tokenizer like any other", "[unit][tokenizer]") {
  lm::tokenizer const words = lm::byte_tokenizer{};
  REQUIRE(words.size() == 258);
  REQUIRE(words.encode("a\xff") == std::vector<int>{97, 255});
  REQUIRE(words.framed(words.encode("a")) == std::vector<int>{257, 97});
  REQUIRE(words.special() == lm::special_ids{.begin = 257, .mask = 256});
  REQUIRE(lm::decode(words, std::vector<int>{97, lm::mask_id, 98}) == "a_b");
  REQUIRE(lm::decode(words, std::vector<int>{97, lm::mask_id, 98}, lm::special_text::omitted) == "ab");
  REQUIRE(words.id_of("a") == 97);
  REQUIRE_THROWS_WITH(words.id_of("ab"), basin_test::ContainsSubstring("no token 'ab'"));
  REQUIRE_THROWS_WITH(words.bytes_of(258), basin_test::ContainsSubstring("the id 258 is outside"));
  REQUIRE_THROWS_WITH(words.bytes_of(-1), basin_test::ContainsSubstring("the id -1 is outside"));
}
