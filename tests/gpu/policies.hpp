// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What runs on a device: the same lists for the tests, compiled by the host's compiler, and for the units compiled by
// nvcc. A number selects an entry, because nvcc compiles several of them in parallel (tests/gpu.sh).

#include <tuple>

#include "basin/attention.hpp"
#include "basin/core/half.hpp"
#include "basin/mask/sliding_window.hpp"
#include "support/catalogue.hpp"
#include "support/chosen.hpp"
#include "support/policies.hpp"
#include "support/reports.hpp"

namespace basin_test {

/// With observers of rows and keys, as reports_in::watch_all() creates them.
template <class Attention>
using watched = decltype(std::declval<Attention>().with(std::declval<reports>().watch_all()));

/// Normalizer N of support/policies.hpp, with masks and pruners that are chosen at run time.
inline constexpr int normalizer_count = std::tuple_size_v<decltype(all_normalizers())>;
template <int N>
using normalizer_at = decltype(std::get<N>(all_normalizers()).normalize);
template <class N>
using with_chosen = decltype(basin::attention<>{}.with(N{}).with(chosen_mask{}).with(chosen_pruner{}));

/// The whole catalogue of masks, pruners and score functions, chosen at run time, with a normalizer of one pass and one
/// that searches.
template <int N>
using catalogue_normalizer_at = std::tuple_element_t<N, std::tuple<basin::softmax, basin::sparsemax>>;
template <class N>
using with_any = decltype(basin::attention<>{}.with(N{}).with(any_mask{}).with(any_pruner{}).with(any_scorer{}));

/// The policies for random shapes: each strategy of the engine, masks that skip tiles at either end, a nonlinear score.
inline auto shape_policies() {
  basin::attention<> const full;
  auto const causal = full.with(basin::causal{});
  return std::tuple{full, causal, full.with(basin::sliding_window{.left = 70}).with(basin::soft_cap{3}),
                    causal.with(basin::sparsemax{})};
}
inline constexpr char const* shape_policy_names[] = {"softmax", "causal softmax", "window of 70, soft cap",
                                                     "causal sparsemax"};
inline constexpr int shape_policy_count = std::tuple_size_v<decltype(shape_policies())>;
template <int N>
using shape_policy_at = std::tuple_element_t<N, decltype(shape_policies())>;

/// The policies for decode: one pass with and without a mask, and one that cannot be split.
inline auto decode_policies() {
  auto const causal = basin::attention<>{}.with(basin::causal{});
  auto const window = basin::attention<>{}.with(basin::sliding_window{.left = 700});
  return std::tuple{causal, window.with(basin::softmax_n{}), causal.with(basin::sparsemax{})};
}
inline constexpr char const* decode_policy_names[] = {"causal softmax", "window of 700, softmax_n", "causal sparsemax"};
inline constexpr int decode_policy_count = std::tuple_size_v<decltype(decode_policies())>;
template <int N>
using decode_policy_at = std::tuple_element_t<N, decltype(decode_policies())>;

/// Storage of inputs and outputs: 16 bits both ways, 16 bits in and 32 out, 32 bits.
using storages = std::tuple<std::pair<basin::bfloat16, basin::bfloat16>, std::pair<basin::float16, float>,
                            std::pair<float, float>>;
inline constexpr int storage_count = std::tuple_size_v<storages>;
template <int N>
using input_at = std::tuple_element_t<N, storages>::first_type;
template <int N>
using output_at = std::tuple_element_t<N, storages>::second_type;

/// Calls f(number as a constant) for 0, ..., Count - 1.
template <int Count, class F>
void for_each_number(F const& f) {
  [&]<int... N>(std::integer_sequence<int, N...>) {
    (f(std::integral_constant<int, N>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

}  // namespace basin_test
