// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Ctrl-C as a question: a loop asks interrupted() after each step and ends in good order.

#include <csignal>

namespace basin::models {

namespace detail {
inline volatile std::sig_atomic_t signal_seen = 0;
inline void note_signal(int number) { signal_seen = number; }
}  // namespace detail

/// Catches SIGINT and SIGTERM while it lives. The first is only noted; a second one ends the program at once.
///
/// Edges     one at a time in a program; SIGXFSZ is ignored meanwhile, so that a file size limit is an error of write()
class interrupt_guard {
 public:
  interrupt_guard() {
    detail::signal_seen = 0;
    struct sigaction note {};
    note.sa_handler = detail::note_signal;
    note.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigaction(SIGINT, &note, &before_int);
    sigaction(SIGTERM, &note, &before_term);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &ignore, &before_size);
  }
  interrupt_guard(interrupt_guard const&) = delete;
  interrupt_guard& operator=(interrupt_guard const&) = delete;
  ~interrupt_guard() {
    sigaction(SIGINT, &before_int, nullptr);
    sigaction(SIGTERM, &before_term, nullptr);
    sigaction(SIGXFSZ, &before_size, nullptr);
  }

 private:
  struct sigaction before_int {}, before_term {}, before_size {};
};

/// Whether a signal came since the guard was made.
inline bool interrupted() { return detail::signal_seen != 0; }

/// What a program that ended on a signal returns to its shell.
inline int exit_code_of_interrupt() { return 128 + static_cast<int>(detail::signal_seen); }

}  // namespace basin::models
