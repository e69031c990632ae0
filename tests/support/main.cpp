// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The main function of every test program: Catch2's, and an exit code of its own for "skipped".

#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"
#include "support/skip.hpp"

int main(int argc, char** argv) {
  int const result = Catch::Session().run(argc, argv);
  if (result == 0 && basin_test::skipped() > 0) return basin_test::exit_code_of_skipped;
  return result == basin_test::exit_code_of_skipped ? 1 : result;  // Catch2 2 returns the number of failed checks
}
