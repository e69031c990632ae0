// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers models/files.hpp

#include <filesystem>
#include <string>

#include "basin/core/error.hpp"
#include "models/files.hpp"
#include "scratch.hpp"
#include "small_disk.hpp"
#include "support/catch.hpp"

namespace models = basin::models;
using basin_test::files_in;
using basin_test::scratch;
using basin_test::small_disk;
using basin_test::text_of;
using basin_test::ContainsSubstring;

TEST_CASE("a file is replaced as a whole and leaves no other behind", "[unit][files]") {
  scratch const folder;
  models::write_atomically(folder / "note", models::bytes_of("first"));
  REQUIRE(text_of(folder / "note") == "first");
  models::write_atomically(folder / "note", models::bytes_of("second, longer"));
  REQUIRE(text_of(folder / "note") == "second, longer");
  models::write_atomically(folder / "note", models::bytes_of(""));
  REQUIRE(text_of(folder / "note").empty());
  REQUIRE(files_in(folder.path) == 1);
}

TEST_CASE("a full disk leaves the old file as it was and says how far it came", "[unit][files]") {
  scratch const folder;
  models::write_atomically(folder / "note", models::bytes_of("old"));
  std::string const large(10'000, 'x');
  {
    small_disk const disk{4096};
    REQUIRE_THROWS_WITH(models::write_atomically(folder / "note", models::bytes_of(large)),
                        ContainsSubstring((folder / "note").string()) &&
                            ContainsSubstring("after 4096 of 10000 bytes") && ContainsSubstring("File too large") &&
                            ContainsSubstring("unchanged") && ContainsSubstring("free some room"));
    REQUIRE_THROWS_AS(models::write_atomically(folder / "other", models::bytes_of(large)), basin::file_error);
  }
  REQUIRE(text_of(folder / "note") == "old");
  REQUIRE(files_in(folder.path) == 1);
}

TEST_CASE("an unfinished file is never seen and never stays", "[unit][files]") {
  scratch const folder;
  {
    models::staged_file file{folder / "note"};
    file.append(models::bytes_of("half"));
    REQUIRE_FALSE(std::filesystem::exists(folder / "note"));
    REQUIRE(files_in(folder.path) == 1);
  }
  REQUIRE(files_in(folder.path) == 0);
}

TEST_CASE("a place that cannot hold a file is refused", "[unit][files]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(models::write_atomically("/dev/full", models::bytes_of("x")),
                      ContainsSubstring("not a regular file"));
  REQUIRE_THROWS_WITH(models::write_atomically(folder.path, models::bytes_of("x")),
                      ContainsSubstring("not a regular file"));
  REQUIRE_THROWS_WITH(models::write_atomically(folder / "missing/note", models::bytes_of("x")),
                      ContainsSubstring("missing/note") && ContainsSubstring("No such file") &&
                          ContainsSubstring("folder must exist"));
  models::write_atomically(folder / "note", models::bytes_of("x"));
  REQUIRE_THROWS_WITH(models::make_folder(folder / "note"), ContainsSubstring("cannot make the folder"));
  REQUIRE(files_in(folder.path) == 1);
}

TEST_CASE("what cannot be read is named", "[unit][files]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(models::read_file(folder / "missing"),
                      ContainsSubstring("missing") && ContainsSubstring("No such file"));
  REQUIRE_THROWS_WITH(models::read_file(folder.path), ContainsSubstring("not a regular file"));
}
