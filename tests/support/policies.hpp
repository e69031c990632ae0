// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The lists over which laws and parity run: every normalizer of the library in several settings, and the archetypes. A
// new normalizer is one more line here, with its properties.

#include <tuple>

#include "basin/normalize/adaptive_temperature.hpp"
#include "basin/normalize/entmax.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/law/asentmax.hpp"
#include "basin/normalize/law/learned_ssmax.hpp"
#include "basin/normalize/law/position_steps.hpp"
#include "basin/normalize/law/su_log_n.hpp"
#include "basin/normalize/law/yarn.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/relu.hpp"
#include "basin/normalize/self_adjusted.hpp"
#include "basin/normalize/self_adjusted_plain.hpp"
#include "basin/normalize/sigmoid.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/softmax_n.hpp"
#include "basin/normalize/softpick.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/squared_relu.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/normalize/top_p.hpp"
#include "support/archetypes.hpp"

namespace basin_test {

enum class shift { changes_nothing, matters };
enum class mass { one, less, any };
enum class weights { positive, signed_too };
enum class scores { together, apart };                           // whether a weight depends on other scores of its row

/// A normalizer and its properties.
template <class N>
struct normalizer_case {
  char const* name;
  N normalize;
  shift shifted = shift::changes_nothing;
  mass sums_to = mass::one;
  weights signs = weights::positive;
  scores seen = scores::together;
};

template <class N>
normalizer_case(char const*, N) -> normalizer_case<N>;
template <class N>
normalizer_case(char const*, N, shift) -> normalizer_case<N>;
template <class N>
normalizer_case(char const*, N, shift, mass) -> normalizer_case<N>;
template <class N>
normalizer_case(char const*, N, shift, mass, weights) -> normalizer_case<N>;
template <class N>
normalizer_case(char const*, N, shift, mass, weights, scores) -> normalizer_case<N>;

inline auto softmax_family() {
  using namespace basin;
  return std::tuple{
      normalizer_case{"softmax", softmax{}},
      normalizer_case{"softmax at 0.25", softmax{0.25}},
      normalizer_case{"softmax at 7", softmax{7.0}},
      normalizer_case{"ssmax", length_scaled<softmax, ssmax>{}},
      normalizer_case{"log-n", length_scaled<softmax, log_n>{{}, {8}}},
      normalizer_case{"position steps", length_scaled<softmax, position_steps>{{}, {0.5, 2}}},
      normalizer_case{"yarn", length_scaled<softmax, yarn>{{}, {4}}},
      normalizer_case{"Su's log-n", length_scaled<softmax, su_log_n>{}},
      normalizer_case{"learned ssmax", length_scaled<softmax, learned_ssmax>{{}, {{0.5}}}},
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
      normalizer_case{"top 0.7 of the mass", top_p{0.7}},
      normalizer_case{"ssmax of top_p", length_scaled<top_p>{}},
      normalizer_case{"entmax15", entmax15{}},
      normalizer_case{"asentmax", length_scaled<entmax15, asentmax>{{}, {1, {0.3}, {0.8}}}},
      normalizer_case{"entmax 1.25", entmax{{1.25}}},
      normalizer_case{"entmax 2", entmax{{2}}},
      normalizer_case{"adaptive temperature", adaptive_temperature{}},
  };
}

/// Weights that do not sum to 1, in one pass.
inline auto sink_family() {
  using namespace basin;
  return std::tuple{
      normalizer_case{"softmax1", softmax_n{}, shift::matters, mass::less},
      normalizer_case{"softmax_n of 0.3", softmax_n{0.3}, shift::matters, mass::less},
      normalizer_case{"sink_logit", sink_logit{{1.0}}, shift::matters, mass::less},
      normalizer_case{"ssmax of sink_logit", length_scaled<sink_logit>{{{-0.5}}, {}}, shift::matters, mass::less},
      normalizer_case{"softpick", softpick{}, shift::matters, mass::less},
      normalizer_case{"self_adjusted", self_adjusted{}, shift::matters, mass::less},
      normalizer_case{"self_adjusted_plain", self_adjusted_plain{}, shift::matters, mass::any, weights::signed_too},
  };
}

inline auto pointwise_family() {
  using namespace basin;
  constexpr auto positive = weights::positive;
  return std::tuple{
      normalizer_case{"sigmoid", sigmoid{-3}, shift::matters, mass::any, positive, scores::apart},
      normalizer_case{"yarn of sigmoid", length_scaled<sigmoid, yarn>{{}, {2}}, shift::matters, mass::any, positive,
                      scores::apart},
      normalizer_case{"relu", relu{}, shift::matters, mass::any, positive, scores::apart},
      normalizer_case{"relu by the root", relu{0.5}, shift::matters, mass::any, positive, scores::apart},
      normalizer_case{"squared_relu", squared_relu{}, shift::matters, mass::any, positive, scores::apart},
  };
}

inline auto archetype_family() {
  using namespace basin;
  return std::tuple{
      normalizer_case{"one_plus_square", one_plus_square{}, shift::matters},
      normalizer_case{"ssmax of one_plus_square", length_scaled<one_plus_square>{}, shift::matters},
      normalizer_case{"tilted_square", tilted_square{}, shift::matters, mass::any, weights::signed_too},
      normalizer_case{"shy_square", shy_square{}, shift::matters, mass::less},
      normalizer_case{"ssmax of shy_square", length_scaled<shy_square>{}, shift::matters, mass::less},
  };
}

inline auto all_normalizers() {
  return std::tuple_cat(softmax_family(), threshold_family(), sink_family(), pointwise_family(), archetype_family());
}

/// Calls f(case) for every case of a family.
template <class Cases, class F>
void for_each_case(Cases const& cases, F&& f) {
  std::apply([&](auto const&... one) { (f(one), ...); }, cases);
}

}  // namespace basin_test
