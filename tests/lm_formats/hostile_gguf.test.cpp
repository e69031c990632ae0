// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/gguf.hpp with damaged and hostile files

#include <sys/resource.h>

#include <cstdint>
#include <string>

#include "basin/core/error.hpp"
#include "gguf_text.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using namespace basin_test;

namespace {

constexpr std::uint64_t huge = std::uint64_t{1} << 63;

long peak_kilobytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

/// A file with one entry "k" of the metadata, whose type and value follow.
byte_text with_value(std::uint32_t type) {
  auto file = gguf_begin(0, 1);
  file.text("k").put(type);
  return file;
}

}  // namespace

TEST_CASE("a GGUF file cut short anywhere is refused", "[unit][gguf][hostile]") {
  auto const whole = text_of(BASIN_TEST_FIXTURES "/types.gguf");
  std::size_t const end_of_last = 5464;                            // what follows pads the file to its alignment
  REQUIRE(said_of_gguf({whole.substr(0, end_of_last)}) == "accepted");
  for (std::size_t cut = 0; cut < end_of_last; ++cut) {
    CAPTURE(cut);
    REQUIRE_THAT(said_of_gguf({whole.substr(0, cut)}), ContainsSubstring("x.gguf is not a valid GGUF file: "));
  }
}

TEST_CASE("a GGUF file of another kind, order of bytes or version is refused", "[unit][gguf][hostile]") {
  REQUIRE(said_of_gguf(gguf_begin(0, 0)) == "accepted");
  REQUIRE_THAT(said_of_gguf(byte_text{}.raw("GGML").zeros(40)), ContainsSubstring("does not begin with GGUF"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, 0, 0x03000000)), ContainsSubstring("it is big-endian"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, 0, 1)), ContainsSubstring("it has version 1; versions 2 and 3 are read"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, 0, 4)), ContainsSubstring("it has version 4"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, 0, 0)), ContainsSubstring("it has version 0"));
}

TEST_CASE("counts and lengths beyond the GGUF file are refused before they are used", "[unit][gguf][hostile]") {
  long const before = peak_kilobytes();
  REQUIRE_THAT(said_of_gguf(gguf_begin(huge, 0)), ContainsSubstring("the number of tensors is 9223372036854775808"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, ~std::uint64_t{0})), ContainsSubstring("the number of entries"));
  auto name = gguf_begin(0, 1);
  REQUIRE_THAT(said_of_gguf(name.put(huge).zeros(100)), ContainsSubstring("claims 9223372036854775808 bytes"));
  auto text = with_value(gguf_string);
  REQUIRE_THAT(said_of_gguf(text.put<std::uint64_t>(100'000'000).zeros(50)),
               ContainsSubstring("a text of the metadata at byte 45 claims 100000000 bytes; the file has 50 more"));
  for (std::uint32_t const type : {0u, gguf_bool, gguf_string, gguf_list, 12u}) {
    CAPTURE(type);
    auto list = with_value(gguf_list);
    REQUIRE_THAT(said_of_gguf(list.put(type).put<std::uint64_t>(100'000'000).zeros(50)),
                 ContainsSubstring("the length of a list is 100000000"));
  }
  auto tensor = gguf_begin(1, 0);
  REQUIRE_THAT(said_of_gguf(tensor.put(huge).zeros(100)), ContainsSubstring("the name of a tensor at byte 32 claims"));
  REQUIRE(peak_kilobytes() - before < 64 * 1024);
}

TEST_CASE("metadata that are not what the format describes are refused", "[unit][gguf][hostile]") {
  REQUIRE_THAT(said_of_gguf(with_value(13).zeros(8)), ContainsSubstring("metadata 'k' has the unknown type 13"));
  REQUIRE_THAT(said_of_gguf(with_value(gguf_bool).raw("\2")), ContainsSubstring("'k' has the truth value 2"));
  auto list = with_value(gguf_list);
  REQUIRE_THAT(said_of_gguf(list.put(99u).put<std::uint64_t>(0)), ContainsSubstring("the unknown type 99"));
  auto twice = gguf_begin(0, 2);
  for (int i = 0; i < 2; ++i) twice.text("k").put(gguf_u32).put(1u);
  REQUIRE_THAT(said_of_gguf(twice), ContainsSubstring("its metadata names 'k' twice"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, 1).text("").put(gguf_u32).put(1u)), ContainsSubstring("a name of 0 bytes"));
  REQUIRE_THAT(said_of_gguf(gguf_begin(0, 1).text(std::string(65536, 'k')).put(gguf_u32).put(1u)),
               ContainsSubstring("a name of 65536 bytes"));
  auto named = gguf_begin(0, 2);
  for (int i = 0; i < 2; ++i) named.text("\x1b[31m").put(gguf_u32).put(1u);
  REQUIRE_THAT(said_of_gguf(named), ContainsSubstring("'\\x1b[31m'"));
}

