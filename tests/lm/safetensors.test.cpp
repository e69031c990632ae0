// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/safetensors.hpp

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/safetensors.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::scratch;
using basin_test::ContainsSubstring;

namespace {

std::vector<std::byte> file_with(std::uint64_t length, std::string const& header, std::size_t data) {
  std::vector<std::byte> bytes(sizeof length + header.size() + data);
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + sizeof length, header.data(), header.size());
  return bytes;
}

lm::tensor_file parse(std::string const& header, std::size_t data) {
  return lm::tensor_file::parse(file_with(header.size(), header, data), "x.safetensors");
}

std::string entry(std::string const& shape, std::string const& offsets, std::string const& dtype = "\"F32\"") {
  return "{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

template <class T>
std::vector<T> values(lm::tensor_file const& file, std::string const& name,
                      std::vector<basin::index_t> const& shape) {
  std::vector<T> out(file.expect<T>(name, shape).size / sizeof(T));
  file.copy<T>(name, shape, out);
  return out;
}

}  // namespace

TEST_CASE("a file of the format's own Python package is read to the bit", "[unit][safetensors]") {
  auto const file = lm::tensor_file::read(BASIN_TEST_FIXTURES "/independent.safetensors");
  REQUIRE(file.tensors().size() == 8);
  auto const f32 = values<float>(file, "f32", {2, 3});
  REQUIRE(f32[0] == 0.5f);
  REQUIRE(f32[1] == -1.25f);
  REQUIRE(f32[2] == 3e-8f);
  REQUIRE(std::isnan(f32[3]));
  REQUIRE(f32[4] == std::numeric_limits<float>::infinity());
  REQUIRE((f32[5] == 0 && std::signbit(f32[5])));
  REQUIRE(values<double>(file, "f64", {2}) == std::vector<double>{1.0 / 3, -1e300});
  REQUIRE(values<std::int64_t>(file, "i64", {2}) == std::vector<std::int64_t>{-1, std::int64_t{1} << 62});
  REQUIRE(values<std::uint64_t>(file, "u64", {1}) == std::vector<std::uint64_t>{~std::uint64_t{0}});
  REQUIRE(values<std::uint8_t>(file, "u8", {3, 1}) == std::vector<std::uint8_t>{0, 127, 255});
  REQUIRE(values<float>(file, "scalar", {}) == std::vector<float>{7});
  REQUIRE(values<float>(file, "empty", {0, 4}).empty());
  REQUIRE(values<float>(file, "größe", {1}) == std::vector<float>{2});
  REQUIRE(file.metadata() ==
          lm::text_map{{"made by", "safetensors for Python"}, {"note", "quotes \" and ümlauts"}});
}

TEST_CASE("what is written is laid out as the format says", "[unit][safetensors]") {
  scratch const folder;
  std::vector<std::uint8_t> const small{1, 2, 3};
  std::vector<float> const wide{1.5f, -2.0f};
  lm::write_safetensors(
      folder / "a.safetensors",
      {lm::tensor_of<std::uint8_t>("small", {3}, small), lm::tensor_of<float>("wide", {2, 1}, wide)},
      {{"step", "7"}});
  std::string const text = basin_test::text_of(folder / "a.safetensors");
  std::string header = R"({"__metadata__":{"step":"7"},"wide":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                       R"("small":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string const length{static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0};
  std::string const data{'\x00', '\x00', '\xC0', '\x3F', '\x00', '\x00', '\x00', '\xC0', 1, 2, 3};
  REQUIRE(text == length + header + data);
  auto const file = lm::tensor_file::read(folder / "a.safetensors");
  REQUIRE(values<float>(file, "wide", {2, 1}) == wide);
  REQUIRE(values<std::uint8_t>(file, "small", {3}) == small);
  REQUIRE(file.metadata() == lm::text_map{{"step", "7"}});
}

TEST_CASE("a file cut short anywhere is refused", "[unit][safetensors][hostile]") {
  auto const whole = lm::read_file(BASIN_TEST_FIXTURES "/independent.safetensors");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    std::vector<std::byte> const part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    REQUIRE_THROWS_AS(lm::tensor_file::parse(part, "x"), basin::file_error);
  }
  auto longer = whole;
  longer.emplace_back();
  REQUIRE_THROWS_WITH(lm::tensor_file::parse(longer, "x"),
                      ContainsSubstring("its tensors end at byte 75 but its data at 76"));
}

