// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers programs/interrupt.hpp

#include <csignal>

#include "programs/interrupt.hpp"
#include "support/catch.hpp"

namespace programs = basin::programs;

TEST_CASE("the first signal is noted, not obeyed", "[unit][interrupt]") {
  int const signal = GENERATE(SIGINT, SIGTERM);
  programs::interrupt_guard const guard;
  REQUIRE_FALSE(programs::interrupted());
  std::raise(signal);
  REQUIRE(programs::interrupted());
  REQUIRE(programs::exit_code_of_interrupt() == 128 + signal);
}

TEST_CASE("a signal waits until it is asked for, so that none arrives inside a matrix product", "[unit][interrupt]") {
  auto const waits = [] {
    sigset_t waiting;
    sigpending(&waiting);
    return sigismember(&waiting, SIGINT) == 1;
  };
  {
    programs::interrupt_guard const guard;
    std::raise(SIGINT);
    REQUIRE(waits());
    REQUIRE(programs::interrupted());
  }
  REQUIRE_FALSE(waits());  // answered; the next call does not see it
}
