// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The learned tensors of a layer: where they lie, what they are called, and what they are before training.

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/devices/memory.hpp"
#include "basin/nn/copy.hpp"
#include "basin/nn/device/copy.hpp"
#include "basin/nn/parameter.hpp"

namespace basin::lm {

/// What a tensor holds before training; `residual` is for matrices whose result is added to the residual stream.
enum class first_values { normal, residual, ones, zeros, given };

/// The standard deviations of random first values.
struct initial_scale {
  double normal = 0.02, residual = 0.02;
};

/// One tensor: its name, its shape and its first values.
struct tensor_part {
  std::string name;
  std::vector<index_t> shape;
  first_values start = first_values::normal;
  std::vector<float> given{};  // for first_values::given

  index_t count() const {
    index_t product = 1;
    for (index_t const n : shape) product *= n;
    return product;
  }
};

/// Tensors that lie one behind the other, values and gradients, on a device. Matrices with equal numbers of columns
/// form one matrix: so query, key and value weights are one product, and three tensors of a checkpoint.
///
/// State     a moved weight keeps its memory, so that views of it stay valid
template <class T, class Device>
class weight {
 public:
  weight() = default;
  explicit weight(std::vector<tensor_part> all) : parts(std::move(all)) {
    for (auto const& part : parts) size += static_cast<std::size_t>(part.count());
    numbers = mirrored<T, Device>(size), slopes = mirrored<T, Device>(size);
  }

  bool is_empty() const { return parts.empty(); }
  std::span<T> values() { return numbers.on_device(); }
  std::span<T> gradient() { return slopes.on_device(); }
  std::span<T> values_on_host() { return numbers.on_host(); }
  std::span<T> gradient_on_host() { return slopes.on_host(); }
  /// All parts, one below the other. // [rows, columns]
  view<T, 2> matrix() { return as_matrix(values()); }
  view<T, 2> matrix_gradient() { return as_matrix(gradient()); }

  /// Tells the device what the host has written to the values.
  void send(Device& on) { numbers.send(on); }
  /// Brings values and gradients to the host.
  void fetch(Device& on) { numbers.fetch(on), slopes.fetch(on); }
  void send_gradient(Device& on) { slopes.send(on); }
  void clear_gradient(Device& on) { nn::fill(on, gradient(), 0); }

  /// Draws the first values on the host, part after part; send() tells the device.
  void initialise(philox& random, initial_scale const& scale) {
    T* to = numbers.on_host().data();
    for (tensor_part const& part : parts)
      for (index_t i = 0; i < part.count(); ++i) *to++ = first_value(part, i, random, scale);
  }

  /// f(name, shape, offset, count) for every tensor.
  template <class F>
  void for_each_part(F const& f) const {
    std::size_t first = 0;
    for (tensor_part const& part : parts) {
      auto const count = static_cast<std::size_t>(part.count());
      f(part.name, part.shape, first, count);
      first += count;
    }
  }

 private:
  view<T, 2> as_matrix(std::span<T> all) const {
    index_t const columns = parts.front().shape.back();
    return contiguous(all.data(), std::ssize(all) / columns, columns);
  }
  static T first_value(tensor_part const& part, index_t i, philox& random, initial_scale const& scale) {
    switch (part.start) {
      case first_values::normal: return static_cast<T>(scale.normal * normal(random));
      case first_values::residual: return static_cast<T>(scale.residual * normal(random));
      case first_values::ones: return T(1);
      case first_values::zeros: return T(0);
      case first_values::given: return static_cast<T>(part.given[static_cast<std::size_t>(i)]);
    }
    return T(0);
  }

  std::vector<tensor_part> parts;
  std::size_t size = 0;
  mirrored<T, Device> numbers, slopes;
};

/// The parameters of a layer, whose weights(prefix, f) lists them: as the host sees them, or as its device does.
template <class T, class Layer>
std::vector<nn::parameter<T>> parameters_on_host(Layer& of) {
  std::vector<nn::parameter<T>> all;
  of.weights("", [&](std::string const& prefix, auto& w) {
    auto const values = w.values_on_host(), gradient = w.gradient_on_host();
    w.for_each_part([&](std::string const& name, std::vector<index_t> const& shape, std::size_t first, std::size_t n) {
      all.push_back({prefix + name, shape, values.subspan(first, n), gradient.subspan(first, n)});
    });
  });
  return all;
}
template <class T, class Layer>
std::vector<nn::parameter<T>> parameters_on_device(Layer& of) {
  std::vector<nn::parameter<T>> all;
  of.weights("", [&](std::string const& prefix, auto& w) {
    w.for_each_part([&](std::string const& name, std::vector<index_t> const& shape, std::size_t first, std::size_t n) {
      all.push_back({prefix + name, shape, w.values().subspan(first, n), w.gradient().subspan(first, n)});
    });
  });
  return all;
}

}  // namespace basin::lm
