// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/tokenizers/bytes.hpp and programs/progress.hpp

#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/lm/io/text_corpus.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "programs/progress.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
namespace programs = basin::programs;
using basin_test::ContainsSubstring;
using basin_test::scratch;

TEST_CASE("ids are bytes and come back as the same text", "[unit][text]") {
  std::string every;
  for (int b = 0; b < 256; ++b) every += static_cast<char>(b);
  auto const ids = lm::ids_of(every);
  for (int b = 0; b < 256; ++b) REQUIRE(ids[static_cast<std::size_t>(b)] == b);
  REQUIRE(lm::text_of_ids(ids) == every);
  REQUIRE(lm::text_of_ids(std::vector<int>{'a', lm::mask_id, lm::begin_id, -1}) == "a___");
}

TEST_CASE("a text is cut into nine tenths and one, whatever its length", "[unit][text]") {
  scratch const folder;
  int const size = GENERATE(10, 11, 19, 20, 99, 1009);
  CAPTURE(size);
  std::string text;
  for (int i = 0; i < size; ++i) text += static_cast<char>(i % 251);
  lm::write_atomically(folder / "t", lm::bytes_of(text));
  lm::text_corpus const corpus{folder / "t", 1};
  REQUIRE(corpus.training().size() == static_cast<std::size_t>(size * 9 / 10));
  REQUIRE(corpus.training().size() + corpus.validation().size() == text.size());
  REQUIRE(corpus.validation().front() == static_cast<std::byte>(text[corpus.training().size()]));
}

TEST_CASE("a random window is a piece of the text, and every place occurs", "[unit][text]") {
  scratch const folder;
  lm::write_atomically(folder / "t", lm::bytes_of("abcdefghij0123456789"));
  lm::text_corpus const corpus{folder / "t", 2};
  basin::philox rng{5};
  std::vector<int> window(16), seen(4);
  for (int i = 0; i < 200; ++i) {
    lm::random_window(rng, corpus.training(), window);
    auto const text = lm::text_of_ids(window);
    auto const at = std::string{"abcdefghij01234567"}.find(text);
    REQUIRE(at <= 2);
    ++seen[at];
  }
  REQUIRE((seen[0] > 30 && seen[1] > 30 && seen[2] > 30));
}

TEST_CASE("a text that cannot be used is refused by name", "[unit][text]") {
  scratch const folder;
  lm::write_atomically(folder / "empty", {});
  lm::write_atomically(folder / "short", lm::bytes_of(std::string(100, 'x')));
  REQUIRE_THROWS_WITH(lm::text_corpus(folder / "empty", 8), ContainsSubstring("empty is empty"));
  REQUIRE_THROWS_WITH(lm::text_corpus(folder / "missing", 8), ContainsSubstring("No such file"));
  REQUIRE_THROWS_WITH(lm::text_corpus(folder.path, 8), ContainsSubstring("not a regular file"));
  REQUIRE_THROWS_WITH(lm::text_corpus(folder / "short", 11), ContainsSubstring("has 100 bytes") &&
                                                                     ContainsSubstring("needs 11") &&
                                                                     ContainsSubstring("longer text"));
  REQUIRE(lm::text_corpus(folder / "short", 10).size() == 100);
}

TEST_CASE("the progress line says what is done and what is left", "[unit][progress]") {
  REQUIRE(programs::progress_line("train", 50, 200, 1.23456, 16049, 75) ==
          "train  [#####---------------]  25 %  step 50/200  loss 1.2346  16.0k tokens/s  left 01:15");
  REQUIRE(programs::clock_text(3723.2) == "1:02:03");
  REQUIRE(programs::clock_text(-1) == "--:--");
}
