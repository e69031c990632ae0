// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers models/interrupt.hpp

#include <csignal>

#include "models/interrupt.hpp"
#include "support/catch.hpp"

namespace models = basin::models;

TEST_CASE("the first signal is noted, not obeyed", "[unit][interrupt]") {
  int const signal = GENERATE(SIGINT, SIGTERM);
  models::interrupt_guard const guard;
  REQUIRE_FALSE(models::interrupted());
  std::raise(signal);
  REQUIRE(models::interrupted());
  REQUIRE(models::exit_code_of_interrupt() == 128 + signal);
}

TEST_CASE("a signal waits until it is asked for, so that none arrives inside a matrix product", "[unit][interrupt]") {
  auto const waits = [] {
    sigset_t waiting;
    sigpending(&waiting);
    return sigismember(&waiting, SIGINT) == 1;
  };
  {
    models::interrupt_guard const guard;
    std::raise(SIGINT);
    REQUIRE(waits());
    REQUIRE(models::interrupted());
  }
  REQUIRE_FALSE(waits());  // answered, and not left for whoever comes next
}