TEST_CASE("a header length beyond the file or the limit is refused before it is used", "[unit][safetensors][hostile]") {
  auto const with_length = [](std::uint64_t length) {
    return lm::tensor_file::parse(file_with(length, "{}", 0), "x");
  };
  REQUIRE_THROWS_WITH(with_length(std::uint64_t{1} << 63),
                      ContainsSubstring("9223372036854775808 bytes; the format allows 100000000"));
  REQUIRE_THROWS_WITH(with_length(~std::uint64_t{0}), ContainsSubstring("the format allows 100000000"));
  REQUIRE_THROWS_WITH(with_length(100'000'001), ContainsSubstring("the format allows 100000000"));
  REQUIRE_THROWS_WITH(with_length(100'000'000), ContainsSubstring("the file has 2 after the length"));
  REQUIRE_THROWS_WITH(with_length(3), ContainsSubstring("the file has 2 after the length"));
  REQUIRE_THROWS_WITH(with_length(0), ContainsSubstring("does not begin with '{'"));
  REQUIRE(with_length(2).tensors().empty());
}

TEST_CASE("offsets that lie are refused", "[unit][safetensors][hostile]") {
  auto const one = [](std::string const& shape, std::string const& offsets) {
    return parse("{\"a\":" + entry(shape, offsets) + "}", 8);
  };
  REQUIRE(one("[2]", "[0,8]").tensors().size() == 1);
  REQUIRE_THROWS_WITH(one("[3]", "[0,12]"), ContainsSubstring("claims bytes 0 to 12 of 8"));
  REQUIRE_THROWS_WITH(one("[2]", "[8,0]"), ContainsSubstring("claims bytes 8 to 0"));
  REQUIRE_THROWS_WITH(one("[2]", "[9223372036854775800,9223372036854775807]"), ContainsSubstring("claims bytes"));
  REQUIRE_THROWS_WITH(one("[2]", "[0,18446744073709551615]"), ContainsSubstring("whole numbers from 0 to 2^63 - 1"));
  REQUIRE_THROWS_WITH(one("[2]", "[-8,8]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[2]", "[0,8.0]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[2]", "[0,\"8\"]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[2]", "[8]"), ContainsSubstring("two data_offsets"));
  REQUIRE_THROWS_WITH(one("[2]", "8"), ContainsSubstring("data_offsets 8"));
  REQUIRE_THROWS_WITH(one("[1]", "[0,8]"), ContainsSubstring("shape [1] and type F32 cannot fill its 8 bytes"));
  REQUIRE_THROWS_WITH(one("[1]", "[0,4]"), ContainsSubstring("its tensors end at byte 4 but its data at 8"));
  REQUIRE_THROWS_WITH(one("[1]", "[4,8]"), ContainsSubstring("with a gap after"));
}

TEST_CASE("tensors that overlap, or leave holes between them, are refused", "[unit][safetensors][hostile]") {
  auto const two = [](std::string const& first, std::string const& second) {
    return parse("{\"a\":" + entry("[2]", first) + ",\"b\":" + entry("[2]", second) + "}", 16);
  };
  REQUIRE(two("[8,16]", "[0,8]").tensors().front().name == "b");
  REQUIRE_THROWS_WITH(two("[0,8]", "[0,8]"), ContainsSubstring("inside"));
  REQUIRE_THROWS_WITH(two("[0,8]", "[4,12]"), ContainsSubstring("tensor 'b' begins at byte 4, inside"));
  auto const hole = "{\"a\":" + entry("[1]", "[0,4]") + ",\"b\":" + entry("[2]", "[8,16]") + "}";
  REQUIRE_THROWS_WITH(parse(hole, 16), ContainsSubstring("with a gap after"));
  auto const nothing = "{\"a\":" + entry("[2]", "[0,8]") + ",\"z\":" + entry("[0]", "[4,4]") + "}";
  REQUIRE_THROWS_WITH(parse(nothing, 8), ContainsSubstring("inside"));
}

TEST_CASE("shapes that are negative, too large or no numbers are refused", "[unit][safetensors][hostile]") {
  auto const one = [](std::string const& shape) { return parse("{\"a\":" + entry(shape, "[0,8]") + "}", 8); };
  REQUIRE_THROWS_WITH(one("[-2]"), ContainsSubstring("shape [-2]"));
  REQUIRE_THROWS_WITH(one("[-1,-2]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[2.5]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[true]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("{}"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("null"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[9223372036854775808]"), ContainsSubstring("whole numbers"));
  REQUIRE_THROWS_WITH(one("[4611686018427387906]"),
                      ContainsSubstring("cannot fill"));  // times 4 bytes is 8, modulo 2^64
  REQUIRE_THROWS_WITH(one("[4294967296,4294967296]"), ContainsSubstring("cannot fill"));       // 2^64
  REQUIRE_THROWS_WITH(one("[9223372036854775807,3,2]"), ContainsSubstring("cannot fill"));
  REQUIRE_THROWS_WITH(one("[9223372036854775807,0]"), ContainsSubstring("cannot fill"));       // no values, 8 bytes
}

