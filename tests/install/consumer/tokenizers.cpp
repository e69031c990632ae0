// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tokenizers from an installed basin: three tokens and one merge.

#include <string>

#include <basin/lm/tokenizers/chat_template.hpp>
#include <basin/lm/tokenizers/token_stream.hpp>
#include <basin/lm/tokenizers/vocab_and_merges.hpp>

int main() {
  namespace lm = basin::lm;
  lm::tokenizer const words = lm::parse_vocab_and_merges(
      R"({"a": 0, "b": 1, "ab": 2})", "a b", {.split = lm::pre_tokenizer_named("qwen2.5")}, "vocab.json");
  auto const ids = words.encode("abba");
  return ids.size() == 3 && lm::decode(words, ids) == "abba" ? 0 : 1;
}
