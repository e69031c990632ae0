// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/io/folder_lock.hpp, remove_unfinished() of lm/io/files.hpp and run_in() of lm/io/checkpoint.hpp

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

#include "basin/core/error.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/folder_lock.hpp"
#include "hostile.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::ContainsSubstring;
using basin_test::scratch;

TEST_CASE("a folder has one writer at a time, and leaves no file behind", "[unit][files]") {
  scratch const folder;
  {
    lm::folder_lock const first{folder.path};
    REQUIRE_THROWS_WITH(lm::folder_lock{folder.path},
                        ContainsSubstring("another process (" + std::to_string(::getpid()) + ") writes to the folder " +
                                          folder.path.string()) &&
                            ContainsSubstring("wait"));
  }
  REQUIRE(basin_test::files_in(folder.path) == 0);
  lm::folder_lock const second{folder.path};
}

TEST_CASE("the lock of a process that was killed is free", "[unit][files]") {
  scratch const folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    std::optional<lm::folder_lock> held{folder.path};
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  REQUIRE_THROWS_WITH(lm::folder_lock{folder.path},
                      ContainsSubstring("another process (" + std::to_string(child) + ")"));
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(std::filesystem::exists(folder / ".lock"));
  { lm::folder_lock const mine{folder.path}; }
  REQUIRE(basin_test::files_in(folder.path) == 0);
  ::close(ready[0]), ::close(ready[1]);
}

TEST_CASE("a folder that allows no lock is refused by name", "[unit][files]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(lm::folder_lock{folder / "missing"},
                      ContainsSubstring("cannot lock the folder") && ContainsSubstring("missing"));
}

TEST_CASE("unfinished files of killed runs are removed, and no other file", "[unit][files]") {
  scratch const folder;
  std::string const kept[] = {"model.safetensors",          ".model.safetensors.part", ".model.safetensors.12x.part",
                              ".other.safetensors.12.part", ".config.json.7.part.bak", ".notes.7.part",
                              "config.json.7.part"};
  for (auto const& name : kept) lm::write_atomically(folder / name, lm::bytes_of("x"));
  for (auto const* const name :
       {".model.safetensors.12.part", ".training.safetensors.999999.part", ".config.json.7.part"})
    lm::write_atomically(folder / name, lm::bytes_of("x"));
  std::filesystem::create_directory(folder / ".config.json.8.part");
  lm::remove_unfinished(folder.path, lm::checkpoint_files);
  for (auto const& name : kept) REQUIRE(std::filesystem::exists(folder / name));
  REQUIRE(std::filesystem::exists(folder / ".config.json.8.part"));
  REQUIRE(basin_test::files_in(folder.path) == std::size(kept) + 1);
}

TEST_CASE("what a folder holds of a run is said in words", "[unit][checkpoint]") {
  scratch const folder;
  REQUIRE(lm::run_in(folder.path).empty());
  REQUIRE(lm::run_in(folder / "missing").empty());
  lm::write_atomically(folder / "config.json", lm::bytes_of("{}"));
  REQUIRE(lm::run_in(folder.path) == "config.json");
  basin_test::tiny_model("mdlm").write(folder.path);
  REQUIRE(lm::run_in(folder.path) == "a run of the objective mdlm, at step 4 of 4");
  lm::write_atomically(folder / "model.safetensors", lm::bytes_of("other"));
  REQUIRE(lm::run_in(folder.path) == "model.safetensors, which is no checkpoint that can be read");
}
