// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Ctrl-C as a question: a loop asks interrupted() after each step and ends in good order.

#include <csignal>
#include <ctime>
#include <initializer_list>

#include "basin/core/error.hpp"

namespace basin::programs {

/// Work that ended early because a signal asked for it; the message says what is kept.
struct stopped_by_signal : error {
  using error::error;
};

namespace detail {

inline volatile std::sig_atomic_t signal_seen = 0;
inline void note_signal(int number) { signal_seen = number; }

inline sigset_t interrupting_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace detail

/// Holds SIGINT and SIGTERM back while it lives, in this thread and in those that start later: they wait until
/// interrupted() asks. So no signal arrives in the middle of a step: oneDNN's kernels use the stack register for other
/// things, and the frame of a handler would be written over the heap.
///
/// Edges     one at a time in a program, made before the first OpenMP region; a thread that was there before notes the
///           signal in a handler; SIGXFSZ is ignored meanwhile, so that a file size limit is an error of write();
///           SIGKILL and SIGQUIT end at once
class interrupt_guard {
 public:
  interrupt_guard() {
    detail::signal_seen = 0;
    struct sigaction note {};
    note.sa_handler = detail::note_signal;
    note.sa_flags = SA_RESTART;
    sigaction(SIGINT, &note, &before_int);
    sigaction(SIGTERM, &note, &before_term);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &ignore, &before_size);
    sigset_t const held = detail::interrupting_signals();
    pthread_sigmask(SIG_BLOCK, &held, &before_mask);
  }
  interrupt_guard(interrupt_guard const&) = delete;
  interrupt_guard& operator=(interrupt_guard const&) = delete;
  ~interrupt_guard() {
    sigset_t const held = detail::interrupting_signals();
    timespec const at_once{};
    while (sigtimedwait(&held, nullptr, &at_once) > 0) {}        // answered already
    pthread_sigmask(SIG_SETMASK, &before_mask, nullptr);
    sigaction(SIGINT, &before_int, nullptr);
    sigaction(SIGTERM, &before_term, nullptr);
    sigaction(SIGXFSZ, &before_size, nullptr);
  }

 private:
  struct sigaction before_int {}, before_term {}, before_size {};
  sigset_t before_mask{};
};

/// Whether a signal came since the guard was made.
inline bool interrupted() {
  sigset_t waiting;
  sigpending(&waiting);
  for (int const number : {SIGINT, SIGTERM})
    if (sigismember(&waiting, number) == 1) detail::signal_seen = number;
  return detail::signal_seen != 0;
}

/// What a program that ended on a signal returns to its shell.
inline int exit_code_of_interrupt() { return 128 + static_cast<int>(detail::signal_seen); }

}  // namespace basin::programs