TEST_CASE("lists in lists are read four deep and refused beyond", "[unit][gguf][hostile]") {
  auto const nested = [](int depth) {
    auto file = with_value(gguf_list);
    for (int i = 1; i < depth; ++i) file.put(gguf_list).put<std::uint64_t>(1);
    return file.put(gguf_u32).put<std::uint64_t>(0);
  };
  REQUIRE(said_of_gguf(nested(4)) == "accepted");
  REQUIRE_THAT(said_of_gguf(nested(5)), ContainsSubstring("'k' is nested too deeply"));
  REQUIRE_THAT(said_of_gguf(nested(100'000)), ContainsSubstring("'k' is nested too deeply"));
}

TEST_CASE("GGUF shapes and types that make no tensor are refused", "[unit][gguf][hostile]") {
  REQUIRE(said_of_gguf(gguf_of({2}, gguf_f32, 0, 8)) == "accepted");
  REQUIRE(said_of_gguf(gguf_of({}, gguf_f32, 0, 4)) == "accepted");
  REQUIRE(said_of_gguf(gguf_of({0, std::uint64_t{1} << 62}, gguf_f32, 0, 0)) == "accepted");
  REQUIRE(said_of_gguf(gguf_of({32}, gguf_q4_1, 0, 20)) == "accepted");
  REQUIRE_THAT(said_of_gguf(gguf_of({1, 1, 1, 1, 2}, gguf_f32, 0, 8)), ContainsSubstring("has 5 axes"));
  REQUIRE_THAT(said_of_gguf(gguf_of({huge}, gguf_f32, 0, 8)), ContainsSubstring("the extent 9223372036854775808"));
  std::uint64_t const root = std::uint64_t{1} << 32;
  REQUIRE_THAT(said_of_gguf(gguf_of({root, root}, gguf_f32, 0, 8)), ContainsSubstring("64 bits do not count"));
  REQUIRE_THAT(said_of_gguf(gguf_of({(std::uint64_t{1} << 62) + 2}, gguf_f32, 0, 8)),     // times 4 bytes: 8
               ContainsSubstring("64 bits do not count"));
  REQUIRE_THAT(said_of_gguf(gguf_of({33}, gguf_q4_1, 0, 40)), ContainsSubstring("does not fill in whole blocks"));
  REQUIRE_THAT(said_of_gguf(gguf_of({}, gguf_q4_1, 0, 20)), ContainsSubstring("does not fill in whole blocks"));
  REQUIRE_THAT(said_of_gguf(gguf_of({2}, 4, 0, 8)), ContainsSubstring("tensor 'a' has the unknown type 4; types that "
                                                                      "are read are F32"));
  REQUIRE_THAT(said_of_gguf(gguf_of({2}, ~0u, 0, 8)), ContainsSubstring("the unknown type 4294967295"));
}

TEST_CASE("GGUF tensors outside the file, off their alignment, or over each other are refused",
          "[unit][gguf][hostile]") {
  REQUIRE_THAT(said_of_gguf(gguf_of({3}, gguf_f32, 0, 8)), ContainsSubstring("claims 12 bytes from byte 0"));
  REQUIRE_THAT(said_of_gguf(gguf_of({2}, gguf_f32, 32, 8)), ContainsSubstring("claims 8 bytes from byte 32"));
  REQUIRE_THAT(said_of_gguf(gguf_of({2}, gguf_f32, huge, 8)), ContainsSubstring("from byte 9223372036854775808"));
  REQUIRE_THAT(said_of_gguf(gguf_of({2}, gguf_f32, 4, 12)),
               ContainsSubstring("begins at byte 4 of the data, no multiple of the alignment 32"));
  auto const two = [](std::string const& first, std::string const& second, std::uint64_t offset) {
    auto file = gguf_begin(2, 0);
    put_tensor(file, first, {10}, gguf_f32, 0);
    put_tensor(file, second, {2}, gguf_f32, offset);
    return said_of_gguf(file.align(32).zeros(96));
  };
  REQUIRE(two("a", "b", 64) == "accepted");
  REQUIRE_THAT(two("a", "b", 0), ContainsSubstring("share bytes"));
  REQUIRE_THAT(two("a", "b", 32), ContainsSubstring("tensors 'a' and 'b' share bytes"));
  REQUIRE_THAT(two("a", "a", 64), ContainsSubstring("two tensors are called 'a'"));
}

TEST_CASE("an alignment that is no multiple of 8 is refused, and another is followed", "[unit][gguf][hostile]") {
  auto const with_alignment = [](std::uint32_t type, std::uint32_t alignment, std::size_t begin) {
    auto file = gguf_begin(1, 1);
    file.text("general.alignment").put(type).put(alignment);
    put_tensor(file, "a", {1}, gguf_f32, 0);
    return file.align(begin).put(1.5f);
  };
  auto const file = gguf_from(with_alignment(gguf_u32, 1024, 1024));
  float value = 0;
  lm::to_floats(file.tensors.at("a"), {&value, 1});
  REQUIRE(value == 1.5f);
  for (std::uint32_t const wrong : {0u, 4u, 33u}) {
    CAPTURE(wrong);
    REQUIRE_THAT(said_of_gguf(with_alignment(gguf_u32, wrong, 32)), ContainsSubstring("multiple of 8"));
  }
  REQUIRE_THAT(said_of_gguf(with_alignment(5, 32, 32)), ContainsSubstring("no UINT32"));
  REQUIRE_THAT(said_of_gguf(with_alignment(gguf_u32, 4294967288u, 32)), ContainsSubstring("claims 4 bytes"));
}
