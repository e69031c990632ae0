// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The only parallel loop of the host engines. Policy hooks run inside it, and they may throw.

#include <atomic>
#include <exception>

#include "basin/config.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

/// Stores the first exception of a parallel loop. An exception must not leave a parallel region, so it is stored here
/// and rethrown after the region.
class first_exception {
 public:
  bool caught() const { return any.load(std::memory_order_relaxed); }
  /// Calls f() unless an earlier call has thrown.
  template <class F>
  void guard(F&& f) noexcept {
    if (caught()) return;
    try {
      f();
    } catch (...) {
      if (!any.exchange(true)) what = std::current_exception();
    }
  }
  void rethrow() const {
    if (what) std::rethrow_exception(what);
  }

 private:
  std::atomic<bool> any{false};
  std::exception_ptr what;  // written by one thread, read after the region
};

/// Calls f(task) for 0 .. count - 1 from many threads. Tasks start in order, so a task may wait for earlier ones. The
/// first exception of a task is rethrown on the calling thread; tasks that have not started by then are skipped.
/// `failure` reports this state to waiting tasks.
template <class F>
void over_tasks(index_t count, first_exception& failure, F const& f) {
  BASIN_OMP(parallel for schedule(monotonic : dynamic, 1))
  for (index_t task = 0; task < count; ++task) failure.guard([&] { f(task); });
  failure.rethrow();
}
template <class F>
void over_tasks(index_t count, F const& f) {
  first_exception failure;
  over_tasks(count, failure, f);
}

}  // namespace basin::cpu::detail
