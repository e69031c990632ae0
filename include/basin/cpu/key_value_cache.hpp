// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Storage for the keys and values of growing sequences: pages from a pool, allocated on demand and shared by sequences
// with a common prefix.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/element.hpp"
#include "basin/core/paged.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu {

/// The sizes of a cache of one layer. A page holds the keys (or values) of `page_size` positions, head after head.
struct cache_shape {
  index_t kv_heads = 1, dim = 64, value_dim = 64;
  index_t page_size = 64;  // 64 x 128 x 4 bytes = 32 KiB a head: long runs, little waste

  friend constexpr bool operator==(cache_shape const&, cache_shape const&) = default;
};

/// Names a sequence of a cache.
enum class sequence : std::int32_t {};

/// Some sequences of a cache in the form that decode() reads, in the requested order. It owns the page table, not the
/// pages: an append(), truncate() or close() of the cache invalidates it.
template <class Storage>
class cached_batch {
 public:
  cached_batch(view<Storage const, 4> key_pages, view<Storage const, 4> value_pages, index_t batch, index_t most_pages)
      : keys_in(key_pages),
        values_in(value_pages),
        width(std::max<index_t>(most_pages, 1)),
        table(static_cast<std::size_t>(batch * width)),
        lengths(static_cast<std::size_t>(batch)) {}

  void put(index_t place, std::span<std::int32_t const> pages, index_t length) {
    std::copy(pages.begin(), pages.end(), table.begin() + place * width);
    lengths[static_cast<std::size_t>(place)] = static_cast<std::int32_t>(length);
  }
  paged_view<Storage const> keys() const { return paged(keys_in); }
  paged_view<Storage const> values() const { return paged(values_in); }

 private:
  paged_view<Storage const> paged(view<Storage const, 4> const& pages) const {
    auto const batch = static_cast<index_t>(lengths.size());
    return {pages, contiguous(table.data(), batch, width), contiguous(lengths.data(), batch)};
  }

  view<Storage const, 4> keys_in, values_in;
  index_t width;
  std::vector<std::int32_t> table, lengths;
};

/// Keys and values of one layer for any number of sequences, in pages of one pool.
///
/// Source    Kwon et al. 2023, arXiv 2309.06180 (PagedAttention): block tables, pages copied when written while shared
/// Shapes    appended keys [sequences, kv_heads, n, dim] and values [sequences, kv_heads, n, value_dim], any strides;
///           rounded to Storage
/// Edges     open() returns an empty sequence; fork() copies nothing until one of the two sequences writes into a
///           shared page
/// Cost      on average page_size / 2 positions of the last page are spare; the pool doubles (one copy) when no page is
///           free, unless enough capacity was reserved
/// Errors    value_error: an empty shape, a sequence that is not open or is named twice, a length beyond the sequence;
///           shape_error: keys or values of another shape, or memory inside the cache. The cache is unchanged after an
///           error
/// Example   examples/06_decode.cpp
template <class Storage = float>
class key_value_cache {
  static_assert(element<Storage>, "basin: a key_value_cache stores double, float, basin::bfloat16 or basin::float16");

 public:
  explicit key_value_cache(cache_shape const& sizes, index_t pages = 0) : shape_(sizes) {
    for (auto const& [what, size] : {std::pair{"kv_heads", sizes.kv_heads},
                                     {"dim", sizes.dim},
                                     {"value_dim", sizes.value_dim},
                                     {"page_size", sizes.page_size}})
      if (size < 1) throw value_error(message(name, ": ", what, " is ", size, "; it must be at least 1"));
    if (pages < 0) throw value_error(message(name, ": the pool is to have ", pages, " pages; ask for 0 or more"));
    grow_to(pages);
  }

  cache_shape const& shape() const { return shape_; }
  index_t length(sequence s) const { return checked(s).length; }
  /// Pages in the pool, and how many of them are free.
  index_t pages() const { return static_cast<index_t>(uses.size()); }
  index_t free_pages() const { return static_cast<index_t>(unused.size()); }

  /// A new sequence without keys.
  sequence open() {
    auto const closed = std::find_if(sequences.begin(), sequences.end(), [](record const& r) { return !r.is_open; });
    auto const at = closed - sequences.begin();
    if (closed == sequences.end()) sequences.emplace_back();
    sequences[static_cast<std::size_t>(at)].is_open = true;
    return static_cast<sequence>(at);
  }

