// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The keys and values that decode reads: chunks of equally spaced rows, in one view or in pages, read in vectors along
// a head's dim, in place.

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "basin/core/paged.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

/// n rounded up to whole vectors of T.
template <class T>
constexpr index_t in_whole_vectors(index_t n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

/// Memory at the start of a cache line, not initialised.
template <class T>
class line_buffer {
 public:
   explicit line_buffer(index_t count = 0)
       : memory(count == 0 ? nullptr
                           : static_cast<T*>(
                                 ::operator new(static_cast<std::size_t>(count) * sizeof(T), std::align_val_t(64)))) {}
   line_buffer(line_buffer const&) = delete;
   line_buffer(line_buffer&& other) noexcept : memory(std::exchange(other.memory, nullptr)) {}
   line_buffer& operator=(line_buffer const&) = delete;
   ~line_buffer() { ::operator delete(memory, std::align_val_t(64)); }
   operator T*() const { return memory; }

 private:
  T* memory;
};

/// Whether two vectors of numbers are best read at once: 16-bit numbers, where a 32-bit word holds an even and an odd
/// one, and bfloat16 becomes float by a shift or a mask of the word (2 vector operations instead of 3).
template <class T, class Storage>
inline constexpr bool reads_pairs =
    std::is_same_v<T, float>&& std::is_same_v<Storage, bfloat16>&& std::endian::native == std::endian::little;

/// How the vectors of a row lie: `pairs` pairs, of the even and of the odd numbers; then one after the other, but the
/// last one at `last`, where its first `again` numbers stand in the vector before too.
struct row_cut {
  index_t vectors, last, again, pairs;

  /// Which number of the row stands at place n of its vectors; -1 where it stood before.
  template <class T>
  index_t number_at(index_t n) const {
    index_t const pair = 2 * lanes<T>, lane = n % pair;
    if (n < pairs * pair) return n - lane + (lane < lanes<T> ? 2 * lane : 2 * (lane - lanes<T>) + 1);
    index_t const of_last = n - (vectors - 1) * lanes<T>;
    return of_last < 0 ? n : of_last < again ? -1 : last + of_last;
  }
};

/// Rows that lie in even steps.
template <class Storage>
struct key_chunk {
  Storage const* data;
  index_t step, count;
};

/// Keys that are processed together: their rows stay in L1 while all query rows use them (32 x 128 x 4 bytes = 16 KiB).
inline constexpr index_t keys_per_chunk = 32;

template <class View>
index_t keys_of(View const& from, index_t) {
  return from.extent(2);
}
template <class T>
index_t keys_of(paged_view<T> const& from, index_t batch) {
  return from.lengths(batch);
}

/// Up to `most` rows from `first` on.
template <class View>
auto rows_from(View const& from, index_t batch, index_t head, index_t first, index_t most) {
  return key_chunk<typename View::value_type>{&from(batch, head, first, 0), from.stride(2), most};
}
template <class T>
auto rows_from(paged_view<T> const& from, index_t batch, index_t head, index_t first, index_t most) {
  index_t const slot = first % from.page_size();
  T const* const at = &from.pages(from.table(batch, first / from.page_size()), head, slot, 0);
  return key_chunk<std::remove_const_t<T>>{at, from.pages.stride(2), std::min(most, from.page_size() - slot)};
}

template <class View>
view<typename View::element_type, 4> const& rows_of(View const& from) {
  return from;
}
template <class T>
view<T, 4> const& rows_of(paged_view<T> const& from) {
  return from.pages;
}

/// Whether rows can be read in place: their numbers are contiguous and fill a vector. Other rows are packed
/// chunk by chunk.
template <class T, class Source>
bool reads_in_place(Source const& from) {
  return rows_of(from).stride(3) == 1 && rows_of(from).extent(3) >= lanes<T>;
}

template <class T, class Source>
row_cut cut_of(Source const& from) {
  index_t const dim = rows_of(from).extent(3), whole = in_whole_vectors<T>(dim), vectors = whole / lanes<T>;
  if (!reads_in_place<T>(from)) return {vectors, whole - lanes<T>, 0, 0};
  return {vectors, dim - lanes<T>, whole - dim, reads_pairs<T, typename Source::value_type> ? dim / (2 * lanes<T>) : 0};
}

/// Copies a chunk into whole vectors, padded with zeros.
template <class T, class Storage>
key_chunk<T> packed_chunk(key_chunk<Storage> from, index_t dim, index_t dim_step, T* to) {
  index_t const whole = in_whole_vectors<T>(dim);
  for (index_t j = 0; j < from.count; ++j)
    for (index_t d = 0; d < whole; ++d)
      to[j * whole + d] = d < dim ? static_cast<T>(from.data[j * from.step + d * dim_step]) : T(0);
  return {to, whole, from.count};
}

/// Calls f(first key, chunk) for the keys [first, last) of a head; skips chunks for which wanted(first key, count)
/// is false. `packed` has space for keys_per_chunk rows.
template <class T, class Source, class Wanted, class F>
void over_chunks(Source const& from, index_t batch, index_t head, index_t first, index_t last, T* packed,
                 Wanted&& wanted, F&& f) {
  bool const in_place = reads_in_place<T>(from);
  for (index_t key = first; key < last;) {
    auto const chunk = rows_from(from, batch, head, key, std::min(last - key, keys_per_chunk));
    if (wanted(key, chunk.count)) {
      if (in_place) f(key, chunk);
      else f(key, packed_chunk<T>(chunk, rows_of(from).extent(3), rows_of(from).stride(3), packed));
    }
    key += chunk.count;
  }
}

}  // namespace basin::cpu::detail
