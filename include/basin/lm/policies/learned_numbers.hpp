// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The learned numbers of a normalizer that is part of an attention's type: the counterpart of model_normalizers.hpp,
// which has those of normalizers by name.

#include <algorithm>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "basin/lm/devices/shared_vector.hpp"
#include "basin/lm/policies/model_normalizers.hpp"

namespace basin::lm {

namespace detail {

/// f(policy, number, per_head, range, row) for every number of a normalizer that can be learned.
template <class P, class F>
void for_each_learned(P& p, int& row, F const& f) {
  if constexpr (has_description<std::remove_const_t<P>>)
    described<std::remove_const_t<P>>::numbers(p, [&](char const* name, auto& value, auto const&... range) {
      if constexpr (sizeof...(range) > 0)
        f(std::string(described<std::remove_const_t<P>>::name), name, value, range..., row++);
    });
}
template <class N, class Law, class F>
void for_each_learned(length_scaled<N, Law>& p, int& row, F const& f) {
  for_each_learned(p.normalize, row, f);
  row = parameters_of<N>;
  for_each_learned(p.law, row, f);
}

template <class N, class Law>
void bind_gradients(length_scaled<N, Law>& p, view<double, 4> const& rows, int first) {
  bind_gradients(p.normalize, rows, first);
  bind_gradients(p.law, rows, first + parameters_of<N>);
}

}  // namespace detail

/// The learned numbers of a normalizer: one value a head of each number for which it declares a gradient, unless its
/// user pointed the number to memory of their own.
///
/// Requires  has_parameters<N> only with a description (lm/policies/described.hpp), which names the numbers
/// State     as layer_normalizers: the values are the caller's
template <class N>
class learned_numbers {
 public:
  learned_numbers(N const& of, index_t heads, std::pmr::memory_resource* memory)
      : plain(of), head_count(heads), values_of_call(shared_allocator<float>(memory)),
        rows(shared_allocator<double>(memory)) {
    int row = 0;
    detail::for_each_learned(plain, row, [&](std::string const& policy, char const* name, per_head const& number,
                                             per_head::range const& allowed, int at) {
      if (!number.is_one()) return;
      tensors.push_back({policy + "." + name, allowed,
                         std::vector<float>(static_cast<std::size_t>(heads), static_cast<float>(number.value))});
      row_of_tensor.push_back(at);
    });
    static_assert(parameters_of<N> == 0 || is_described<N>,
                  "basin: a layer names the learned numbers of its normalizer, and this one has no names for them; "
                  "specialise basin::lm::described for it, as lm/policies/described.hpp does");
  }

  std::vector<learned_tensor> const& learned() const { return tensors; }

  /// The normalizer over learned numbers at `values`, as attention takes it until the next call.
  template <class T>
  N bind(T const* values) {
    return bound(values, {});
  }
  /// The same for a backward pass of a call; add_gradients() has the sums afterwards.
  template <class T>
  N bind(T const* values, index_t batch, index_t queries) {
    if (tensors.empty()) return plain;
    rows.assign(static_cast<std::size_t>(parameters_of<N> * batch * head_count * queries), 0.0);
    return bound(values, contiguous(rows.data(), parameters_of<N>, batch, head_count, queries));
  }
  /// Adds the gradients of the last backward pass to `dvalues`, in the order of values, rows in order.
  template <class T>
  void add_gradients(T* dvalues, index_t batch, index_t queries) {
    if (tensors.empty()) return;
    parameter_gradients const all{contiguous(rows.data(), parameters_of<N>, batch, head_count, queries)};
    for (std::size_t t = 0; t < tensors.size(); ++t)
      for (index_t h = 0; h < head_count; ++h)
        dvalues[static_cast<index_t>(t) * head_count + h] +=
            static_cast<T>(all.sum(row_of_tensor[t], static_cast<int>(h)));
  }
  /// Moves learned numbers that an optimizer took out of their range back to its edge.
  template <class T>
  void clamp(T* values) const {
    clamp_learned(tensors, values);
  }

 private:
  template <class P>
  struct described_fully : std::bool_constant<has_description<P>> {};
  template <class M, class Law>
  struct described_fully<length_scaled<M, Law>>
      : std::bool_constant<(parameters_of<M> == 0 || described_fully<M>::value) &&
                           (parameters_of<Law> == 0 || has_description<Law>)> {};
  template <class P>
  static constexpr bool is_described = described_fully<P>::value;

  template <class T>
  N bound(T const* values, view<double, 4> gradients) {
    if (tensors.empty()) return plain;
    values_of_call.assign(values, values + tensors.size() * static_cast<std::size_t>(head_count));
    N n = plain;
    int row = 0;
    std::size_t t = 0;
    detail::for_each_learned(n, row, [&](std::string const&, char const*, per_head& number, per_head::range const&,
                                         int) {
      if (!number.is_one()) return;
      number.values = contiguous(std::as_const(values_of_call).data() + t++ * static_cast<std::size_t>(head_count),
                                 head_count);
    });
    detail::bind_gradients(n, gradients, 0);
    return n;
  }

  N plain;
  index_t head_count;
  std::vector<learned_tensor> tensors;
  std::vector<int> row_of_tensor;
  shared_vector<float> values_of_call;  // [tensors, heads]
  shared_vector<double> rows;           // [parameters, batch, heads, queries]
};

}  // namespace basin::lm
