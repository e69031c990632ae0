// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The main function of every test program: Catch2's, with a separate exit code for "skipped".

#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"
#include "support/skip.hpp"

int main(int argc, char** argv) {
  Catch::Session session;
#if !__has_include(<catch2/catch_all.hpp>)
  // A test name from CTest that matches nothing is an error. Catch2 3 reports it by default.
  auto& warnings = session.configData().warnings;
  warnings = static_cast<Catch::WarnAbout::What>(warnings | Catch::WarnAbout::NoTests);
#endif
  int const result = session.run(argc, argv);
  if (result == 0 && basin_test::skipped() > 0) return basin_test::exit_code_of_skipped;
  return result == basin_test::exit_code_of_skipped ? 1 : result;  // Catch2 2 returns the number of failed checks
}
