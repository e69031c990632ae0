// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/view.hpp, core/coord.hpp, core/problem.hpp (sizes), core/error.hpp
#include <numeric>
#include <vector>

#include "basin/core/coord.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"
#include "basin/core/view.hpp"
#include "support/catch.hpp"

#include <strings.h>

// At global scope POSIX has a function index().
using basin::index_t, basin::view, basin::contiguous;

namespace basin_test {

TEST_CASE("a contiguous view is row-major", "[unit][view]") {
  std::vector<int> memory(2 * 3 * 4 * 5);
  std::iota(memory.begin(), memory.end(), 0);
  auto const v = basin::contiguous(memory.data(), 2, 3, 4, 5);
  int expected = 0;
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 3; ++b)
      for (int c = 0; c < 4; ++c)
        for (int d = 0; d < 5; ++d) REQUIRE(v(a, b, c, d) == expected++);
  CHECK(v.extent(2) == 4);
  CHECK(v.stride(0) == 60);
  CHECK(v.stride(3) == 1);
  CHECK(v.data_handle() == memory.data());
}

TEST_CASE("a strided view reads permuted, repeated and reversed axes", "[unit][view]") {
  std::vector<int> memory(24);
  std::iota(memory.begin(), memory.end(), 0);
  using indices = std::array<basin::index_t, 3>;
  auto const permuted = basin::strided(memory.data(), indices{4, 2, 3}, indices{1, 12, 4});  // [2, 3, 4] as [4, 2, 3]
  CHECK(permuted(3, 1, 2) == 23);
  CHECK(permuted(0, 1, 0) == 12);
  auto const repeated = basin::strided(memory.data() + 5, indices{7, 7, 1}, indices{0, 0, 1});
  CHECK(repeated(6, 3, 0) == 5);
  auto const backwards = basin::strided(memory.data() + 23, indices{2, 3, 4}, indices{-12, -4, -1});
  CHECK(backwards(0, 0, 0) == 23);
  CHECK(backwards(1, 2, 3) == 0);
}

TEST_CASE("a view of mutable elements converts to a view of const elements", "[unit][view]") {
  float number = 7;
  basin::view<float const, 4> const v = basin::contiguous(&number, 1, 1, 1, 1);
  CHECK(v(0, 0, 0, 0) == 7);
  static_assert(!std::is_convertible_v<basin::view<float const, 4>, basin::view<float, 4>>);
}

TEST_CASE("the last query has the position of the last key, and query heads share key heads evenly",
          "[unit][problem]") {
  basin::problem const p{.batch = 1, .heads = 6, .kv_heads = 2, .queries = 3, .keys = 10, .dim = 1, .value_dim = 1};
  CHECK(p.position(2) == 9);
  CHECK(p.position(0) == 7);
  for (int head = 0; head < 6; ++head) CHECK(p.kv_head(head) == head / 3);
  basin::problem const longer{.batch = 1, .heads = 1, .kv_heads = 1, .queries = 5, .keys = 2, .dim = 1, .value_dim = 1};
  CHECK(longer.position(0) == -3);
  CHECK(longer.position(4) == 1);
}

TEST_CASE("every error is a basin::error and carries its message", "[unit][error]") {
  CHECK_THROWS_AS(throw basin::shape_error("x"), basin::error);
  CHECK_THROWS_AS(throw basin::value_error("x"), basin::error);
  CHECK_THROWS_AS(throw basin::unsupported_error("x"), basin::error);
  CHECK_THROWS_AS(throw basin::file_error("x"), std::runtime_error);
  CHECK(std::string(basin::value_error(basin::message("k is ", 0, ", not ", 1.5, 'x')).what()) == "k is 0, not 1.5x");
}

}  // namespace basin_test