  /// A new sequence that begins with the first `length` keys of another one, in the same pages.
  sequence fork(sequence from, index_t length) {
    require_length("fork", from, length);
    auto const shared = first_pages(checked(from).pages, length);
    sequence const made = open();
    for (std::int32_t const page : shared) ++uses[static_cast<std::size_t>(page)];
    record& r = checked(made);
    r.pages = shared;
    r.length = length;
    return made;
  }

  /// Removes every key from `length` on.
  void truncate(sequence s, index_t length) {
    require_length("truncate", s, length);
    record& r = checked(s);
    for (std::size_t n = first_pages(r.pages, length).size(); n < r.pages.size(); ++n) leave(r.pages[n]);
    r.pages = first_pages(r.pages, length);
    r.length = length;
  }

  /// Removes a sequence; pages that no other sequence shares become free.
  void close(sequence s) {
    truncate(s, 0);
    checked(s).is_open = false;
  }

  /// Appends new keys and values to each sequence: element b of k and v belongs to which[b].
  template <class K, class V>
  void append(std::span<sequence const> which, K const& k, V const& v) {
    static_assert(entry::takes_any(entry::reads<K, V>{}, entry::writes<>{}));
    check_append(which, k, v);
    index_t const added = k.extent(2);
    index_t needed = 0;
    for (sequence const s : which) {
      needed += pages_to_take(checked(s), added);
      checked(s).pages.reserve(static_cast<std::size_t>(pages_for(length(s) + added)));
    }
    if (needed > free_pages()) grow_to(std::max(2 * pages(), pages() + needed - free_pages()));
    for (std::size_t b = 0; b < which.size(); ++b) {
      record& r = checked(which[b]);
      make_room(r, added);
      copy_rows(k, static_cast<index_t>(b), r, keys.data(), shape_.dim);
      copy_rows(v, static_cast<index_t>(b), r, values.data(), shape_.value_dim);
      r.length += added;
    }
  }
  template <class K, class V>
  void append(sequence s, K const& k, V const& v) {
    append(std::span<sequence const>(&s, 1), k, v);
  }

  /// The form that decode() reads.
  cached_batch<Storage> batch(std::span<sequence const> which) const {
    index_t most = 0;
    for (sequence const s : which) most = std::max(most, static_cast<index_t>(checked(s).pages.size()));
    cached_batch<Storage> out(pool(keys.data(), shape_.dim), pool(values.data(), shape_.value_dim),
                              static_cast<index_t>(which.size()), most);
    for (std::size_t b = 0; b < which.size(); ++b)
      out.put(static_cast<index_t>(b), checked(which[b]).pages, checked(which[b]).length);
    return out;
  }

 private:
  struct record {
    bool is_open = false;
    index_t length = 0;
    std::vector<std::int32_t> pages;
  };

  template <class T> view<T, 4> pool(T* data, index_t dim) const {
    return contiguous(data, pages(), shape_.kv_heads, shape_.page_size, dim);
  }
  index_t size_of_page(index_t dim) const { return shape_.kv_heads * shape_.page_size * dim; }
  index_t pages_for(index_t length) const { return (length + shape_.page_size - 1) / shape_.page_size; }
  std::vector<std::int32_t> first_pages(std::vector<std::int32_t> const& all, index_t length) const {
    return {all.begin(), all.begin() + pages_for(length)};
  }

  record& checked(sequence s) { return const_cast<record&>(std::as_const(*this).checked(s)); }
  record const& checked(sequence s) const {
    auto const at = static_cast<std::int32_t>(s);
    if (at < 0 || static_cast<std::size_t>(at) >= sequences.size() || !sequences[static_cast<std::size_t>(at)].is_open)
      throw value_error(
          message(name, ": sequence ", at, " is not open; use what open() and fork() gave, until close()"));
    return sequences[static_cast<std::size_t>(at)];
  }
  void require_length(char const* what, sequence s, index_t length) const {
    if (length < 0 || length > checked(s).length)
      throw value_error(message(name, ": cannot ", what, " sequence ", static_cast<std::int32_t>(s), ", which has ",
                                checked(s).length, " keys, at ", length, "; choose 0 to ", checked(s).length));
  }

