// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/files.hpp

#include <filesystem>
#include <string>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"
#include "scratch.hpp"
#include "small_disk.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::files_in;
using basin_test::scratch;
using basin_test::small_disk;
using basin_test::text_of;
using basin_test::ContainsSubstring;

TEST_CASE("a file is replaced as a whole and leaves no other behind", "[unit][files]") {
  scratch const folder;
  lm::write_atomically(folder / "note", lm::bytes_of("first"));
  REQUIRE(text_of(folder / "note") == "first");
  lm::write_atomically(folder / "note", lm::bytes_of("second, longer"));
  REQUIRE(text_of(folder / "note") == "second, longer");
  lm::write_atomically(folder / "note", lm::bytes_of(""));
  REQUIRE(text_of(folder / "note").empty());
  REQUIRE(files_in(folder.path) == 1);
}

TEST_CASE("a full disk leaves the old file as it was and says how far it came", "[unit][files]") {
  scratch const folder;
  lm::write_atomically(folder / "note", lm::bytes_of("old"));
  std::string const large(10'000, 'x');
  {
    small_disk const disk{4096};
    REQUIRE_THROWS_WITH(lm::write_atomically(folder / "note", lm::bytes_of(large)),
                        ContainsSubstring((folder / "note").string()) &&
                            ContainsSubstring("after 4096 of 10000 bytes") && ContainsSubstring("File too large") &&
                            ContainsSubstring("unchanged") && ContainsSubstring("free some room"));
    REQUIRE_THROWS_AS(lm::write_atomically(folder / "other", lm::bytes_of(large)), basin::file_error);
  }
  REQUIRE(text_of(folder / "note") == "old");
  REQUIRE(files_in(folder.path) == 1);
}

TEST_CASE("an unfinished file is never seen and never stays", "[unit][files]") {
  scratch const folder;
  {
    lm::staged_file file{folder / "note"};
    file.append(lm::bytes_of("half"));
    REQUIRE_FALSE(std::filesystem::exists(folder / "note"));
    REQUIRE(files_in(folder.path) == 1);
  }
  REQUIRE(files_in(folder.path) == 0);
}

TEST_CASE("a place that cannot hold a file is refused", "[unit][files]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(lm::write_atomically("/dev/full", lm::bytes_of("x")),
                      ContainsSubstring("not a regular file"));
  REQUIRE_THROWS_WITH(lm::write_atomically(folder.path, lm::bytes_of("x")),
                      ContainsSubstring("not a regular file"));
  REQUIRE_THROWS_WITH(lm::write_atomically(folder / "missing/note", lm::bytes_of("x")),
                      ContainsSubstring("missing/note") && ContainsSubstring("No such file") &&
                          ContainsSubstring("folder must exist"));
  lm::write_atomically(folder / "note", lm::bytes_of("x"));
  REQUIRE_THROWS_WITH(lm::make_folder(folder / "note"), ContainsSubstring("cannot make the folder"));
  REQUIRE(files_in(folder.path) == 1);
}

TEST_CASE("what cannot be read is named", "[unit][files]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(lm::read_file(folder / "missing"),
                      ContainsSubstring("missing") && ContainsSubstring("No such file"));
  REQUIRE_THROWS_WITH(lm::read_file(folder.path), ContainsSubstring("not a regular file"));
}
