// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The normalizers of a whole model, by layer and head, and the tensors of their learned numbers.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "basin/cpu/any_normalizer.hpp"
#include "basin/lm/devices/shared_vector.hpp"
#include "basin/lm/policies/registry.hpp"
#include "basin/lm/views.hpp"

namespace basin::lm {

/// A learned number of the normalizers of one layer, one value a head. Heads whose normalizer does not have it get no
/// gradient.
struct learned_tensor {
  std::string name;                                              // sink_logit.logit
  per_head::range allowed;
  std::vector<float> initial;                                    // [heads]
};

namespace detail {

/// The least float that is not below the range.
inline float least_in(per_head::range const& r) {
  float const x = static_cast<float>(r.least);
  return static_cast<double>(x) < r.least ? std::nextafter(x, math::largest<float>) : x;
}

}  // namespace detail

/// Moves values, tensor after tensor, back to the edge of their range.
template <class T>
void clamp_learned(std::span<learned_tensor const> tensors, T* values) {
  for (learned_tensor const& tensor : tensors)
    for (std::size_t h = 0; h < tensor.initial.size(); ++h, ++values)
      *values =
          std::clamp(*values, static_cast<T>(detail::least_in(tensor.allowed)), static_cast<T>(tensor.allowed.most));
}

/// The normalizers of the heads of one layer. A copy has numbers of its own.
///
/// State     learned numbers are the caller's, tensor after tensor, each [heads], and are copied by bind(); what rows
///           add to their gradients is kept here until add_gradients()
class layer_normalizers {
 public:
  layer_normalizers(registry const& from, std::vector<spelled_normalizer> const& heads) {
    for (spelled_normalizer const& wanted : heads) {
      auto const made = from.find(wanted);
      auto const known = std::find_if(groups.begin(), groups.end(),
                                      [&](group const& g) { return g.made->spelled() == made->spelled(); });
      group_of_head.push_back(static_cast<std::size_t>(known - groups.begin()));
      if (known == groups.end()) groups.push_back({made, {}});
    }
    for (group& g : groups)
      for (std::size_t n = 0; n < g.made->learned().size(); ++n) g.tensors.push_back(place_of(g, n));
  }

  std::size_t heads() const { return group_of_head.size(); }
  /// The normalizer of a head, with all its numbers; those that are learned with their first values.
  spelled_normalizer spelled(std::size_t head) const { return groups[group_of_head[head]].made->spelled(); }
  std::vector<learned_tensor> const& learned() const { return tensors; }
  std::type_info const& type_of(std::size_t head) const { return groups[group_of_head[head]].made->type(); }
  bool share(index_t one, index_t other) const {
    return group_of_head[static_cast<std::size_t>(one)] == group_of_head[static_cast<std::size_t>(other)];
  }

  /// Keeps what kernels read and write of learned numbers in this memory from the next bind() on.
  void keep_numbers_in(std::pmr::memory_resource* memory) {
    numbers = shared_vector<float>(shared_allocator<float>(memory));
    rows = shared_vector<double>(shared_allocator<double>(memory));
  }
  /// The normalizers over learned numbers at `values`, as attention takes them until the next call.
  template <class T>
  cpu::any_normalizer bind(T const* values) {
    copy_numbers(values), gradients = {};
    return bound();
  }
  /// The same for a backward pass of a call; add_gradients() has the sums afterwards.
  template <class T>
  cpu::any_normalizer bind(T const* values, index_t batch, index_t queries) {
    copy_numbers(values);
    gradients = {};
    if (tensors.empty()) return bound();
    index_t const head_count = static_cast<index_t>(heads());
    rows.assign(static_cast<std::size_t>(cpu::any_normalizer::parameters * batch * head_count * queries), 0.0);
    gradients = contiguous(rows.data(), cpu::any_normalizer::parameters, batch, head_count, queries);
    return bound();
  }
  /// After bind(): the normalizer of heads [first, first + count), which share one, for a call of these heads alone.
  cpu::held_normalizer bound_to(index_t first, index_t count) const {
    group const& g = groups[group_of_head[static_cast<std::size_t>(first)]];
    learned_memory memory{{}, part_of<2>(gradients, first, count)};
    for (std::size_t const t : g.tensors) memory.values.push_back(part_of<0>(values_of(t), first, count));
    return g.made->make(memory);
  }
  /// Adds the gradients of the last backward pass to `dvalues`, in the order of values, rows in order.
  template <class T>
  void add_gradients(T* dvalues, index_t batch, index_t queries) {
    index_t const head_count = static_cast<index_t>(heads());
    parameter_gradients const all{contiguous(rows.data(), cpu::any_normalizer::parameters, batch, head_count, queries)};
    for (index_t head = 0; head < head_count; ++head) {
      group const& g = groups[group_of_head[static_cast<std::size_t>(head)]];
      for (std::size_t n = 0; n < g.tensors.size(); ++n)
        dvalues[static_cast<index_t>(g.tensors[n]) * head_count + head] +=
            static_cast<T>(all.sum(g.made->learned()[n].row, static_cast<int>(head)));
    }
  }
  /// Moves learned numbers that an optimizer took out of their range back to its edge.
  template <class T>
  void clamp(T* values) const {
    clamp_learned(tensors, values);
  }

