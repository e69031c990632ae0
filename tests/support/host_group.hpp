// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A machine of the Hopper generation (cuda/group_machine.hpp) on the host. Everything happens as late as allowed: boxes
// are copied when a thread waits for them; products are computed, and read shared memory, when a thread waits for them.
// Until then sums are NaN.

#include <limits>

#include "support/host_machine.hpp"

namespace basin_test {

/// A tensor of 16-bit numbers, as a source of boxes: the numbers of columns, rows, heads and batches, and their strides
/// in bytes.
struct host_boxes {
  std::byte const* start = nullptr;
  basin::index_t count[4] = {}, step[4] = {};
  int rows_of_box = 0;

  template <class E>
  static host_boxes of(basin::view<E const, 4> const& v, int rows) {
    auto const bytes = static_cast<basin::index_t>(sizeof(E));
    return {reinterpret_cast<std::byte const*>(v.data_handle()), {v.extent(3), v.extent(2), v.extent(1), v.extent(0)},
            {bytes, v.stride(2) * bytes, v.stride(1) * bytes, v.stride(0) * bytes}, rows};
  }
};

template <bool Computes>                                         // true for consumers, false for the producer
class host_group : public host_device::thread_of_block {
 public:
  using base = host_device::thread_of_block;
  static constexpr bool computes = Computes;

  host_group(base const& m, host_boxes const (&tensors)[2]) : base(m), tensors_(tensors) {}

  host_group<false> fetching() const { return {*this, tensors_}; }
  template <int>
  void raise_registers() const {}
  template <int>
  void lower_registers() const {}

  std::uint32_t address(void const* in_shared) const {
    return static_cast<std::uint32_t>(static_cast<std::byte const*>(in_shared) - shared());
  }

  void start(basin::gpu::arrival_barrier* b, int arrivals) const {
    if (!state().barriers.insert({b, {arrivals, arrivals}}).second)
      throw std::logic_error("a barrier is started twice");
    b->opaque = 0;                                               // a sanitizer checks that the address is the block's
  }
  void barriers_started() const {}
  void arrive(basin::gpu::arrival_barrier* b) const { arrive_expecting(b, 0); }
  void arrive_expecting(basin::gpu::arrival_barrier* b, int bytes) const {
    auto& barrier = of(b);
    if (barrier.pending == 0) throw std::logic_error("more threads arrive at a barrier than it was started for");
    barrier.bytes += bytes, --barrier.pending;
    barrier.end_phase_if_complete();
    block_.moved = true;
  }
  void wait(basin::gpu::arrival_barrier* b, int parity) const {
    wait_until([&] {
      if (of(b).phase % 2 == parity) copy_boxes_of(b);
      return of(b).phase % 2 != parity;
    });
  }
  void copy_box(int tensor, int column, int row, int head, int batch, std::byte* to,
                basin::gpu::arrival_barrier* b) const {
    if (address(to) % basin::gpu::shared_matrix::atom != 0)
      throw std::logic_error("a box is copied to an address that is not a multiple of 1024");
    state().boxes.push_back({b, [&block = block_, &from = tensors_[tensor], column, row, head, batch, to] {
                               return copy(block, from, column, row, head, batch, to);
                             }});
  }
  void show_writes() const {}
  void sync_some(int number, int threads) const {
    long const until = (state().arrived_at[number] / threads + 1) * threads;
    arrive_some(number, threads);
    wait_until([&] { return state().arrived_at[number] >= until; });
  }
  void arrive_some(int number, int) const {
    ++state().arrived_at[number];
    block_.moved = true;
  }
  void sync_warp() const { meet("sync_warp", 0, [](auto const&) { return 0; }); }

  int same_in_warp(int n) const {
    return meet("same_in_warp", n, [&](auto const& of) {
      for (int l = 0; l < 32; ++l)
        if (of(l) != n) throw std::logic_error("same_in_warp: lanes of a warp passed different numbers");
      return n;
    });
  }

  void begin_products() const { meet("begin_products", 0, [](auto const&) { return 0; }); }
  template <class E, int N>
  void multiply(cuda::std::array<float, 4> (&sums)[N / 8], basin::gpu::shared_matrix a, basin::gpu::shared_matrix b,
                bool add) const {
    meet("multiply", 0, [](auto const&) { return 0; });
    lay_by(&sums[0], N / 8, [this, a, b, add](cuda::std::array<float, 4>* c) {
      each<N>(c, [&](float& sum, int row, int column) {
        if (!add) sum = 0;
        for (int k = 0; k < 16; ++k) sum += number<E>(a, row, k) * number<E>(b, column, k);
      });
    });
  }
  template <class E, int N>
  void mix(cuda::std::array<float, 4> (&sums)[N / 8], basin::gpu::words4 const& a, basin::gpu::shared_matrix b) const {
    struct words {
      word of[4];
    } const mine{{a[0], a[1], a[2], a[3]}};
    auto const left = meet("mix", mine, [](auto const& of) {
      detail::operands<E> m;
      for (int l = 0; l < 32; ++l) m.put(l, of(l).of, {0, 0});
      return m;
    });
    lay_by(&sums[0], N / 8, [this, left, b](cuda::std::array<float, 4>* c) {
      each<N>(c, [&](float& sum, int row, int column) {
        for (int k = 0; k < 16; ++k) sum += left.a[row % 16][k] * number_across<E>(b, k, column);
      });
    });
  }
  void end_products() const { sets_.push_back(std::move(open_set_)), open_set_.clear(); }
  template <int Sets>
  void wait_for_all_products_but() const {
    meet("wait_for_all_products_but", 0, [](auto const&) { return 0; });
    for (; sets_.size() > Sets; sets_.pop_front())
      for (auto& one : sets_.front()) {
        auto& kept = kept_[one.sums];
        std::copy_n(kept.numbers.data(), kept.numbers.size(), one.sums);
        one.make(one.sums);
        std::copy_n(one.sums, kept.numbers.size(), kept.numbers.data());
        if (--kept.waiting == 0) kept_.erase(one.sums);
        else poison(one.sums, static_cast<int>(kept.numbers.size()));
      }
  }
  template <int Tiles>
  void hold(cuda::std::array<float, 4> (&)[Tiles]) const {}
  template <int Count>
  void hold(basin::gpu::words4 (&)[Count]) const {}

