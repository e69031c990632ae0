// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "basin/lm/policies/registry.hpp"
#include "basin/lm/pretrained/load.hpp"
#include "support/catch.hpp"

namespace basin::pretrained_test {

using model_type = lm::decoder<lm::attention_by_name>;

inline lm::registry const& softmax_alone() {
  static lm::registry const all = [] {
    lm::registry r;
    r.add<softmax, float>();
    return r;
  }();
  return all;
}

inline model_type load(lm::pretrained_model const& of, lm::tensor_store const& from) {
  auto const& shape = of.shape;
  lm::model_policies const policies(softmax_alone(), "softmax", shape.layers, static_cast<int>(shape.attention.heads),
                                    lm::usual_mask(of));
  model_type model(shape, std::nullopt, policies);
  lm::read_weights(model, of, from);
  return model;
}

inline std::vector<float> values_of(lm::tensor_store const& from, std::string const& name) {
  auto const& found = from.at(name);
  std::vector<float> all(static_cast<std::size_t>(*lm::value_count(found.shape)));
  lm::to_floats(found, all);
  return all;
}
inline std::vector<int> tokens_of(lm::tensor_store const& from, std::string const& name) {
  std::vector<int> all;
  for (float const x : values_of(from, name)) all.push_back(static_cast<int>(x));
  return all;
}

/// A view's numbers in the order of its indices.
inline std::vector<float> copy_of(view<float const, 4> const& from) {
  std::vector<float> all;
  for (index_t a = 0; a < from.extent(0); ++a)
    for (index_t b = 0; b < from.extent(1); ++b)
      for (index_t c = 0; c < from.extent(2); ++c)
        for (index_t d = 0; d < from.extent(3); ++d) all.push_back(from(a, b, c, d));
  return all;
}

/// The largest difference over the largest number, or over `scale` if that is larger.
inline double relative_distance(std::span<float const> a, std::span<float const> b, double scale = 0) {
  REQUIRE(a.size() == b.size());
  double difference = 0, largest = scale;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return difference / largest;
}

}  // namespace basin::pretrained_test
