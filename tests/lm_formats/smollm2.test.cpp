// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/gguf.hpp with a real model, SmolLM2-135M-Instruct in Q4_1, where the file is there: BASIN_SMOLLM2,
// or the folder in which examples/get_smollm2.sh puts it. fixtures/smollm2.txt has what the format's own package read.

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/gguf.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace lm = basin::lm;

namespace {

std::optional<std::filesystem::path> smollm2() {
  char const* const chosen = std::getenv("BASIN_SMOLLM2");
  std::filesystem::path const file =
      chosen ? chosen : BASIN_DEFAULT_MODELS "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (std::filesystem::exists(file)) return file;
  basin_test::skip(file.string() +
                   " is absent; examples/get_smollm2.sh fetches it, BASIN_SMOLLM2=<file> names another place");
  return std::nullopt;
}

/// The sum of whole numbers and the sum of each times its place from 1 on, modulo 2^64, as fixtures/make_gguf.py does.
template <class Words>
std::string checksums(Words const& words) {
  std::uint64_t sum = 0, weighted = 0, place = 0;
  for (auto const word : words) {
    auto const bits = static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<std::decay_t<decltype(word)>>>(word));
    sum += bits;
    weighted += bits * ++place;
  }
  std::ostringstream text;
  text << std::hex << sum << ' ' << weighted;
  return text.str();
}

template <class T>
std::string joined(std::vector<T> const& list) {
  std::string all;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0) all += '\n';
    if constexpr (std::is_same_v<T, std::string>) all += list[i];
    else if constexpr (!std::is_same_v<T, lm::gguf_array>) all += std::to_string(list[i]);
  }
  return all;
}

/// A value of the metadata as the fixture writes it.
std::string described(lm::gguf_value const& value) {
  std::string const type(lm::gguf_types[value.index()]);
  return std::visit([&](auto const& one) -> std::string {
    using kind = std::decay_t<decltype(one)>;
    if constexpr (std::is_same_v<kind, std::string>) return type + ' ' + checksums(one);
    else if constexpr (std::is_same_v<kind, bool>) return type + (one ? " True" : " False");
    else if constexpr (std::is_same_v<kind, lm::gguf_array>)
      return basin::message(type, '/', lm::gguf_types[one.values.index()], ' ', one.size(), ' ',
                            checksums(std::visit([](auto const& list) { return joined(list); }, one.values)));
    else return basin::message(type, ' ', +one);
  }, value);
}

std::string described(lm::stored_tensor const& tensor, std::vector<float>& room) {
  std::string shape;
  for (auto const n : tensor.shape) shape += (shape.empty() ? "" : "x") + std::to_string(n);
  room.resize(static_cast<std::size_t>(*lm::value_count(tensor.shape)));
  lm::to_floats(tensor, room);
  std::vector<std::uint32_t> bits(room.size());
  std::memcpy(bits.data(), room.data(), room.size() * sizeof(float));
  return basin::message(lm::facts(tensor.type).name, ' ', shape, ' ', checksums(bits));
}

}  // namespace

TEST_CASE("SmolLM2 has every entry, name, shape and number that the format's own package reads", "[unit][gguf]") {
  auto const path = smollm2();
  if (!path) return;
  auto const file = lm::open_gguf(*path);
  std::ifstream expected(BASIN_TEST_FIXTURES "/smollm2.txt");
  std::vector<float> room;
  std::size_t values = 0, tensors = 0;
  std::uint64_t numbers = 0;
  for (std::string kind, name, rest; expected >> kind >> name && std::getline(expected >> std::ws, rest);) {
    CAPTURE(name, rest);
    if (kind == "tensor") {
      REQUIRE(file.tensors.tensors()[tensors++].name == name);
      REQUIRE(described(file.tensors.at(name), room) == rest);
      numbers += room.size();
      continue;
    }
    ++values;
    auto const* const value = file.metadata.find(name);
    REQUIRE(value != nullptr);
    if (float const* const real = std::get_if<float>(value)) {
      double written = 0;                                          // Python writes a float as the double it equals
      auto const text = rest.substr(rest.find(' ') + 1);
      std::from_chars(text.data(), text.data() + text.size(), written);
      REQUIRE(static_cast<double>(*real) == written);
    } else {
      REQUIRE(described(*value) == rest);
    }
  }
  REQUIRE(values == file.metadata.values().size());
  REQUIRE(tensors == file.tensors.tensors().size());
  REQUIRE(tensors == 272);
  REQUIRE(numbers == 134'515'008);
}
