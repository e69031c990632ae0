// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A machine (cuda/machine.hpp) on the host: one fiber per thread, warps and blocks that synchronise, matrix products in
// plain loops. Kernel bodies run on it under sanitizers, because all memory they read and write is host memory.

#include <array>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include "basin/core/half.hpp"
#include "basin/cuda/group_machine.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define BASIN_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BASIN_TEST_ASAN 1
#endif
#endif
#if defined(BASIN_TEST_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace basin_test {

using basin::gpu::word;

/// Runs blocks of threads one after the other. The threads of a block take turns; each runs until it waits for others.
/// Every other block starts with its first thread, the others with their last, so that code that is correct only by the
/// order of threads fails.
class host_device {
 public:
  class thread_of_block;

  host_device(int threads, std::size_t shared_bytes) : threads_(threads), shared_bytes_(shared_bytes) {}

  /// Runs body(machine) on every thread of every block.
  template <class Body>
  void launch(basin::index_t blocks, Body const& body);

 private:
  int threads_;
  std::size_t shared_bytes_;
};

namespace detail {

/// A stack, with the calls that AddressSanitizer needs when the stack is left and entered (no-ops without it).
struct stack_of_fiber {
  void const* bottom = nullptr;
  std::size_t size = 0;
  void* saved = nullptr;

  /// Call before execution moves from this stack to `to`.
  void leave_for(stack_of_fiber const& to) { leave(&saved, to); }
  void leave_for_good(stack_of_fiber const& to) { leave(nullptr, to); }
  /// Call after execution moved here from `from`.
  void enter([[maybe_unused]] stack_of_fiber* from) {
#if defined(BASIN_TEST_ASAN)
    __sanitizer_finish_switch_fiber(saved, from ? &from->bottom : nullptr, from ? &from->size : nullptr);
#endif
  }

 private:
  static void leave([[maybe_unused]] void** keep, [[maybe_unused]] stack_of_fiber const& to) {
#if defined(BASIN_TEST_ASAN)
    __sanitizer_start_switch_fiber(keep, to.bottom, to.size);
#endif
  }
};

/// Allocates a stack and records its position.
struct known_stack {
  stack_of_fiber* at;
  boost::context::stack_context allocate() {
    auto const made = boost::context::fixedsize_stack(256 << 10).allocate();
    at->bottom = static_cast<std::byte const*>(made.sp) - made.size, at->size = made.size;
    return made;
  }
  void deallocate(boost::context::stack_context& made) { boost::context::fixedsize_stack(256 << 10).deallocate(made); }
};

/// Thrown in threads that wait when another thread of their block has failed.
struct abandoned {};

/// The values that 32 lanes exchange at one synchronisation. There are two sets, because a lane may reach the next
/// synchronisation while others still read.
struct meeting {
  std::array<std::array<std::array<std::byte, 48>, 32>, 2> laid_out{};
  std::array<std::array<char const*, 32>, 2> purposes{};
  std::array<long, 2> arrived{};
};

/// The state of a Hopper machine for a block: barriers that count bytes, boxes under way, barriers of some threads.
struct group_state {
  struct barrier {
    int arrivals, pending, phase = 0;
    long bytes = 0;

    void end_phase_if_complete() {
      if (pending == 0 && bytes == 0) ++phase, pending = arrivals;
    }
  };
  struct box {
    basin::gpu::arrival_barrier* barrier;
    std::function<int()> copy;                                   // returns the number of bytes
  };
  std::map<basin::gpu::arrival_barrier*, barrier> barriers;
  std::deque<box> boxes;
  std::map<int, long> arrived_at;                                // barriers of some threads, by number
};

struct free_aligned {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{1024}); }
};

struct block_state {
  basin::index_t number;
  int threads;
  std::size_t shared_bytes;
  std::unique_ptr<std::byte[], free_aligned> shared;             // exact size: a sanitizer detects an access beyond it
  std::vector<meeting> warps;
  long arrived = 0;
  bool any[2] = {};
  bool moved = false;                                            // whether any thread made progress in this round
  bool abandoned = false;                                        // whether a thread has failed; the others then end
  stack_of_fiber home{};
  group_state group{};                                           // support/host_group.hpp
};

/// The matrices of one product, gathered from the lanes.
template <class E>
struct operands {
  static constexpr int depth = basin::gpu::product_depth<E>;
  float a[16][depth], b[depth][8];

