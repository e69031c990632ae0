// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/key_value_cache.hpp
#include <functional>

#include "basin/cpu/key_value_cache.hpp"
#include "support/calls.hpp"

namespace basin_test {

namespace {

using basin::cpu::cache_shape;
using basin::cpu::sequence;
using cache = basin::cpu::key_value_cache<float>;

cache_shape const small{.kv_heads = 2, .dim = 3, .value_dim = 5, .page_size = 4};

/// n rows of keys and values; every number encodes the `tag`, the row (counted from `first`), the head and the dim.
struct rows {
  tensor<float> k, v;
  rows(index_t batch, index_t n, index_t first, float tag)
      : k({batch, 2, n, 3}, layout::length_first),
        v({batch, 2, n, 5}, layout::padded) {
    for (auto* t : {&k, &v})
      t->each([&](float& x, index_t b, index_t h, index_t i, index_t d) {
        x = number(tag + static_cast<float>(b), h, first + i, d);
      });
  }
  static float number(float tag, index_t h, index_t i, index_t d) {
    return tag * 10000 + static_cast<float>(h * 1000 + i * 10 + d);
  }
};

/// The sequence must hold rows of `tag` before `cut` and rows of `then` from there on.
void require_rows(cache const& c, sequence s, index_t length, float tag, index_t cut, float then) {
  CHECK(c.length(s) == length);
  sequence const both[] = {s, s};
  auto const batch = c.batch(both);
  auto const k = batch.keys(), v = batch.values();
  REQUIRE(k.batch() == 2);
  for (auto const& at : {k, v})
    for (index_t b = 0; b < 2; ++b) {
      REQUIRE(at.lengths(b) == length);
      bool same = true;
      for (index_t j = 0; j < length; ++j)
        for (index_t h = 0; h < 2; ++h)
          for (index_t d = 0; d < at.dim(); ++d)
            same = same && at.pages(at.table(b, j / 4), h, j % 4, d) == rows::number(j < cut ? tag : then, h, j, d);
      CHECK(same);
    }
}
void require_rows(cache const& c, sequence s, index_t length, float tag) {
  require_rows(c, s, length, tag, length, tag);
}

template <class Error>
void require_refused(std::vector<std::string> const& words, std::function<void(cache&, sequence)> const& run) {
  cache c(small);
  sequence const s = c.open();
  rows const some(1, 6, 0, 1);
  c.append(s, some.k.v, some.v.v);
  index_t const pages = c.pages(), unused = c.free_pages();
  std::string said;
  try {
    run(c, s);
  } catch (Error const& e) {
    said = e.what();
  }
  INFO("threw: " << said);
  CHECK(said.rfind("basin::cpu::key_value_cache: ", 0) == 0);
  for (auto const& word : words) {
    CAPTURE(word);
    CHECK(said.find(word) != std::string::npos);
  }
  require_rows(c, s, 6, 1);
  CHECK(c.pages() == pages);
  CHECK(c.free_pages() == unused);
}

}  // namespace

TEST_CASE("a cache returns what was appended, in calls of any length", "[unit][cache]") {
  cache c(small);
  sequence const a = c.open(), b = c.open();
  for (index_t at = 0, n = 1; at < 40; at += n, n = n % 6 + 1) {
    rows const to_a(1, n, at, 1);
    c.append(a, to_a.k.v, to_a.v.v);
    require_rows(c, a, at + n, 1);
    if (at % 2 == 0) {
      rows const to_b(1, 1, c.length(b), 2);
      c.append(b, to_b.k.v, to_b.v.v);
    }
  }
  require_rows(c, b, c.length(b), 2);
}

TEST_CASE("one append extends several sequences of different lengths", "[unit][cache]") {
  cache c(small, 20);
  sequence const s[] = {c.open(), c.open(), c.open()};
  rows const first(1, 3, 0, 6);
  c.append(s[1], first.k.v, first.v.v);
  for (index_t n = 0; n < 9; ++n) {
    rows const step(3, 1, n, 5);                                 // tags 5, 6, 7
    sequence const outer[] = {s[0], s[2]};
    tensor<float> k({2, 2, 1, 3}), v({2, 2, 1, 5});
    k.each([&](float& x, index_t b, index_t h, index_t i, index_t d) { x = step.k.v(2 * b, h, i, d); });
    v.each([&](float& x, index_t b, index_t h, index_t i, index_t d) { x = step.v.v(2 * b, h, i, d); });
    c.append(outer, k.v, v.v);
  }
  require_rows(c, s[0], 9, 5);
  require_rows(c, s[1], 3, 6);
  require_rows(c, s[2], 9, 7);
  CHECK(c.pages() == 20);                                        // 3 + 1 + 3 pages are used; the pool has not grown
  CHECK(c.free_pages() == 13);
}

TEST_CASE("pages of a closed or truncated sequence are reused", "[unit][cache]") {
  cache c(small, 4);
  sequence const a = c.open();
  rows const ten(1, 10, 0, 1), more(1, 7, 3, 1), others(1, 16, 0, 2);
  c.append(a, ten.k.v, ten.v.v);
  CHECK(c.free_pages() == 1);
  c.truncate(a, 3);
  CHECK(c.free_pages() == 3);
  require_rows(c, a, 3, 1);
  c.append(a, more.k.v, more.v.v);
  require_rows(c, a, 10, 1);
  c.close(a);
  CHECK(c.free_pages() == 4);
  sequence const b = c.open();
  c.append(b, others.k.v, others.v.v);
  require_rows(c, b, 16, 2);
  CHECK(c.pages() == 4);
}

TEST_CASE("forks share the pages of their prefix until one of them appends to a shared page", "[unit][cache]") {
  cache c(small, 16);
  sequence const a = c.open();
  rows const prefix(1, 10, 0, 1);
  c.append(a, prefix.k.v, prefix.v.v);                           // 3 pages; the last one is half full
  sequence const b = c.fork(a, 10), d = c.fork(a, 8), e = c.fork(b, 5);
  CHECK(c.free_pages() == 13);
  rows const of_b(1, 3, 10, 2), of_a(1, 1, 10, 3), of_d(1, 2, 8, 4), of_e(1, 1, 5, 5);
  c.append(b, of_b.k.v, of_b.v.v);
  CHECK(c.free_pages() == 11);                                   // a copy of the last page, and one more page
  c.append(a, of_a.k.v, of_a.v.v);
  CHECK(c.free_pages() == 11);                                   // only a still uses the last page
  c.append(d, of_d.k.v, of_d.v.v);
  CHECK(c.free_pages() == 10);                                   // a fork at the end of a page copies nothing
  c.append(e, of_e.k.v, of_e.v.v);
  require_rows(c, a, 11, 1, 10, 3);
  require_rows(c, b, 13, 1, 10, 2);
  require_rows(c, d, 10, 1, 8, 4);
  require_rows(c, e, 6, 1, 5, 5);
  c.close(a), c.close(b), c.close(d);
  require_rows(c, e, 6, 1, 5, 5);
  CHECK(c.free_pages() == 14);
  c.close(e);
  CHECK(c.free_pages() == 16);
}

TEST_CASE("a 16-bit cache stores rounded numbers", "[unit][cache]") {
  basin::cpu::key_value_cache<basin::bfloat16> c({.kv_heads = 1, .dim = 8, .value_dim = 8, .page_size = 16});
  sequence const s = c.open();
  tensor<float> k({1, 1, 20, 8}), v({1, 1, 20, 8});
  k.fill_normal(1), v.fill_normal(2);
  c.append(s, k.v, v.v);
  auto const batch = c.batch({&s, 1});
  auto const keys = batch.keys();
  k.each([&](float& x, index_t, index_t, index_t j, index_t d) {
    CHECK(static_cast<float>(keys.pages(keys.table(0, j / 16), 0, j % 16, d)) ==
          static_cast<float>(basin::bfloat16(x)));
  });
}

TEST_CASE("decoding from a cache that grows agrees with one causal forward", "[unit][cache]") {
  shape const s{1, 4, 2, 40, 40, 16, 24};
  call<float> whole(s);
  call<double> exact(s);
  basin::reference::forward(basin::attention<>{}.with(basin::causal{}), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  basin::cpu::key_value_cache<float> c({.kv_heads = 2, .dim = 16, .value_dim = 24, .page_size = 8});
  sequence const id = c.open();
  auto const at = [](tensor<float> const& t, index_t i) {
    return basin::strided(&t.v(0, 0, i, 0), std::array<index_t, 4>{1, t.v.extent(1), 1, t.v.extent(3)},
                          std::array<index_t, 4>{t.v.stride(0), t.v.stride(1), t.v.stride(2), 1});
  };
  for (index_t i = 0; i < 40; ++i) {
    c.append(id, at(whole.k, i), at(whole.v, i));
    auto const batch = c.batch({&id, 1});
    basin::cpu::decode(basin::attention<>{}.with(basin::causal{}), at(whole.q, i), batch.keys(), batch.values(),
                       at(whole.out, i));
  }
  CHECK(distance(whole.out, exact.out) <= tolerances_of<float>(s, whole.magnitudes()).out);
}

TEST_CASE("an empty sequence decodes to 0, with and without a spare page", "[unit][cache]") {
  for (index_t const spare : {0, 1}) {
    basin::cpu::key_value_cache<float> c({.kv_heads = 1, .dim = 8, .value_dim = 8, .page_size = 4}, spare);
    sequence const id = c.open();
    tensor<float> q({1, 2, 1, 8}), out({1, 2, 1, 8});
    q.fill_normal(1);
    auto const batch = c.batch({&id, 1});
    basin::cpu::decode(basin::attention<>{}.with(basin::causal{}), q.v, batch.keys(), batch.values(), out.v);
    out.each([](float x, auto...) { CHECK(x == 0); });
  }
}

TEST_CASE("a sequence that is not open is refused", "[unit][cache]") {
  require_refused<basin::value_error>({"sequence 7", "not open"},
                                      [](cache& c, sequence) { c.length(static_cast<sequence>(7)); });
  require_refused<basin::value_error>({"sequence -1", "not open"},
                                      [](cache& c, sequence) { c.close(static_cast<sequence>(-1)); });
  require_refused<basin::value_error>({"sequence 1", "not open"}, [](cache& c, sequence) {
    sequence const s = c.open();
    c.close(s);
    c.batch({&s, 1});
  });
}

TEST_CASE("truncate and fork refuse lengths beyond the sequence", "[unit][cache]") {
  require_refused<basin::value_error>({"truncate", "6 keys", "at 7", "0 to 6"},
                                      [](cache& c, sequence s) { c.truncate(s, 7); });
  require_refused<basin::value_error>({"fork", "at -1", "0 to 6"}, [](cache& c, sequence s) { c.fork(s, -1); });
}

TEST_CASE("append refuses keys and values whose shape does not match the cache", "[unit][cache]") {
  rows const good(1, 2, 0, 1), two(2, 2, 0, 1), longer(1, 3, 0, 1);
  require_refused<basin::shape_error>({"batch of k", "2", "1"},
                                      [&](cache& c, sequence s) { c.append(s, two.k.v, two.v.v); });
  require_refused<basin::shape_error>({"length of v", "3", "2"},
                                      [&](cache& c, sequence s) { c.append(s, good.k.v, longer.v.v); });
  require_refused<basin::shape_error>({"dim of k", "5", "3"},
                                      [&](cache& c, sequence s) { c.append(s, good.v.v, good.v.v); });
  require_refused<basin::shape_error>({"heads of k", "1", "2"}, [&](cache& c, sequence s) {
    c.append(s, basin::contiguous(good.k.memory.data(), 1, 1, 2, 3), good.v.v);
  });
  require_refused<basin::value_error>({"sequence 0", "twice"}, [&](cache& c, sequence s) {
    sequence const both[] = {s, s};
    c.append(both, two.k.v, two.v.v);
  });
  require_refused<basin::shape_error>({"k", "inside the cache"}, [&](cache& c, sequence s) {
    auto const keys = c.batch({&s, 1}).keys().pages;
    c.append(s, basin::contiguous(keys.data_handle(), 1, 2, 2, 3), good.v.v);
  });
}

TEST_CASE("a cache whose sizes are out of range is refused", "[unit][cache]") {
  CHECK_THROWS_AS(cache(cache_shape{.kv_heads = 0}), basin::value_error);
  CHECK_THROWS_AS(cache(cache_shape{.dim = -1}), basin::value_error);
  CHECK_THROWS_AS(cache(cache_shape{.value_dim = 0}), basin::value_error);
  CHECK_THROWS_AS(cache(cache_shape{.page_size = 0}), basin::value_error);
  CHECK_THROWS_AS(cache(small, -1), basin::value_error);
}

}  // namespace basin_test
