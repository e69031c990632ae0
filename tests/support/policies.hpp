// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The lists over which laws and parity run: every normalizer of the library in several settings, and the archetypes. A new
// normalizer is one more line here, with what it promises.

#include <tuple>

#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "support/archetypes.hpp"

namespace basin_test {

enum class shift { changes_nothing, matters };
enum class mass { one, less };

/// A normalizer and what it promises.
template <class N>
struct normalizer_case {
  char const* name;
  N normalize;
  shift shifted = shift::changes_nothing;
  mass sums_to = mass::one;
};

template <class N>
normalizer_case(char const*, N) -> normalizer_case<N>;
template <class N>
normalizer_case(char const*, N, shift) -> normalizer_case<N>;
template <class N>
normalizer_case(char const*, N, shift, mass) -> normalizer_case<N>;

inline auto softmax_family() {
  using namespace basin;
  return std::tuple{
      normalizer_case{"softmax", softmax{}},
      normalizer_case{"softmax at 0.25", softmax{0.25}},
      normalizer_case{"softmax at 7", softmax{7.0}},
      normalizer_case{"ssmax", length_scaled<softmax, ssmax>{}},
      normalizer_case{"log-n", length_scaled<softmax, log_n>{{}, {8}}},
  };
}

inline auto threshold_family() {
  using namespace basin;
  return std::tuple{
      normalizer_case{"sparsemax", sparsemax{}},
      normalizer_case{"ssmax of sparsemax", length_scaled<sparsemax>{}},
      normalizer_case{"log-n of sparsemax", length_scaled<sparsemax, log_n>{{}, {5}}},
      normalizer_case{"top 1", top_k{1}},
      normalizer_case{"top 4", top_k{4}},
      normalizer_case{"top 1000", top_k{1000}},
      normalizer_case{"ssmax of top 3", length_scaled<top_k>{{3}, {}}},
  };
}

inline auto archetype_family() {
  using namespace basin;
  return std::tuple{
      normalizer_case{"one_plus_square", one_plus_square{}, shift::matters},
      normalizer_case{"ssmax of one_plus_square", length_scaled<one_plus_square>{}, shift::matters},
      normalizer_case{"shy_square", shy_square{}, shift::matters, mass::less},
      normalizer_case{"ssmax of shy_square", length_scaled<shy_square>{}, shift::matters, mass::less},
  };
}

inline auto all_normalizers() { return std::tuple_cat(softmax_family(), threshold_family(), archetype_family()); }

/// Calls f(case) for every case of a family.
template <class Cases, class F>
void for_each_case(Cases const& cases, F&& f) {
  std::apply([&](auto const&... one) { (f(one), ...); }, cases);
}

}  // namespace basin_test