  static float number(word w, int n) {
    if constexpr (std::is_same_v<E, basin::gpu::tf32>)
      return std::bit_cast<float>((w & 0x7f800000u) == 0x7f800000u ? w : (w + 0x1000u) & ~0x1fffu);
    else if constexpr (sizeof(E) == 4) return std::bit_cast<float>(w);
    else {
      E x;
      x.bits = static_cast<std::uint16_t>(w >> (16 * n));
      return static_cast<float>(x);
    }
  }
  void put(int lane, word const (&left)[4], word const (&right)[2]) {
    constexpr int each = 4 / static_cast<int>(sizeof(E));        // numbers in a word
    int const g = lane / 4, t = lane % 4;
    for (int n = 0; n < each; ++n)
      for (int half = 0; half < 2; ++half) {
        int const k = (t + 4 * half) * each + n;
        a[g][k] = number(left[2 * half], n);
        a[g + 8][k] = number(left[2 * half + 1], n);
        b[k][g] = number(right[half], n);
      }
  }
};

}  // namespace detail

/// The machine of one thread.
class host_device::thread_of_block {
 protected:
  int lane() const { return thread_ % 32; }

  template <class Ready>
  void wait_until(Ready const& ready) const {
    while (!ready()) {
      if (block_.abandoned) throw detail::abandoned{};
      stack_.leave_for(block_.home);
      back_ = std::move(back_).resume();
      stack_.enter(nullptr);
    }
    block_.moved = true;
  }
  /// Publishes a value, waits for all lanes of the warp, and reads their values: of(lane).
  template <class T, class Read>
  auto meet(char const* purpose, T const& mine, Read const& read) const {
    static_assert(sizeof(T) <= 48);
    auto& here = block_.warps[static_cast<std::size_t>(thread_ / 32)];
    auto const set = static_cast<std::size_t>(meetings_ % 2);
    long const round = ++meetings_;
    std::memcpy(here.laid_out[set][static_cast<std::size_t>(lane())].data(), &mine, sizeof(T));
    here.purposes[set][static_cast<std::size_t>(lane())] = purpose;
    ++here.arrived[set];
    block_.moved = true;
    wait_until([&] { return here.arrived[set] >= (round + 1) / 2 * 32; });
    for (char const* other : here.purposes[set])
      if (std::strcmp(other, purpose) != 0)
        throw std::logic_error(std::string("lanes of a warp synchronise for ") + purpose + " and for " + other);
    return read([&](int l) {
      T theirs;
      std::memcpy(&theirs, here.laid_out[set][static_cast<std::size_t>(l)].data(), sizeof(T));
      return theirs;
    });
  }

 public:
  thread_of_block(detail::block_state& b, int number, boost::context::fiber& back, detail::stack_of_fiber& stack)
      : block_(b), thread_(number), back_(back), stack_(stack) {}

  int thread() const { return thread_; }
  basin::index_t block() const { return block_.number; }
  std::byte* shared() const { return block_.shared.get(); }

  void sync() const {
    long const round = ++syncs_;
    ++block_.arrived;
    block_.moved = true;
    wait_until([&] { return block_.arrived >= round * block_.threads; });
  }
  bool any(bool mine) const {
    bool& here = block_.any[anys_++ % 2];
    here = here || mine;
    sync();
    bool const result = here;
    sync();
    here = false;
    sync();
    return result;
  }
  bool any_of_warp(bool mine) const {
    return meet("any_of_warp", mine, [](auto const& of) {
      bool some = false;
      for (int l = 0; l < 32; ++l) some = some || of(l);
      return some;
    });
  }
  word from_lane_xor(word mine, int mask) const {
    return meet("from_lane_xor", mine, [&](auto const& of) { return of(lane() ^ mask); });
  }

  /// The bytes arrive when a thread waits for them, not before.
  void copy_async(std::byte* to, std::byte const* from, bool there) const {
    static constexpr std::byte zeros[16]{};
    if (!there) from = zeros;
    bool const aligned = reinterpret_cast<std::uintptr_t>(to) % 16 == 0 &&
                         (!there || reinterpret_cast<std::uintptr_t>(from) % 16 == 0);
    if (!aligned) throw std::logic_error("copy_async: an address is not a multiple of 16");
    open_.push_back({to, from});
  }
  void commit() const { groups_.push_back(std::move(open_)), open_.clear(); }
  template <int N>
  void wait_for_all_but() const {
    while (groups_.size() > N) {
      for (auto const& [to, from] : groups_.front()) std::memcpy(to, from, 16);
      groups_.pop_front();
    }
  }