 private:
  struct group {
    std::shared_ptr<recipe const> made;
    std::vector<std::size_t> tensors;                            // of its learned numbers
  };

  /// The tensor of learned number n of a group: that of other heads with a normalizer of the same name, or a new one.
  std::size_t place_of(group const& g, std::size_t n) {
    auto const& number = g.made->learned()[n];
    std::string const name = number.policy + "." + number.name;
    auto known = std::find_if(tensors.begin(), tensors.end(), [&](learned_tensor const& t) { return t.name == name; });
    if (known == tensors.end())
      known = tensors.insert(tensors.end(),
                             {name, number.allowed, std::vector<float>(heads(), static_cast<float>(number.initial))});
    for (std::size_t h = 0; h < heads(); ++h)
      if (&groups[group_of_head[h]] == &g) known->initial[h] = static_cast<float>(number.initial);
    return static_cast<std::size_t>(known - tensors.begin());
  }
  template <class T>
  void copy_numbers(T const* values) {
    numbers.assign(values, values + tensors.size() * heads());
  }
  view<float const, 1> values_of(std::size_t tensor) const {
    return contiguous(std::as_const(numbers).data() + tensor * heads(), static_cast<index_t>(heads()));
  }
  cpu::any_normalizer bound() {
    held.clear();
    for (group const& g : groups) {
      learned_memory memory{{}, gradients};
      for (std::size_t const t : g.tensors) memory.values.push_back(values_of(t));
      held.push_back(g.made->make(memory));
    }
    of_heads.clear();
    for (std::size_t const g : group_of_head) of_heads.push_back(held[g].get());
    return {of_heads.data(), static_cast<index_t>(of_heads.size())};
  }

  std::vector<group> groups;
  std::vector<std::size_t> group_of_head;
  std::vector<learned_tensor> tensors;
  std::vector<cpu::held_normalizer> held;
  std::vector<cpu::detail::normalizer_base const*> of_heads;
  shared_vector<float> numbers;                                  // [tensors, heads]
  shared_vector<double> rows;                                    // [any_normalizer::parameters, batch, heads, queries]
  view<double, 4> gradients;                                     // of the last bind(): rows, or none
};

/// The normalizers of all layers.
class model_normalizers {
 public:
  /// Of [layer][head].
  ///
  /// Throws    value_error: a name that does not exist, a number that it does not have or that is out of range
  model_normalizers(registry const& from, std::vector<std::vector<spelled_normalizer>> const& wanted) {
    for (auto const& heads : wanted) layers.emplace_back(from, heads);
  }
  /// Of a text such as "softmax; layers 2-3: entmax15".
  ///
  /// Throws    value_error: also a layer or head that the model does not have, or two policies for one head
  model_normalizers(registry const& from, std::string_view text, int layer_count, int head_count)
      : model_normalizers(from, wanted_by(text, layer_count, head_count)) {}

  layer_normalizers& layer(int l) { return layers.at(static_cast<std::size_t>(l)); }
  layer_normalizers const& layer(int l) const { return layers.at(static_cast<std::size_t>(l)); }
  int count() const { return static_cast<int>(layers.size()); }

 private:
   static std::vector<std::vector<spelled_normalizer>> wanted_by(std::string_view text, int layer_count,
                                                                 int head_count) {
     auto const all = parse_assignments(text);
     std::vector<std::vector<spelled_normalizer>> wanted;
     for (auto const& heads : resolve(all, layer_count, head_count)) {
       auto& row = wanted.emplace_back();
       for (std::size_t const n : heads) row.push_back(all[n].policy);
     }
     return wanted;
   }

  std::vector<layer_normalizers> layers;
};

}  // namespace basin::lm
