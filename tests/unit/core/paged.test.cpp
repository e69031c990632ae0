// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/paged.hpp: invalid pages are refused with a clear message, and nothing is written.
#include <functional>

#include "basin/core/paged.hpp"
#include "support/calls.hpp"

namespace basin_test {

namespace {

/// A valid call: 3 sequences in pages of 4 keys, 2 key heads. Table entries beyond a length may hold any number.
struct pages_call {
  std::vector<std::int32_t> lengths{9, 0, 4}, table{5, 1, 3, -7, 99, 0, 2, 6, 6};
  std::vector<float> key_pool = std::vector<float>(6 * 2 * 4 * 8, 1), value_pool = std::vector<float>(6 * 2 * 4 * 3, 2);
  std::vector<float> queries = std::vector<float>(3 * 4 * 8, 1);
  tensor<float> out{{3, 4, 1, 3}};
  basin::view<float, 4> q = basin::contiguous(queries.data(), 3, 4, 1, 8);
  basin::paged_view<float> k{basin::contiguous(key_pool.data(), 6, 2, 4, 8),
                             basin::contiguous(std::as_const(table).data(), 3, 3),
                             basin::contiguous(std::as_const(lengths).data(), 3)};
  basin::paged_view<float> v{basin::contiguous(value_pool.data(), 6, 2, 4, 3), k.table, k.lengths};
};

void require_refused(std::vector<std::string> const& words, std::function<void(pages_call&)> const& spoil) {
  pages_call c;
  spoil(c);
  std::string said;
  try {
    basin::cpu::decode(basin::attention<>{}, c.q, c.k, c.v, c.out.v);
  } catch (basin::shape_error const& e) {
    said = e.what();
  }
  INFO("decode threw: " << said);
  CHECK(said.rfind("basin::cpu::decode: ", 0) == 0);
  for (auto const& word : words) {
    CAPTURE(word);
    CHECK(said.find(word) != std::string::npos);
  }
  CHECK(c.out.untouched());
}

}  // namespace

TEST_CASE("decode reads pages by their table, and an empty sequence gives 0", "[unit][paged]") {
  pages_call c;
  CHECK(c.k.batch() == 3);
  CHECK(c.k.heads() == 2);
  CHECK(c.k.page_size() == 4);
  CHECK(c.k.dim() == 8);
  CHECK(c.k.longest() == 9);
  basin::cpu::decode(basin::attention<>{}, c.q, c.k, c.v, c.out.v);
  c.out.each([](float& x, index_t b, index_t, index_t, index_t) { CHECK(x == (b == 1 ? 0.0f : 2.0f)); });
}

TEST_CASE("all sequences may be empty", "[unit][paged]") {
  pages_call c;
  c.lengths = {0, 0, 0};
  basin::cpu::decode(basin::attention<>{}, c.q, c.k, c.v, c.out.v);
  basin::cpu::decode(basin::attention<>{}.with(basin::sparsemax{}), c.q, c.k, c.v, c.out.v);
  CHECK(largest(c.out) == 0);
}

TEST_CASE("pages that do not exist are refused", "[unit][paged]") {
  require_refused({"k", "page 6", "place 0", "sequence 2", "from 0 to 5"}, [](pages_call& c) { c.table[6] = 6; });
  require_refused({"k", "page -1", "place 2", "sequence 0"}, [](pages_call& c) { c.table[2] = -1; });
  require_refused({"length 13", "sequence 0", "3 pages of 4", "from 0 to 12"},
                  [](pages_call& c) { c.lengths[0] = 13; });
  require_refused({"length -1", "sequence 1"}, [](pages_call& c) { c.lengths[1] = -1; });
}

TEST_CASE("pages need a table and lengths, with one row and one length for each sequence", "[unit][paged]") {
  require_refused({"table", "2 rows", "3 lengths"},
                  [](pages_call& c) { c.k.table = basin::contiguous(std::as_const(c.table).data(), 2, 3); });
  require_refused({"table of v", "no memory"}, [](pages_call& c) { c.v.table = {}; });
  require_refused({"lengths of k", "no memory"}, [](pages_call& c) { c.k.lengths = {}; });
  require_refused({"pool of k", "no memory"},
                  [](pages_call& c) { c.k.pages = basin::contiguous(static_cast<float*>(nullptr), 6, 2, 4, 8); });
  require_refused({"pool of v", "rows in a page"},
                  [](pages_call& c) { c.v.pages = basin::contiguous(c.value_pool.data(), 6, 2, 0, 3); });
}

TEST_CASE("the shapes of paged keys, paged values and queries must match", "[unit][paged]") {
  require_refused({"batch of k", "3", "2"},
                  [](pages_call& c) { c.q = basin::contiguous(c.queries.data(), 2, 4, 1, 8); });
  require_refused({"dim of k", "8", "4"}, [](pages_call& c) { c.q = basin::contiguous(c.queries.data(), 3, 4, 1, 4); });
  require_refused({"3 heads", "2", "multiple"},
                  [](pages_call& c) { c.q = basin::contiguous(c.queries.data(), 3, 3, 1, 8); });
  require_refused({"heads of v", "1", "2"},
                  [](pages_call& c) { c.v.pages = basin::contiguous(c.value_pool.data(), 6, 1, 4, 3); });
  std::vector<std::int32_t> const shorter{9, 0, 3};
  require_refused({"length of sequence 2 of v", "3", "4"},
                  [&](pages_call& c) { c.v.lengths = basin::contiguous(shorter.data(), 3); });
}

TEST_CASE("an output may not overlap the pages", "[unit][paged]") {
  pages_call c;
  CHECK_THROWS_AS(
      basin::cpu::decode(basin::attention<>{}, c.q, c.k, c.v, basin::contiguous(c.value_pool.data(), 3, 4, 1, 3)),
      basin::shape_error);
  CHECK(c.value_pool == std::vector<float>(c.value_pool.size(), 2));
}

}  // namespace basin_test