  basin::gpu::words4 load_matrices(std::byte const* row) const {
    return meet("load_matrices", row, [&](auto const& of) {
      basin::gpu::words4 got;
      for (int matrix = 0; matrix < 4; ++matrix)
        std::memcpy(&got[matrix], of(8 * matrix + lane() / 4) + 4 * (lane() % 4), 4);
      return got;
    });
  }
  basin::gpu::words4 load_matrices_transposed(std::byte const* row) const {
    return meet("load_matrices_transposed", row, [&](auto const& of) {
      basin::gpu::words4 got;
      for (int matrix = 0; matrix < 4; ++matrix) {
        std::uint16_t pair[2];
        for (int n = 0; n < 2; ++n)
          std::memcpy(&pair[n], of(8 * matrix + 2 * (lane() % 4) + n) + 2 * (lane() / 4), 2);
        std::memcpy(&got[matrix], pair, 4);
      }
      return got;
    });
  }
  template <class E>
  word pack(float low, float high) const {
    return static_cast<word>(E(low).bits) | static_cast<word>(E(high).bits) << 16;
  }
  template <class E>
  void multiply_add(cuda::std::array<float, 4>& sums, cuda::std::array<word, 4> a, cuda::std::array<word, 2> b) const {
    struct both {
      word a[4], b[2];
    } const mine{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    auto const all = meet("multiply_add", mine, [](auto const& of) {
      detail::operands<E> m;
      for (int l = 0; l < 32; ++l) {
        both const theirs = of(l);
        m.put(l, theirs.a, theirs.b);
      }
      return m;
    });
    for (int n = 0; n < 4; ++n) {
      int const row = lane() / 4 + 8 * (n / 2), column = 2 * (lane() % 4) + n % 2;
      float sum = 0;
      for (int k = 0; k < detail::operands<E>::depth; ++k) sum += all.a[row][k] * all.b[k][column];
      sums[n] += sum;
    }
  }

 protected:
  detail::block_state& block_;
  int thread_;
  boost::context::fiber& back_;
  detail::stack_of_fiber& stack_;
  mutable long syncs_ = 0, meetings_ = 0, anys_ = 0;
  mutable std::vector<std::pair<std::byte*, std::byte const*>> open_;
  mutable std::deque<std::vector<std::pair<std::byte*, std::byte const*>>> groups_;
};

static_assert(basin::gpu::machine<host_device::thread_of_block>);

template <class Body>
void host_device::launch(basin::index_t blocks, Body const& body) {
  for (basin::index_t number = 0; number < blocks; ++number) {
    auto* const memory = static_cast<std::byte*>(::operator new[](shared_bytes_, std::align_val_t{1024}));
    detail::block_state block{number, threads_, shared_bytes_,
                              std::unique_ptr<std::byte[], detail::free_aligned>(memory),
                              std::vector<detail::meeting>(static_cast<std::size_t>(threads_ / 32))};
    std::memset(block.shared.get(), 0xff, shared_bytes_);        // NaN in every format: shows reads before writes
    std::exception_ptr failed;
    std::vector<detail::stack_of_fiber> stacks(static_cast<std::size_t>(threads_));
    std::vector<boost::context::fiber> fibers;
    for (int t = 0; t < threads_; ++t) {
      auto& stack = stacks[static_cast<std::size_t>(t)];
      fibers.emplace_back(std::allocator_arg, detail::known_stack{&stack}, [&, t](boost::context::fiber&& back) {
        stack.enter(&block.home);
        boost::context::fiber home = std::move(back);
        try {
          body(thread_of_block(block, t, home, stack));
        } catch (detail::abandoned const&) {
        } catch (...) {
          failed = std::current_exception();
        }
        block.moved = true;
        block.abandoned = block.abandoned || failed;
        stack.leave_for_good(block.home);
        return home;
      });
    }
    for (bool some = true; some;) {
      some = block.moved = false;
      for (std::size_t n = 0; n < fibers.size(); ++n)
        if (std::size_t const t = number % 2 == 0 ? n : fibers.size() - 1 - n; fibers[t]) {
          block.home.leave_for(stacks[t]);
          fibers[t] = std::move(fibers[t]).resume();
          block.home.enter(nullptr);
          some = some || fibers[t];
        }
      if (some && !block.moved) {
        failed = std::make_exception_ptr(
            std::logic_error("threads of a block wait for each other: a barrier that not all of them reach"));
        block.abandoned = true;
      }
    }
    if (failed) std::rethrow_exception(failed);
  }
}

}  // namespace basin_test
