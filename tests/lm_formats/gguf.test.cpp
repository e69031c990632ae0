// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/gguf.hpp, gguf_metadata.hpp and detail/dequantise.hpp against files of the format's own package

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/gguf.hpp"
#include "basin/lm/io/safetensors.hpp"
#include "gguf_text.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace lm = basin::lm;
using namespace basin_test;

namespace {

std::string const fixture = BASIN_TEST_FIXTURES "/types.gguf";

std::vector<float> floats_of(lm::stored_tensor const& tensor) {
  std::vector<float> values(static_cast<std::size_t>(*lm::value_count(tensor.shape)));
  lm::to_floats(tensor, values);
  return values;
}

/// Equal to the bit, except that any NaN equals any other.
void require_same(std::vector<float> const& found, std::vector<float> const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i, found[i], expected[i]);
    bool const same = std::memcmp(&found[i], &expected[i], sizeof found[i]) == 0;
    REQUIRE((same || (std::isnan(found[i]) && std::isnan(expected[i]))));
  }
}

}  // namespace

TEST_CASE("tensors of every type have the values of the format's own package, to the bit", "[unit][gguf]") {
  auto const file = lm::open_gguf(fixture);
  auto const expected = lm::tensor_file::read(BASIN_TEST_FIXTURES "/types.safetensors");
  std::size_t compared = 0;
  for (auto const& tensor : file.tensors.tensors()) {
    CAPTURE(tensor.name);
    if (expected.find(tensor.name) == nullptr) continue;
    require_same(floats_of(tensor), expected.values<float>(tensor.name, tensor.shape));
    ++compared;
  }
  REQUIRE(compared == expected.tensors().size());
  REQUIRE(compared == 12);
}

TEST_CASE("shapes have the outermost extent first, and rows are read alone", "[unit][gguf]") {
  auto const file = lm::open_gguf(fixture);
  REQUIRE(file.tensors.at("integers").shape == std::vector<basin::index_t>{1, 2, 3});
  for (std::string const name : {"plain.f64", "plain.bf16", "blocks.q4_1", "blocks.q8_0", "blocks.q6_k"}) {
    CAPTURE(name);
    auto const& tensor = file.tensors.at(name);
    auto const whole = floats_of(tensor);
    auto const width = static_cast<std::size_t>(tensor.shape[1]);
    std::vector<float> rows(whole.size() - width), row(width);
    lm::rows_to_floats(tensor, 1, tensor.shape[0] - 1, rows);
    require_same(rows, {whole.begin() + static_cast<std::ptrdiff_t>(width), whole.end()});
    lm::row_to_floats(tensor, 1, row);
    require_same(row, {rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(width)});
  }
}

TEST_CASE("types that are not read as floats are listed, and refused by name", "[unit][gguf]") {
  auto const file = lm::open_gguf(fixture);
  std::vector<float> room(256, 7.0f);
  REQUIRE(file.tensors.at("listed.iq4_nl").type == lm::storage_type::iq4_nl);
  REQUIRE_THROWS_WITH(lm::to_floats(file.tensors.at("listed.q3_k"), room),
                      ContainsSubstring("tensor 'listed.q3_k' is stored as Q3_K, which is not read; convert it to one "
                                        "of F32, F16, BF16, F64, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K"));
  REQUIRE_THROWS_AS(lm::to_floats(file.tensors.at("integers"), std::span{room}.first(6)), basin::unsupported_error);
  REQUIRE(room == std::vector<float>(256, 7.0f));
}

TEST_CASE("metadata of every type are read", "[unit][gguf]") {
  auto const metadata = lm::open_gguf(fixture).metadata;
  auto const whole = [&]<class T>(std::string const& name, T) { return metadata.number(name, lm::any_number<T>()); };
  REQUIRE(whole("test.uint8", std::uint8_t{}) == 255);
  REQUIRE(whole("test.int8", std::int8_t{}) == -128);
  REQUIRE(whole("test.uint16", std::uint16_t{}) == 65535);
  REQUIRE(whole("test.int16", std::int16_t{}) == -32768);
  REQUIRE(whole("test.uint32", std::uint32_t{}) == 4294967295u);
  REQUIRE(whole("test.int32", std::int32_t{}) == std::numeric_limits<std::int32_t>::min());
  REQUIRE(whole("test.uint64", std::uint64_t{}) == ~std::uint64_t{0});
  REQUIRE(whole("test.int64", std::int64_t{}) == std::numeric_limits<std::int64_t>::min());
  REQUIRE(whole("test.float32", float{}) == 0.1f);
  REQUIRE(whole("test.float64", double{}) == 1e300);
  REQUIRE(metadata.flag("test.bool"));
  REQUIRE(metadata.text("test.string") == "größe \n");
  REQUIRE(metadata.list<std::string>("test.texts") == std::vector<std::string>{"a", "", "ß"});
  REQUIRE(metadata.list<float>("test.floats") == std::vector<float>{0.5f, -1.5f});
  REQUIRE(metadata.numbers<std::int64_t>("test.numbers") == std::vector<std::int64_t>{3, -1, 2});
  REQUIRE(metadata.list<bool>("test.flags") == std::vector<bool>{true, false});
  auto const& nested = metadata.list<lm::gguf_array>("test.nested");
  REQUIRE(nested.size() == 2);
  REQUIRE(std::get<std::vector<std::int32_t>>(nested[0].values) == std::vector<std::int32_t>{1, 2});
  REQUIRE(nested[1].size() == 1);
  REQUIRE(metadata.text("general.architecture") == "test");
  REQUIRE(metadata.find("missing") == nullptr);
  REQUIRE_FALSE(metadata.has("missing"));
}

