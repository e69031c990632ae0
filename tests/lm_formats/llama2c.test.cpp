// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/llama2c.hpp

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/llama2c.hpp"
#include "bytes.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace lm = basin::lm;
using namespace basin_test;

namespace {

using sizes = std::array<std::int32_t, 7>;           // dim hidden layers heads kv_heads vocabulary context
constexpr sizes tiny{4, 6, 2, 2, 1, 5, 3};
constexpr int embedding = 5 * 4, norms = 2 * 4, attention = 2 * (16 + 8 + 8 + 16), feed_forward = 2 * 3 * 24;
constexpr int tables = 2 * 3 * 1, weights = embedding + 2 * norms + attention + feed_forward + 4;

/// Floats 0, 1, 2, ...: the value of a weight is its place in the file.
byte_text& put_floats(byte_text& to, int count) {
  for (int i = 0; i < count; ++i) to.put(static_cast<float>(i));
  return to;
}

byte_text version_0(sizes const& header, int floats) {
  byte_text file;
  for (auto const n : header) file.put(n);
  return put_floats(file, floats);
}

byte_text version_1(std::int32_t version, std::uint8_t tied, int floats) {
  auto file = byte_text{}.raw("24ka").put(version);
  for (auto const n : tiny) file.put(n);
  return put_floats(file.put(tied).align(256), floats);
}

lm::llama2c_file read(byte_text const& file) {
  kept_bytes const kept{file.bytes};
  return lm::read_llama2c(kept.span(), "x.bin", kept.owner);
}

std::string said_of(byte_text const& file) {
  try {
    read(file);
  } catch (basin::file_error const& why) {
    return why.what();
  }
  return "accepted";
}

/// The first value of a tensor, after its shape was checked.
float first_of(lm::llama2c_file const& file, std::string const& name, std::vector<basin::index_t> const& shape) {
  auto const& tensor = file.tensors.expect(name, shape);
  std::vector<float> values(static_cast<std::size_t>(*lm::value_count(shape)));
  lm::to_floats(tensor, values);
  REQUIRE(values.back() == values.front() + static_cast<float>(values.size() - 1));
  return values.front();
}

}  // namespace

