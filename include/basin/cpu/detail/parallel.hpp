// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The one parallel loop of the host engines. Hooks of policies run inside it, and they may throw.

#include <atomic>
#include <exception>

#include "basin/config.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

/// The first exception of a parallel loop. No exception may leave a parallel region, so it is kept here and thrown
/// again behind the region.
class first_exception {
 public:
  bool caught() const { return any.load(std::memory_order_relaxed); }
  /// Calls f(), unless an earlier call has thrown.
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
  std::exception_ptr what;  // written by one thread, read behind the region
};

/// Calls f(task) for 0 .. count - 1 from many threads. Tasks begin in order, so that one may wait for those before it.
/// The first exception of a task is thrown again on the calling thread; tasks that have not begun by then are left out.
/// `failure` says so to tasks that wait.
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
