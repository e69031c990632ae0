// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// libFuzzer target of the tokenizer readers: the first byte selects the reader, the rest is the file. A file is read or
// refused with an error of the library; what was read must encode any text, or refuse it, and give the bytes back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/tokenizers/llama2c.hpp"
#include "basin/lm/tokenizers/tiktoken.hpp"
#include "basin/lm/tokenizers/token_stream.hpp"
#include "basin/lm/tokenizers/tokenizer.hpp"
#include "basin/lm/tokenizers/tokenizer_json.hpp"
#include "basin/lm/tokenizers/vocab_and_merges.hpp"

namespace lm = basin::lm;

namespace {

lm::tokenizer read(unsigned char kind, std::string_view file) {
  switch (kind % 4) {
    case 0: return lm::parse_tokenizer_json(file, "file");
    case 1: return lm::parse_llama2c(file, "file");
    case 2: return lm::parse_tiktoken(file, lm::pre_tokenizer_named("llama-3"), {}, "file");
    default: {
      std::size_t const cut = std::min(file.find('\0'), file.size());
      return lm::parse_vocab_and_merges(file.substr(0, cut), file.substr(cut == file.size() ? cut : cut + 1),
                                        {.split = lm::pre_tokenizer_named("smollm")}, "file");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const file{reinterpret_cast<char const*>(data) + 1, size - 1};
  try {
    lm::tokenizer const words = read(data[0], file);
    std::string_view const text = file.substr(0, 200);
    for (auto const treat : {lm::special_tokens::as_text, lm::special_tokens::recognise}) {
      std::vector<int> const ids = words.encode(text, treat);
      for (int const id : ids)
        if (!words.has(id)) std::abort();
      std::string const back = lm::decode(words, ids);
      if (data[0] % 4 != 0 && back != text) std::abort();  // a tokenizer.json may change text on purpose
    }
  } catch (basin::error const&) {
  }
  return 0;
}