TEST_CASE("an entry of the metadata that breaks its rule is named with its value and the rule", "[unit][gguf]") {
  auto const metadata = lm::open_gguf(fixture).metadata;
  auto const positive = lm::at_least(1);
  REQUIRE_THROWS_WITH(metadata.number("missing", positive),
                      ContainsSubstring("types.gguf: its metadata has no 'missing'; it must be a whole number of at "
                                        "least 1: convert the model again"));
  REQUIRE_THROWS_WITH(metadata.number("test.int8", positive), ContainsSubstring("has 'test.int8' = -128; it must be"));
  REQUIRE_THROWS_WITH(metadata.number("test.uint64", lm::any_number<std::int64_t>()),
                      ContainsSubstring("= 18446744073709551615"));
  REQUIRE_THROWS_WITH(metadata.number("test.float32", positive), ContainsSubstring("= 0.1"));
  REQUIRE_THROWS_WITH(metadata.number("test.bool", positive), ContainsSubstring("= true"));
  REQUIRE_THROWS_WITH(metadata.number("test.float64", lm::any_number<float>()), ContainsSubstring("= 1e+300"));
  REQUIRE_THROWS_WITH(metadata.text("test.uint8"), ContainsSubstring("'test.uint8' = 255; it must be a text"));
  REQUIRE_THROWS_WITH(metadata.flag("test.uint8"), ContainsSubstring("it must be true or false"));
  REQUIRE_THROWS_WITH(metadata.list<std::string>("test.floats"),
                      ContainsSubstring("'test.floats' = a list of 2 FLOAT32; it must be a list of STRING"));
  REQUIRE_THROWS_WITH(metadata.numbers<int>("test.texts"), ContainsSubstring("a list, each a whole number"));
  REQUIRE_THROWS_WITH(metadata.numbers("test.numbers", lm::at_least(0)), ContainsSubstring("a list of 3 INT32"));
  REQUIRE_THROWS_WITH(metadata.numbers<int>("test.flags"), ContainsSubstring("a list of 2 BOOL"));
  REQUIRE(metadata.number("test.uint8", lm::any_number<double>()) == 255.0);
}

TEST_CASE("version 2 is read as version 3", "[unit][gguf]") {
  auto text = text_of(fixture);
  text[4] = 2;
  auto const second = gguf_from({text}), third = lm::open_gguf(fixture);
  REQUIRE(second.tensors.tensors().size() == third.tensors.tensors().size());
  REQUIRE(floats_of(second.tensors.at("blocks.q4_k")) == floats_of(third.tensors.at("blocks.q4_k")));
  REQUIRE(second.metadata.values().size() == third.metadata.values().size());
}

TEST_CASE("the vocabulary of GPT-2 is read from a real file without tensors", "[unit][gguf]") {
  auto const path = shared_data("tokenizers/gpt2/ggml-vocab-gpt-2.gguf");
  if (!path) return;
  auto const file = lm::open_gguf(*path);
  REQUIRE(file.tensors.tensors().empty());
  REQUIRE(file.metadata.values().size() == 16);
  REQUIRE(file.metadata.text("tokenizer.ggml.pre") == "gpt-2");
  REQUIRE(file.metadata.list<std::string>("tokenizer.ggml.tokens").size() == 50257);
  REQUIRE(file.metadata.list<std::string>("tokenizer.ggml.tokens")[50256] == "<|endoftext|>");
  REQUIRE(file.metadata.list<std::string>("tokenizer.ggml.merges").size() == 50000);
  REQUIRE(file.metadata.number("tokenizer.ggml.bos_token_id", lm::at_least(0)) == 50256);
}
