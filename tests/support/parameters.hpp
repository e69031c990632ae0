// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The normalizers over which tests of learned numbers run: all that have any. A new one is one more line here.

#include <array>

#include "basin/concepts/parameters.hpp"
#include "support/policies.hpp"

namespace basin_test {

/// A normalizer made from its learned numbers, with their start values. Scores are multiplied by at most `steep`; the
/// factor of a learned number in ds_j is at most `scale`.
template <class Make, std::size_t Count>
struct learned_case {
  char const* name;
  std::array<double, Count> numbers;
  double steep, scale;
  Make make;
};
template <class Make, std::size_t Count>
learned_case(char const*, std::array<double, Count>, double, double, Make) -> learned_case<Make, Count>;

/// The memory for the gradients of the first `count` numbers, and of the others: a normalizer and its law need one
/// each.
inline basin::parameter_gradients of_first(basin::parameter_gradients to, basin::index_t count) {
  auto const& r = to.rows;
  if (r.data_handle() == nullptr) return to;
  return {basin::contiguous(r.data_handle(), count, r.extent(1), r.extent(2), r.extent(3))};
}
inline basin::parameter_gradients of_rest(basin::parameter_gradients to, basin::index_t count) {
  auto const& r = to.rows;
  if (r.data_handle() == nullptr) return to;
  basin::index_t const rest = r.extent(0) - count;
  return {basin::contiguous(r.data_handle() + count * r.stride(0), rest, r.extent(1), r.extent(2), r.extent(3))};
}

inline auto learned_normalizers() {
  using namespace basin;
  using gradients = parameter_gradients;
  return std::tuple{
      learned_case{"tilted_square", std::array{0.75, 0.5}, 2, 8,
                   [](auto const& x, gradients to) { return tilted_square{{x[0]}, x[1], to}; }},
      learned_case{"ssmax of tilted_square", std::array{0.75, 0.5}, 4, 8,
                   [](auto const& x, gradients to) { return length_scaled<tilted_square>{{{x[0]}, x[1], to}, {}}; }},
      learned_case{"sink_logit", std::array{0.5}, 1, 1,
                   [](auto const& x, gradients to) { return sink_logit{{x[0]}, to}; }},
      learned_case{"ssmax of sink_logit", std::array{-0.5}, 2, 1,
                   [](auto const& x, gradients to) { return length_scaled<sink_logit>{{{x[0]}, to}, {}}; }},
      learned_case{"learned ssmax", std::array{0.4}, 2, 16,
                   [](auto const& x, gradients to) { return length_scaled<softmax, learned_ssmax>{{}, {{x[0]}, to}}; }},
      learned_case{"learned ssmax of top_p", std::array{0.4}, 2, 16,
                   [](auto const& x, gradients to) {
                     return length_scaled<top_p, learned_ssmax>{{0.8}, {{x[0]}, to}};
                   }},
      learned_case{"asentmax", std::array{0.5, 0.7}, 4, 16,
                   [](auto const& x, gradients to) {
                     return length_scaled<entmax15, asentmax>{{}, {1, {x[0]}, {x[1]}, to}};
                   }},
      learned_case{"entmax", std::array{1.4}, 1, 64,
                   [](auto const& x, gradients to) { return entmax{{x[0]}, to}; }},
      learned_case{"learned ssmax of sink_logit", std::array{0.5, 0.4}, 2, 16,
                   [](auto const& x, gradients to) {
                     return length_scaled<sink_logit, learned_ssmax>{{{x[0]}, of_first(to, 1)},
                                                                     {{x[1]}, of_rest(to, 1)}};
                   }},
      learned_case{"asentmax of entmax", std::array{1.4, 0.5, 0.7}, 4, 64,
                   [](auto const& x, gradients to) {
                     return length_scaled<entmax, asentmax>{{{x[0]}, of_first(to, 1)},
                                                            {1, {x[1]}, {x[2]}, of_rest(to, 1)}};
                   }},
      learned_case{"yarn of entmax", std::array{1.3}, 2, 64,
                   [](auto const& x, gradients to) { return length_scaled<entmax, yarn>{{{x[0]}, to}, {4}}; }},
  };
}

}  // namespace basin_test
