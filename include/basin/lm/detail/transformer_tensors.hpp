// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Where the weights of a transformer lie: one allocation, in the order of `for_each_tensor`. Query, key and value
// weights are neighbours, and so are gate and up: each group is one matrix to the layers and separate tensors to a
// checkpoint.

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/lm/policies/model_normalizers.hpp"
#include "basin/lm/transformer_config.hpp"
#include "basin/nn/parameter.hpp"

namespace basin::lm::detail {

enum class initial { normal, residual_output, one, own };        // own: the normalizers say

/// A model whose normalizers are part of its type has no tensors for them.
struct no_normalizers {};

/// Calls see(name, heads) for the learned numbers of the normalizers of a layer.
template <class See>
void for_each_learned(no_normalizers const&, int, See const&) {}
template <class See>
void for_each_learned(lm::model_normalizers const& of, int layer, See const& see) {
  for (auto const& tensor : of.layer(layer).learned()) see(tensor.name, static_cast<index_t>(tensor.initial.size()));
}

/// Calls see(name, shape, initial) for every tensor, in the order in which they lie in memory.
template <class Normalizers, class See>
void for_each_tensor(transformer_config const& c, Normalizers const& normalizers, See see) {
  index_t const dim = c.dim, hidden = c.hidden, queries = c.heads * c.head_dim(), keys = c.kv_heads * c.head_dim();
  see("embedding.weight", {c.vocabulary, dim}, initial::normal);
  for (int l = 0; l < c.layers; ++l) {
    std::string const layer = "layers." + std::to_string(l) + ".";
    see(layer + "attention_norm.weight", {dim}, initial::one);
    see(layer + "attention.query.weight", {queries, dim}, initial::normal);
    see(layer + "attention.key.weight", {keys, dim}, initial::normal);
    see(layer + "attention.value.weight", {keys, dim}, initial::normal);
    see(layer + "attention.output.weight", {dim, queries}, initial::residual_output);
    for_each_learned(normalizers, l, [&](std::string const& name, index_t heads) {
      see(layer + "attention." + name, {heads}, initial::own);
    });
    see(layer + "mlp_norm.weight", {dim}, initial::one);
    see(layer + "mlp.gate.weight", {hidden, dim}, initial::normal);
    see(layer + "mlp.up.weight", {hidden, dim}, initial::normal);
    see(layer + "mlp.down.weight", {dim, hidden}, initial::residual_output);
  }
  see("norm.weight", {dim}, initial::one);
  if (c.head == output_head::untied) see("head.weight", {c.vocabulary, dim}, initial::normal);
}

inline index_t count_of(std::vector<index_t> const& shape) {
  index_t count = 1;
  for (index_t const n : shape) count *= n;
  return count;
}

template <class Normalizers>
index_t value_count(transformer_config const& c, Normalizers const& normalizers) {
  index_t count = 0;
  for_each_tensor(c, normalizers,
                  [&](std::string const&, std::vector<index_t> const& shape, initial) { count += count_of(shape); });
  return count;
}

template <class T, class Normalizers>
std::vector<nn::parameter<T>> named_parameters(transformer_config const& c, Normalizers const& normalizers,
                                               std::span<T> values, std::span<T> gradient) {
  std::vector<nn::parameter<T>> parameters;
  std::size_t at = 0;
  for_each_tensor(c, normalizers, [&](std::string const& name, std::vector<index_t> const& shape, initial) {
    std::size_t const n = static_cast<std::size_t>(count_of(shape));
    parameters.push_back({name, shape, values.subspan(at, n), gradient.subspan(at, n)});
    at += n;
  });
  return parameters;
}

/// N(0, 0.02); what is added to the residual stream is smaller by sqrt(2 layers), so that the stream starts with the
/// same variance at any depth. Source: Radford et al. 2019, section 2.3.
template <class T, class Normalizers>
void initialise(transformer_config const& c, Normalizers const& normalizers, std::uint64_t seed, std::span<T> values) {
  philox rng(seed);
  T* at = values.data();
  for_each_tensor(c, normalizers, [&](std::string const&, std::vector<index_t> const& shape, initial kind) {
    if (kind == initial::own) return void(at += count_of(shape));
    double const scale = kind == initial::residual_output ? 0.02 / std::sqrt(2.0 * c.layers) : 0.02;
    for (index_t i = 0; i < count_of(shape); ++i)
      *at++ = kind == initial::one ? T(1) : static_cast<T>(scale * normal(rng));
  });
}

/// The tensors as the layers use them; of the weights or, with another base, of their gradients.
template <class T>
struct layer_tensors {
  std::span<T> attention_norm;
  view<T, 2> qkv;     // [(heads + 2 kv_heads) head_dim, dim]
  view<T, 2> output;  // [dim, heads head_dim]
  std::span<T> learned;  // [learned numbers of the normalizers, heads]
  std::span<T> mlp_norm;
  view<T, 2> gate_up;  // [2 hidden, dim]
  view<T, 2> down;     // [dim, hidden]
};

template <class T>
struct transformer_tensors {
  view<T, 2> embedding, head;  // [vocabulary, dim]; the same memory when tied
  std::span<T> norm;
  std::vector<layer_tensors<T>> layers;

  template <class Normalizers>
  transformer_tensors(transformer_config const& c, Normalizers const& normalizers, T* at) {
    auto const matrix = [&at](index_t rows, index_t columns) {
      T* const begin = at;
      at += rows * columns;
      return contiguous(begin, rows, columns);
    };
    auto const vector = [&at](index_t n) {
      T* const begin = at;
      at += n;
      return std::span<T>(begin, static_cast<std::size_t>(n));
    };
    embedding = matrix(c.vocabulary, c.dim);
    for (int l = 0; l < c.layers; ++l) {
      layer_tensors<T> layer;  // in the order of for_each_tensor
      layer.attention_norm = vector(c.dim);
      layer.qkv = matrix(c.qkv_dim(), c.dim);
      layer.output = matrix(c.dim, c.heads * c.head_dim());
      index_t learned = 0;
      for_each_learned(normalizers, l, [&](std::string const&, index_t heads) { learned += heads; });
      layer.learned = vector(learned);
      layer.mlp_norm = vector(c.dim);
      layer.gate_up = matrix(2 * c.hidden, c.dim);
      layer.down = matrix(c.dim, c.hidden);
      layers.push_back(layer);
    }
    norm = vector(c.dim);
    head = c.head == output_head::tied ? embedding : matrix(c.vocabulary, c.dim);
  }
};

}  // namespace basin::lm::detail
