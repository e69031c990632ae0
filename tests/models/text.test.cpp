// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers models/text.hpp and models/progress.hpp

#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "models/progress.hpp"
#include "models/text.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace models = basin::models;
using basin_test::ContainsSubstring;
using basin_test::scratch;

TEST_CASE("ids are bytes and come back as the same text", "[unit][text]") {
  std::string every;
  for (int b = 0; b < 256; ++b) every += static_cast<char>(b);
  auto const ids = models::ids_of(every);
  for (int b = 0; b < 256; ++b) REQUIRE(ids[static_cast<std::size_t>(b)] == b);
  REQUIRE(models::text_of_ids(ids) == every);
  REQUIRE(models::text_of_ids(std::vector<int>{'a', models::mask_id, models::begin_id, -1}) == "a___");
}

TEST_CASE("a text is cut into nine tenths and one, whatever its length", "[unit][text]") {
  scratch const folder;
  int const size = GENERATE(10, 11, 19, 20, 99, 1009);
  CAPTURE(size);
  std::string text;
  for (int i = 0; i < size; ++i) text += static_cast<char>(i % 251);
  models::write_atomically(folder / "t", models::bytes_of(text));
  models::text_corpus const corpus{folder / "t", 1};
  REQUIRE(corpus.training().size() == static_cast<std::size_t>(size * 9 / 10));
  REQUIRE(corpus.training().size() + corpus.validation().size() == text.size());
  REQUIRE(corpus.validation().front() == static_cast<std::byte>(text[corpus.training().size()]));
}

TEST_CASE("a random window is a piece of the text, and every place occurs", "[unit][text]") {
  scratch const folder;
  models::write_atomically(folder / "t", models::bytes_of("abcdefghij0123456789"));
  models::text_corpus const corpus{folder / "t", 2};
  basin::philox rng{5};
  std::vector<int> window(16), seen(4);
  for (int i = 0; i < 200; ++i) {
    models::random_window(rng, corpus.training(), window);
    auto const text = models::text_of_ids(window);
    auto const at = std::string{"abcdefghij01234567"}.find(text);
    REQUIRE(at <= 2);
    ++seen[at];
  }
  REQUIRE((seen[0] > 30 && seen[1] > 30 && seen[2] > 30));
}

TEST_CASE("a text that cannot be used is refused by name", "[unit][text]") {
  scratch const folder;
  models::write_atomically(folder / "empty", {});
  models::write_atomically(folder / "short", models::bytes_of(std::string(100, 'x')));
  REQUIRE_THROWS_WITH(models::text_corpus(folder / "empty", 8), ContainsSubstring("empty is empty"));
  REQUIRE_THROWS_WITH(models::text_corpus(folder / "missing", 8), ContainsSubstring("No such file"));
  REQUIRE_THROWS_WITH(models::text_corpus(folder.path, 8), ContainsSubstring("not a regular file"));
  REQUIRE_THROWS_WITH(models::text_corpus(folder / "short", 11), ContainsSubstring("has 100 bytes") &&
                                                                     ContainsSubstring("needs 11") &&
                                                                     ContainsSubstring("longer text"));
  REQUIRE(models::text_corpus(folder / "short", 10).size() == 100);
}

TEST_CASE("the progress line says what is done and what is left", "[unit][progress]") {
  REQUIRE(models::progress_line("train", 50, 200, 1.23456, 16049, 75) ==
          "train  [#####---------------]  25 %  step 50/200  loss 1.2346  16.0k tokens/s  left 01:15");
  REQUIRE(models::clock_text(3723.2) == "1:02:03");
  REQUIRE(models::clock_text(-1) == "--:--");
}
