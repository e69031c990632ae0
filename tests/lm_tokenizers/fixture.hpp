// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The fixtures that fixtures/make_tokenizers.py makes, and shared inputs as texts.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace basin_test {

inline std::string text_of_path(std::filesystem::path const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// A fixture by name; "small.json" has small tokenizers, "real_vocabularies.json" what real ones make of texts.
inline nlohmann::json const& fixture(std::string const& name) {
  static std::map<std::string, nlohmann::json> read;
  auto const [found, is_new] = read.try_emplace(name);
  if (is_new) found->second = nlohmann::json::parse(text_of_path(std::filesystem::path{BASIN_TEST_FIXTURES} / name));
  return found->second;
}

/// The tokenizer.json of a small tokenizer, which a test may change.
inline nlohmann::json small_file(std::string const& name) { return fixture("small.json")["tokenizers"][name]["file"]; }

/// FNV-1a, 64 bits, of ids as little-endian int32, in hexadecimal digits.
inline std::string fingerprint_of(std::vector<int> const& ids) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (int const id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (static_cast<std::uint32_t>(id) >> shift & 0xff)) * 0x100000001b3;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

/// The test strings of a file in the form of llama.cpp's vocabulary tests: each is followed by a mark on its own line.
inline std::vector<std::string> marked_strings(std::string_view text) {
  constexpr std::string_view mark = "\n__ggml_vocab_test__\n";
  std::vector<std::string> strings;
  for (std::size_t end = text.find(mark); end != std::string_view::npos; end = text.find(mark)) {
    strings.emplace_back(text.substr(0, end));
    text.remove_prefix(end + mark.size());
  }
  return strings;
}

}  // namespace basin_test
