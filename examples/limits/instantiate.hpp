// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Instantiates the engine for the type of a normalizer.

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/mask/causal.hpp"
#include "basin/theory/sensitivity.hpp"
#include "limits/candidate.hpp"

namespace basin::limits {

template <normalizer N>
void candidates::add(std::string name, N normalize) {
  auto attend = [normalize](view<float const, 4> q, view<float const, 4> k, row_reader const& reader) {
    // The values are the first feature of the keys: only the weights are used, not the output.
    auto const v = strided(k.data_handle(), std::array<index_t, 4>{k.extent(0), k.extent(1), k.extent(2), 1},
                           std::array<index_t, 4>{k.stride(0), k.stride(1), k.stride(2), k.stride(3)});
    std::vector<float> ignored(static_cast<std::size_t>(q.extent(0) * q.extent(1) * q.extent(2)));
    cpu::forward(attention<>{}.with(normalize).with(causal{}).with(pass_rows_to{&reader}), q, k, v,
                 contiguous(ignored.data(), q.extent(0), q.extent(1), q.extent(2), 1));
  };
  auto gains = [normalize](std::span<double const> scores, std::span<double const> direction,
                           std::span<double const> temperatures, std::span<double const> steps,
                           row_context<double> context, view<double, 2> out) {
    theory::gains(normalize, scores, direction, temperatures, steps, context, out);
  };
  list.push_back({std::move(name), std::move(attend), std::move(gains), origin, {}});
}

}  // namespace basin::limits