TEST_CASE("a real file of llama2.c has the sizes and tensors of its model", "[unit][llama2c]") {
  auto const path = shared_data("stories260k/stories260K.bin");
  if (!path) return;
  auto const file = lm::open_llama2c(*path);
  auto const& c = file.config;
  REQUIRE(sizes{c.dim, c.hidden, c.layers, c.heads, c.kv_heads, c.vocabulary, c.context} ==
          sizes{64, 172, 5, 8, 4, 512, 512});
  REQUIRE(c.output == lm::llama2c_config::head::tied);
  std::uint64_t count = 0;
  for (auto const& tensor : file.tensors.tensors()) count += *lm::value_count(tensor.shape);
  REQUIRE(count == 260'032);
  REQUIRE(file.tensors.tensors().size() == 2 + 5 * 9);
  REQUIRE(file.tensors.at("layers.4.attention.wk.weight").shape == std::vector<basin::index_t>{32, 64});
  REQUIRE(file.tensors.at("layers.0.feed_forward.w2.weight").shape == std::vector<basin::index_t>{64, 172});
  auto const bytes = lm::read_file(*path);
  std::vector<float> norm(64), expected(64);
  lm::to_floats(file.tensors.at("norm.weight"), norm);
  std::memcpy(expected.data(), bytes.data() + 28 + 4 * (260'032 - 64), 256);
  REQUIRE(norm == expected);
}

TEST_CASE("the tensors of version 0 lie in its order", "[unit][llama2c]") {
  auto const file = read(version_0(tiny, weights + tables));
  REQUIRE(first_of(file, "tok_embeddings.weight", {5, 4}) == 0);
  REQUIRE(first_of(file, "layers.1.attention_norm.weight", {4}) == embedding + 4);
  REQUIRE(first_of(file, "layers.1.attention.wq.weight", {4, 4}) == embedding + norms + 16);
  REQUIRE(first_of(file, "layers.0.attention.wk.weight", {2, 4}) == embedding + norms + 32);
  REQUIRE(first_of(file, "layers.1.attention.wv.weight", {2, 4}) == embedding + norms + 32 + 16 + 8);
  REQUIRE(first_of(file, "layers.0.attention.wo.weight", {4, 4}) == embedding + norms + 32 + 16 + 16);
  REQUIRE(first_of(file, "layers.0.ffn_norm.weight", {4}) == embedding + norms + attention);
  REQUIRE(first_of(file, "layers.0.feed_forward.w1.weight", {6, 4}) == embedding + 2 * norms + attention);
  REQUIRE(first_of(file, "layers.0.feed_forward.w2.weight", {4, 6}) == embedding + 2 * norms + attention + 48);
  REQUIRE(first_of(file, "layers.1.feed_forward.w3.weight", {6, 4}) == weights - 4 - 24);
  REQUIRE(first_of(file, "norm.weight", {4}) == weights - 4);
  REQUIRE(file.tensors.find("output.weight") == nullptr);
  auto header = tiny;
  header[5] = -5;
  auto const untied = read(version_0(header, weights + tables + embedding));
  REQUIRE(untied.config.vocabulary == 5);
  REQUIRE(first_of(untied, "output.weight", {5, 4}) == weights + tables);
}

TEST_CASE("the tensors of version 1 lie in its order", "[unit][llama2c]") {
  auto const file = read(version_1(1, 0, weights + embedding));
  REQUIRE(file.config.output == lm::llama2c_config::head::untied);
  REQUIRE(first_of(file, "layers.0.attention_norm.weight", {4}) == 0);
  REQUIRE(first_of(file, "layers.1.ffn_norm.weight", {4}) == norms + 4);
  REQUIRE(first_of(file, "norm.weight", {4}) == 2 * norms);
  REQUIRE(first_of(file, "tok_embeddings.weight", {5, 4}) == 2 * norms + 4);
  REQUIRE(first_of(file, "layers.0.attention.wq.weight", {4, 4}) == 2 * norms + 4 + embedding);
  REQUIRE(first_of(file, "layers.0.feed_forward.w1.weight", {6, 4}) == weights - feed_forward);
  REQUIRE(first_of(file, "output.weight", {5, 4}) == weights);
  REQUIRE(read(version_1(1, 1, weights)).tensors.find("output.weight") == nullptr);
}

TEST_CASE("a file of llama2.c of another size or version is refused", "[unit][llama2c][hostile]") {
  REQUIRE(said_of(version_0(tiny, weights + tables)) == "accepted");
  REQUIRE_THAT(said_of(version_0(tiny, weights + tables + 1)),
               ContainsSubstring("x.bin is not a valid llama2.c file: its tensors end at byte"));
  REQUIRE_THAT(said_of(version_1(2, 1, weights)), ContainsSubstring("it has version 2; versions 0 and 1 are read"));
  REQUIRE_THAT(said_of(version_1(1, 2, weights)), ContainsSubstring("the byte for a tied head is 2"));
  for (auto const& whole : {version_0(tiny, weights + tables), version_1(1, 1, weights)})
    for (std::size_t cut = 0; cut < whole.bytes.size(); ++cut) {
      CAPTURE(cut);
      REQUIRE_THAT(said_of({whole.bytes.substr(0, cut)}), ContainsSubstring("is not a valid llama2.c file"));
    }
}

TEST_CASE("sizes of a llama2.c file that make no model are refused before anything of their size is allocated",
          "[unit][llama2c][hostile]") {
  auto const with = [](std::size_t place, std::int32_t value) {
    auto header = tiny;
    header[place] = value;
    return said_of(version_0(header, weights + tables));
  };
  REQUIRE_THAT(with(0, 0), ContainsSubstring("dim is 0; it must be a whole number from 1 to 65536"));
  REQUIRE_THAT(with(1, -1), ContainsSubstring("hidden is -1"));
  REQUIRE_THAT(with(2, 2'147'483'647), ContainsSubstring("layers is 2147483647"));
  REQUIRE_THAT(with(3, 3), ContainsSubstring("do not divide dim 4"));
  REQUIRE_THAT(with(3, 4), ContainsSubstring("into heads of an even size"));
  REQUIRE_THAT(with(4, 3), ContainsSubstring("kv_heads is 3"));
  REQUIRE_THAT(with(5, 0), ContainsSubstring("vocabulary is 0"));
  REQUIRE_THAT(with(5, -2'147'483'647), ContainsSubstring("vocabulary is 2147483647"));
  REQUIRE_THAT(with(5, -2'147'483'647 - 1), ContainsSubstring("vocabulary is"));
  REQUIRE_THAT(with(6, 1 << 24), ContainsSubstring("a table for rotary positions at byte"));
  REQUIRE_THAT(with(2, 1024), ContainsSubstring("claims"));
}
