// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tokenizer's entries of a GGUF file: a reader of metadata for tests, which trusts the file.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "basin/lm/tokenizers/gguf_vocabulary.hpp"

namespace basin_test {

class gguf_metadata {
 public:
  explicit gguf_metadata(std::filesystem::path const& path) : file(path, std::ios::binary) {
    file.seekg(16);
    for (auto left = number<std::uint64_t>(); left > 0; --left) {
      std::string const key = text();
      value(key, number<std::uint32_t>());
    }
    if (!file) throw std::runtime_error{"the GGUF file is not as tests expect it"};
  }

  basin::lm::gguf_vocabulary vocabulary;

 private:
  static constexpr std::uint32_t int32 = 5, boolean = 7, string = 8, array = 9;

  template <class T>
  T number() {
    T read{};
    file.read(reinterpret_cast<char*>(&read), sizeof read);
    return read;
  }

  std::string text() {
    std::string read(number<std::uint64_t>(), ' ');
    file.read(read.data(), static_cast<std::streamsize>(read.size()));
    return read;
  }

  std::uint64_t scalar(std::uint32_t type) {
    if (type <= 1 || type == boolean) return number<std::uint8_t>();
    if (type <= 3) return number<std::uint16_t>();
    return type <= 6 ? number<std::uint32_t>() : number<std::uint64_t>();
  }

  void value(std::string const& key, std::uint32_t type) {
    if (type == array) {
      auto const inner = number<std::uint32_t>();
      for (auto left = number<std::uint64_t>(); left > 0; --left) value(key, inner);
    } else if (type == string) {
      std::string read = text();
      if (key == "tokenizer.ggml.model") vocabulary.model = read;
      if (key == "tokenizer.ggml.pre") vocabulary.pre = read;
      if (key == "tokenizer.ggml.tokens") vocabulary.tokens.push_back(read);
      if (key == "tokenizer.ggml.merges") vocabulary.merges.push_back(read);
    } else {
      auto const read = static_cast<int>(scalar(type));
      if (key == "tokenizer.ggml.token_type") vocabulary.token_type.push_back(read);
      if (key == "tokenizer.ggml.bos_token_id") vocabulary.special.begin = read;
      if (key == "tokenizer.ggml.eos_token_id") vocabulary.special.end = read;
    }
  }

  std::ifstream file;
};

}  // namespace basin_test