 private:
  using four = cuda::std::array<float, 4>;
  struct product {
    four* sums;
    std::function<void(four*)> make;
  };
  struct kept_sums {
    std::vector<four> numbers;
    int waiting = 0;
  };

  detail::group_state& state() const { return block_.group; }
  detail::group_state::barrier& of(basin::gpu::arrival_barrier* b) const {
    auto const found = state().barriers.find(b);
    if (found == state().barriers.end()) throw std::logic_error("a barrier is used before it is started");
    return found->second;
  }
  void copy_boxes_of(basin::gpu::arrival_barrier* b) const {
    auto& boxes = state().boxes;
    for (auto box = boxes.begin(); box != boxes.end();)
      if (box->barrier == b) {
        of(b).bytes -= box->copy();
        box = boxes.erase(box);
        block_.moved = true;
      } else {
        ++box;
      }
    of(b).end_phase_if_complete();
  }

  /// The 128-byte swizzle: bits 7 to 9 of an address are XORed into bits 4 to 6.
  static std::size_t swizzled(std::size_t address) { return address ^ (address >> 7 & 7) << 4; }
  static std::byte* in_shared(detail::block_state& block, std::size_t address) {
    if (address + 2 > block.shared_bytes) throw std::logic_error("a box or a product reaches beyond shared memory");
    return block.shared.get() + address;
  }
  static int copy(detail::block_state& block, host_boxes const& from, int column, int row, int head, int batch,
                  std::byte* to) {
    auto const start = static_cast<std::size_t>(to - block.shared.get());
    for (int r = 0; r < from.rows_of_box; ++r)
      for (int n = 0; n < basin::gpu::shared_matrix::panel; ++n) {
        bool const inside = column + n < from.count[0] && row + r < from.count[1] && head < from.count[2] &&
                            batch < from.count[3];
        std::uint16_t x = 0;
        if (inside) {
          basin::index_t const offset = (column + n) * from.step[0] + (row + r) * from.step[1] + head * from.step[2] +
                                        batch * from.step[3];
          std::memcpy(&x, from.start + offset, 2);
        }
        std::memcpy(in_shared(block, swizzled(start + static_cast<std::size_t>(128 * r + 2 * n))), &x, 2);
      }
    return 128 * from.rows_of_box;
  }

  struct fields {
    std::size_t start, leading, stride;
    explicit fields(basin::gpu::shared_matrix m)
        : start((m.low & 0x3fff) << 4), leading((m.low >> 16 & 0x3fff) << 4), stride((m.high & 0x3fff) << 4) {
      if (m.high >> 30 != 1) throw std::logic_error("the matrix of a product has no 128-byte swizzle");
    }
  };
  template <class E>
  float at(std::size_t address) const {
    E x;
    std::memcpy(&x.bits, in_shared(block_, swizzled(address)), 2);
    return static_cast<float>(x);
  }
  /// A matrix stored by rows: number k of row r.
  template <class E>
  float number(basin::gpu::shared_matrix m, int r, int k) const {
    fields const f(m);
    auto const in_panel = static_cast<std::size_t>(128 * (r % 8) + 2 * k);
    return at<E>(f.start + static_cast<std::size_t>(r / 8) * f.stride + in_panel);
  }
  /// A matrix stored by columns: number n of row k, in panels of 64 numbers side by side.
  template <class E>
  float number_across(basin::gpu::shared_matrix m, int k, int n) const {
    fields const f(m);
    auto const in_panel = static_cast<std::size_t>(128 * (k % 8) + 2 * (n % 64));
    return at<E>(f.start + static_cast<std::size_t>(n / 64) * f.leading +
                   static_cast<std::size_t>(k / 8) * f.stride + in_panel);
  }

  /// Calls f(sum, row among the 64 of the group, column) for the sums of this thread.
  template <int N, class F>
  void each(four* c, F const& f) const {
    int const warp = thread() / 32 % 4, g = lane() / 4, t = lane() % 4;
    for (int n = 0; n < N / 8; ++n)
      for (int e = 0; e < 4; ++e)
        f(c[n][static_cast<std::size_t>(e)], 16 * warp + g + 8 * (e / 2), 8 * n + 2 * t + e % 2);
  }
  static void poison(four* sums, int count) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    for (int n = 0; n < count; ++n) sums[n] = {nan, nan, nan, nan};
  }
  /// Stores the values of the sums until the product is computed, and sets the sums to NaN.
  template <class Make>
  void lay_by(four* sums, int count, Make make) const {
    auto& kept = kept_[sums];
    if (kept.waiting++ == 0) kept.numbers.assign(sums, sums + count);
    poison(sums, count);
    open_set_.push_back({sums, std::move(make)});
  }

  host_boxes const (&tensors_)[2];
  mutable std::vector<product> open_set_;
  mutable std::deque<std::vector<product>> sets_;
  mutable std::map<four*, kept_sums> kept_;
};

static_assert(basin::gpu::group_machine<host_group<true>>);

}  // namespace basin_test