TEST_CASE("entries that are not what the format describes are refused", "[unit][safetensors][hostile]") {
  std::string const good = entry("[2]", "[0,8]");
  REQUIRE_THROWS_WITH(parse("{\"a\":" + entry("[2]", "[0,8]", "\"F31\"") + "}", 8),
                      ContainsSubstring("unknown dtype \"F31\""));
  REQUIRE_THROWS_WITH(parse("{\"a\":" + entry("[2]", "[0,8]", "7") + "}", 8), ContainsSubstring("unknown dtype 7"));
  REQUIRE_THROWS_WITH(parse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8),
                      ContainsSubstring("must have dtype, shape and data_offsets"));
  REQUIRE_THROWS_WITH(parse("{\"a\":[1,2]}", 8), ContainsSubstring("must have dtype"));
  REQUIRE_THROWS_WITH(parse("{\"a\":" + good + ",\"a\":" + good + "}", 8), ContainsSubstring("names 'a' twice"));
  REQUIRE_THROWS_WITH(parse("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8),
                      ContainsSubstring("twice"));
  REQUIRE_THROWS_WITH(parse("{\"__metadata__\":{\"n\":1},\"a\":" + good + "}", 8),
                      ContainsSubstring("is not a string"));
  REQUIRE_THROWS_WITH(parse("{\"__metadata__\":[],\"a\":" + good + "}", 8), ContainsSubstring("not an object"));
}

TEST_CASE("a header that is not JSON in UTF-8 is refused", "[unit][safetensors][hostile]") {
  REQUIRE_THROWS_AS(parse("{\"a\":", 0), basin::file_error);
  REQUIRE_THROWS_AS(parse("{}{}", 0), basin::file_error);
  REQUIRE_THROWS_AS(parse("{\"\xff\xfe\":" + entry("[2]", "[0,8]") + "}", 8), basin::file_error);
  REQUIRE_THROWS_WITH(parse("[]", 0), ContainsSubstring("does not begin with '{'"));
  REQUIRE_THROWS_WITH(parse(" {}", 0), ContainsSubstring("does not begin with '{'"));
  REQUIRE_THROWS_WITH(parse("{\"a\":" + std::string(1'000'000, '[') + "}", 0), ContainsSubstring("nested too deeply"));
  REQUIRE_THROWS_WITH(parse("{\"a\":", 0), ContainsSubstring("x.safetensors is not a valid safetensors file") &&
                                               ContainsSubstring("no JSON in UTF-8") &&
                                               !ContainsSubstring("json.exception"));
}

TEST_CASE("a tensor that is missing, of another type or of another shape is named", "[unit][safetensors]") {
  auto const file = lm::tensor_file::read(BASIN_TEST_FIXTURES "/independent.safetensors");
  std::vector<basin::index_t> const shape{2, 3}, other{3, 2};
  REQUIRE_THROWS_WITH(file.expect<float>("missing", shape), ContainsSubstring("has no tensor 'missing'"));
  REQUIRE_THROWS_WITH(file.expect<double>("f32", shape), ContainsSubstring("has type F32; it must be F64"));
  REQUIRE_THROWS_WITH(file.expect<float>("f32", other), ContainsSubstring("has shape [2, 3]; this model needs [3, 2]"));
  std::vector<float> room(5, 9.0f);
  REQUIRE_THROWS_AS(file.copy<float>("f32", shape, room), basin::shape_error);
  REQUIRE(room == std::vector<float>(5, 9.0f));
}

TEST_CASE("what cannot be written is refused and the old file stays", "[unit][safetensors]") {
  scratch const folder;
  std::vector<float> const two{1, 2};
  auto const path = folder / "a.safetensors";
  lm::write_safetensors(path, {lm::tensor_of<float>("old", {2}, two)});
  auto const write = [&](std::string const& a, std::string const& b, std::vector<basin::index_t> shape) {
    lm::write_safetensors(path, {lm::tensor_of<float>(a, shape, two), lm::tensor_of<float>(b, {2}, two)});
  };
  REQUIRE_THROWS_WITH(write("a", "a", {2}), ContainsSubstring("two tensors are called 'a'"));
  REQUIRE_THROWS_WITH(write("__metadata__", "a", {2}), ContainsSubstring("'__metadata__'"));
  REQUIRE_THROWS_WITH(write("a", "b", {3}), ContainsSubstring("needs 12"));
  REQUIRE_THROWS_WITH(write("\xff", "b", {2}), ContainsSubstring("not UTF-8"));
  REQUIRE(lm::tensor_file::read(path).find("old") != nullptr);
  REQUIRE(basin_test::files_in(folder.path) == 1);
}
