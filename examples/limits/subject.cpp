// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "limits/subject.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/finite.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "limits/instantiate.hpp"
#include "programs/normalizers_by_name.hpp"

namespace basin::limits {

namespace {

subject load_subject(std::filesystem::path const& folder, index_t longest) {
  auto const saved = lm::load_model(folder, programs::normalizers_by_name());
  lm::require_objective(saved, "ar", "--model", folder);
  lm::require_bytes(saved);
  auto sizes = lm::architecture_of(saved.config, saved.tensors.origin());
  index_t const trained = sizes.context;
  sizes.context = std::max(sizes.context, static_cast<int>(longest));
  std::string const name = (folder / "").parent_path().filename().string();
  return {lm::restore<causal_model>(saved, sizes, programs::normalizers_by_name()), name, trained, folder,
          lm::trained_on(saved)};
}

/// How much larger random query and key weights are than usual at the start of training: so that scores spread as
/// trained ones.
inline constexpr float random_sharpness = 3;

subject random_subject(std::vector<int> const& sizes, index_t longest, std::uint64_t seed) {
  lm::llama_config const c{.vocabulary = lm::vocabulary_size,
                                     .dim = sizes[2],
                                     .layers = sizes[0],
                                     .heads = sizes[1],
                                     .kv_heads = sizes[1],
                                     .hidden = 4 * sizes[2],
                                     .context = static_cast<int>(longest)};
  subject s{causal_model(c, seed, {programs::normalizers_by_name(), "softmax", c.layers, c.heads, {causal{}}}),
            message("random ", sizes[0], " x ", sizes[1], " x ", sizes[2]),
            longest,
            {},
            {}};
  for (auto& p : s.model.parameters())
    if (p.name.ends_with("query.weight") || p.name.ends_with("key.weight"))
      for (float& x : p.values) x *= random_sharpness;
  return s;
}

/// The rows of one layer, which must be finite.
void require_finite_rows(view<float const, 4> rows, char const* which, int layer) {
  std::string const what = message("the ", which, " of layer ", layer);
  for (index_t b = 0; b < rows.extent(0); ++b)
    for (index_t h = 0; h < rows.extent(1); ++h)
      for (index_t i = 0; i < rows.extent(2); ++i)
        lm::require_finite(std::span(&rows(b, h, i, 0), static_cast<std::size_t>(rows.extent(3))), what);
}

/// Changes nothing, and passes on the activations.
struct layer_observer {
  std::function<void(layer_activations const&)> const* show;
  view<float const, 2> stream{};

  template <class Attention>
  Attention operator()(int, Attention use) const { return use; }
  void reads(int, view<float const, 2> what) { stream = what; }
  void projected(int layer, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v) const {
    require_finite_rows(q, "queries", layer), require_finite_rows(k, "keys", layer),
        require_finite_rows(v, "values", layer);
    (*show)({layer, stream, q, k, v});
  }
};

}  // namespace

subject subject_of(limits_options const& o) {
  return o.random_model.empty() ? load_subject(o.model, o.longest())
                                : random_subject(o.random_model, o.longest(), o.seed);
}

void for_each_layer(subject& s, std::span<int const> tokens,
                    std::function<void(layer_activations const&)> const& show) {
  lm::require_finite(s.model.forward(tokens, 1, static_cast<int>(tokens.size()), layer_observer{&show}),
                         "the logits");
}

std::optional<candidate> own_normalizers(subject& s) {
  bool is_plain = true;
  lm::spelled_normalizer const plain{{"softmax", {{"temperature", 1}}, false}, {}};
  s.model.for_each_layer([&](int, auto& layer) {
    for (std::size_t h = 0; h < layer.normalizers().heads(); ++h)
      is_plain = is_plain && layer.normalizers().spelled(h) == plain;
  });
  if (is_plain) return {};
  candidate own{own_name, {}, {}, candidate_origin::library, {}};
  own.of_layer = [&model = s.model](int wanted) {
    cpu::any_normalizer bound;
    model.for_each_layer([&](int l, auto& layer) {
      if (l == wanted) bound = layer.bound_normalizer(model.device());
    });
    candidates one({});
    one.add(own_name, bound);
    return std::move(one).take().front();
  };
  return own;
}

}  // namespace basin::limits