  template <class K, class V>
  void check_append(std::span<sequence const> which, K const& k, V const& v) const {
    for (std::size_t b = 0; b < which.size(); ++b) {
      checked(which[b]);
      if (std::find(which.begin(), which.begin() + static_cast<std::ptrdiff_t>(b), which[b]) !=
          which.begin() + static_cast<std::ptrdiff_t>(b))
        throw value_error(message(name, ": sequence ", static_cast<std::int32_t>(which[b]),
                                  " stands twice in one append; append to it in two calls"));
    }
    check_rows("k", k, which.size(), shape_.dim, keys);
    check_rows("v", v, which.size(), shape_.value_dim, values);
    basin::detail::require_equal(name, "the number of values (length of v)", v.extent(2),
                                 "the number of keys (length of k)", k.extent(2));
    for (sequence const s : which)
      if (index_t const length = checked(s).length + k.extent(2); length > std::numeric_limits<std::int32_t>::max())
        throw value_error(message(name, ": sequence ", static_cast<std::int32_t>(s), " would have ", length,
                                  " keys; lengths are kept in 32 bits"));
  }
  template <class Rows>
  void check_rows(char const* what, Rows const& rows, std::size_t sequences_given, index_t dim,
                  std::vector<Storage> const& own) const {
    basin::detail::require_extents(name, what, rows);
    basin::detail::require_equal(name, message("the batch of ", what).c_str(), rows.extent(0),
                                 "the number of sequences", static_cast<index_t>(sequences_given));
    basin::detail::require_equal(name, message("the number of heads of ", what).c_str(), rows.extent(1),
                                 "that of the cache", shape_.kv_heads);
    basin::detail::require_equal(name, message("the dim of ", what).c_str(), rows.extent(3), "that of the cache", dim);
    auto const [low, high] = basin::detail::footprint_of(rows).bytes();
    auto const begin = reinterpret_cast<std::intptr_t>(own.data()),
               end = begin + static_cast<std::intptr_t>(own.size() * sizeof(Storage));
    if (low < end && begin < high)
      throw shape_error(
          message(name, ": ", what, " lies inside the cache; append from other memory, or fork() the sequence"));
  }

  void grow_to(index_t count) {
    unused.reserve(static_cast<std::size_t>(count));
    uses.reserve(static_cast<std::size_t>(count));
    values.reserve(static_cast<std::size_t>(count * size_of_page(shape_.value_dim)));
    keys.resize(static_cast<std::size_t>(count * size_of_page(shape_.dim)));
    values.resize(static_cast<std::size_t>(count * size_of_page(shape_.value_dim)));
    for (index_t page = count; page-- > pages();) unused.push_back(static_cast<std::int32_t>(page));
    uses.resize(static_cast<std::size_t>(count), 0);
  }
  void leave(std::int32_t page) {
    if (--uses[static_cast<std::size_t>(page)] == 0) unused.push_back(page);
  }
  std::int32_t take_page() {
    std::int32_t const page = unused.back();
    unused.pop_back();
    uses[static_cast<std::size_t>(page)] = 1;
    return page;
  }
  /// Whether the next key goes into a page that another sequence reads.
  bool writes_into_shared(record const& r) const {
    return r.length % shape_.page_size != 0 && uses[static_cast<std::size_t>(r.pages.back())] > 1;
  }
  index_t pages_to_take(record const& r, index_t added) const {
    return pages_for(r.length + added) - pages_for(r.length) + writes_into_shared(r);
  }

  void make_room(record& r, index_t added) {
    if (writes_into_shared(r)) {
      std::int32_t const from = r.pages.back(), to = take_page();
      for (auto const& [memory, dim] : {std::pair{&keys, shape_.dim}, {&values, shape_.value_dim}})
        std::copy_n(memory->begin() + from * size_of_page(dim), size_of_page(dim),
                    memory->begin() + to * size_of_page(dim));
      leave(from);
      r.pages.back() = to;
    }
    while (static_cast<index_t>(r.pages.size()) < pages_for(r.length + added)) r.pages.push_back(take_page());
  }
  template <class Rows>
  void copy_rows(Rows const& from, index_t b, record const& r, Storage* data, index_t dim) const {
    auto const to = pool(data, dim);
    for (index_t h = 0; h < shape_.kv_heads; ++h)
      for (index_t i = 0; i < from.extent(2); ++i) {
        index_t const at = r.length + i;
        Storage* const row = &to(r.pages[static_cast<std::size_t>(at / shape_.page_size)], h, at % shape_.page_size, 0);
        for (index_t d = 0; d < dim; ++d)
          row[d] = static_cast<Storage>(static_cast<compute_t<Storage>>(from(b, h, i, d)));
      }
  }

  static constexpr char const* name = "basin::cpu::key_value_cache";
  cache_shape shape_;
  std::vector<Storage> keys, values;                             // [pages, kv_heads, page_size, dim]
  std::vector<std::int32_t> uses, unused;  // the number of sequences that use each page; the free pages
  std::vector<record> sequences;
};

}  // namespace basin::cpu
