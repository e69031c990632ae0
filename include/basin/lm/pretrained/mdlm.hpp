// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <string>

#include "basin/lm/pretrained/hugging_face.hpp"

namespace basin::lm {

namespace detail {

/// The condition of a diffusion transformer at noise level 0, which MDLM feeds at every step: adaLN turns it into a
/// shift, a scale and a gate for each part of a block. They are constants, so they fold into the norms and matrices:
/// norm(x) (1 + scale) + shift is a LayerNorm with another weight and a bias, gate * (W x + b) another matrix.
class folded_conditions {
 public:
  folded_conditions(tensor_store const& files, std::string with_prefix, index_t dim)
      : from(files), prefix(std::move(with_prefix)), width(static_cast<std::size_t>(dim)) {
    auto const& first = from.at(prefix + "sigma_map.mlp.0.weight");
    if (first.shape.size() != 2)
      throw file_error{message("basin: ", from.origin(), ": tensor ", quotation(first.name), " has shape ",
                               spell(first.shape), "; it must be a matrix")};
    std::vector<float> level(static_cast<std::size_t>(first.shape[1]));
    std::fill_n(level.begin(), level.size() / 2, 1.0f);  // cosines of 0, then sines of 0
    index_t const conditions = first.shape[0];
    condition = silu(affine("sigma_map.mlp.2", conditions, silu(affine("sigma_map.mlp.0", conditions, level))));
  }

  /// Shifts, scales and gates, [parts, dim], in the order of the file.
  std::vector<float> of(std::string const& name, index_t parts) const {
    return affine(name, parts * static_cast<index_t>(width), condition);
  }

  void into_norm(std::string const& stored_weight, float const* shift, float const* scale, std::span<float> weight,
                 std::span<float> bias) const {
    auto const plain = values_of(stored_weight, {static_cast<index_t>(width)});
    for (std::size_t d = 0; d < width; ++d) weight[d] = plain[d] * (1 + scale[d]), bias[d] = shift[d];
  }
  /// Rows of a matrix, or the numbers of a bias.
  void into_rows(float const* gate, std::span<float> rows) const {
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] *= gate[i / (rows.size() / width)];
  }

 private:
  std::vector<float> values_of(std::string const& name, std::vector<index_t> const& shape) const {
    auto const& found = from.expect(prefix + name, shape);
    std::vector<float> all(static_cast<std::size_t>(*value_count(shape)));
    to_floats(found, all);
    return all;
  }
  std::vector<float> affine(std::string const& name, index_t outputs, std::vector<float> const& x) const {
    auto const matrix = values_of(name + ".weight", {outputs, std::ssize(x)});
    auto y = values_of(name + ".bias", {outputs});
    for (std::size_t r = 0; r < y.size(); ++r) {
      double sum = y[r];
      for (std::size_t d = 0; d < x.size(); ++d) sum += static_cast<double>(matrix[r * x.size() + d]) * x[d];
      y[r] = static_cast<float>(sum);
    }
    return y;
  }
  static std::vector<float> silu(std::vector<float> x) {
    for (float& one : x) one = one / (1 + std::exp(-one));
    return x;
  }

  tensor_store const& from;
  std::string prefix;
  std::size_t width;
  std::vector<float> condition;
};

}  // namespace detail

/// MDLM (small: 12 layers over GPT-2's tokens and a mask), a diffusion transformer that is fed noise level 0.
///
/// Source    Sahoo et al. 2024, arXiv 2406.07524; models/dit.py of kuleshov-group/mdlm. The entries of the
///           configuration are those of the authors' Hugging Face files, as far as they are known
inline pretrained_model mdlm_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  using namespace detail;
  require_absent(c, raw, "time_conditioning", "a model that is fed the noise level");
  pretrained_model m;
  m.sees = attention_span::full, m.about = logits_of::this_token;
  int const dim = size_of(c, "hidden_dim", most_width), layers = size_of(c, "n_blocks", most_layers);
  m.shape.sizes = {.vocabulary = size_of(c, "vocab_size", most_tokens),
                   .dim = dim,
                   .context = size_of(c, "model_length", most_context),
                   .norm = {norm_kind::layer, 1e-5f},
                   .head_bias = linear_bias::with};
  m.shape.layers = layers;
  m.shape.mlp = {mlp_kind::gelu_tanh, 4 * dim, linear_bias::with};
  m.shape.attention = {.dim = dim,
                       .heads = size_of(c, "n_heads", most_width),
                       .positions = rotary_config{.base = 1e4},
                       .context = m.shape.sizes.context};
  m.mask_token = m.shape.sizes.vocabulary - 1;
  m.prefixes = {"backbone.", ""};
  m.tensors = {{"embedding.weight", "vocab_embed.embedding"},
               {"layers.#.attention.query.weight", "blocks.#.attn_qkv.weight"},
               {"layers.#.attention.key.weight", "blocks.#.attn_qkv.weight", stored_layout::as_it_is, dim},
               {"layers.#.attention.value.weight", "blocks.#.attn_qkv.weight", stored_layout::as_it_is, 2 * dim},
               {"layers.#.attention.output.weight", "blocks.#.attn_out.weight"},
               {"layers.#.mlp.up.weight", "blocks.#.mlp.0.weight"},
               {"layers.#.mlp.up.bias", "blocks.#.mlp.0.bias"},
               {"layers.#.mlp.down.weight", "blocks.#.mlp.2.weight"},
               {"layers.#.mlp.down.bias", "blocks.#.mlp.2.bias"},
               {"head.weight", "output_layer.linear.weight"},
               {"head.bias", "output_layer.linear.bias"}};
  m.unused = {"rotary_emb.inv_freq"};
  for (auto const name : {"blocks.#.norm1.weight", "blocks.#.norm2.weight", "blocks.#.adaLN_modulation.weight",
                          "blocks.#.adaLN_modulation.bias", "output_layer.norm_final.weight",
                          "output_layer.adaLN_modulation.weight", "output_layer.adaLN_modulation.bias",
                          "sigma_map.mlp.0.weight", "sigma_map.mlp.0.bias", "sigma_map.mlp.2.weight",
                          "sigma_map.mlp.2.bias"})
    m.folded.emplace_back(name);
  for (auto const norm : {"layers.#.attention_norm", "layers.#.mlp_norm", "norm"})
    for (auto const part : {".weight", ".bias"}) m.made_by_fold.push_back(std::string(norm) + part);
  m.fold = [dim, layers](tensor_store const& from, std::string const& prefix, tensors_by_name const& to) {
    folded_conditions const conditions(from, prefix, dim);
    auto const norm_of = [&](std::string const& ours, std::string const& theirs, float const* shift) {
      conditions.into_norm(theirs, shift, shift + dim, to.at(ours + ".weight"), to.at(ours + ".bias"));
    };
    for (int l = 0; l < layers; ++l) {
      std::string const ours = of_layer("layers.#.", l), theirs = of_layer("blocks.#.", l);
      auto const parts = conditions.of(theirs + "adaLN_modulation", 6);
      norm_of(ours + "attention_norm", theirs + "norm1.weight", parts.data());
      conditions.into_rows(parts.data() + 2 * dim, to.at(ours + "attention.output.weight"));
      norm_of(ours + "mlp_norm", theirs + "norm2.weight", parts.data() + 3 * dim);
      for (auto const part : {"mlp.down.weight", "mlp.down.bias"})
        conditions.into_rows(parts.data() + 5 * dim, to.at(ours + part));
    }
    norm_of("norm", "output_layer.norm_final.weight", conditions.of("output_layer.adaLN_modulation", 2).data());
  };
  return m;
}

}  // namespace basin::lm
