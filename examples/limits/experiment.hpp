// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One forward pass of the model with its own attention. The rotated queries and keys of every layer are then passed to
// every normalizer.

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "basin/theory/gram.hpp"
#include "basin/theory/kolmogorov_smirnov.hpp"
#include "limits/candidate.hpp"
#include "limits/figures.hpp"
#include "limits/row_measures.hpp"
#include "limits/row_plan.hpp"
#include "limits/subject.hpp"

namespace basin::limits {

namespace detail {

/// The geometry of vectors, one set [length, dim] a group; they are moved onto the unit sphere first.
inline embedding_geometry geometry_from(std::vector<std::vector<float>> groups, index_t length, index_t dim) {
  embedding_geometry embeddings{
      .gram = {}, .groups = std::ssize(groups), .length = length, .dim = dim, .least_distance = {}, .mean_cosine = {}};
  embeddings.gram.resize(groups.size() * static_cast<std::size_t>(length * length));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    auto const x = contiguous(groups[g].data(), length, dim);
    auto const gram =
        contiguous(embeddings.gram.data() + g * static_cast<std::size_t>(length * length), length, length);
    theory::onto_sphere(x);
    theory::gram_of(view<float const, 2>(x), gram);
    auto const geometry = theory::geometry_of(view<float const, 2>(gram));
    embeddings.least_distance.push_back(geometry.least_distance);
    embeddings.mean_cosine.push_back(geometry.mean_cosine);
  }
  return embeddings;
}

inline std::vector<float> rows_of(view<float const, 2> x) {
  std::vector<float> rows;
  for (index_t i = 0; i < x.extent(0); ++i)
    for (index_t d = 0; d < x.extent(1); ++d) rows.push_back(x(i, d));
  return rows;
}

/// The embedding table's row of every token.
inline embedding_geometry token_embeddings(causal_model& model, std::span<int const> tokens) {
  auto const parameters = model.parameters();
  auto const table = std::ranges::find(parameters, "embedding.weight", &nn::parameter<float>::name);
  index_t const dim = model.config().dim;
  std::vector<float> rows;
  for (int const id : tokens) {
    auto const row = table->values.subspan(static_cast<std::size_t>(id * dim), static_cast<std::size_t>(dim));
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return geometry_from({std::move(rows)}, std::ssize(tokens), dim);
}

/// The values of every head.
inline std::vector<std::vector<float>> values_of(view<float const, 4> v) {
  std::vector<std::vector<float>> groups;
  for (index_t h = 0; h < v.extent(1); ++h)
    groups.push_back(rows_of(strided(&v(0, h, 0, 0), std::array<index_t, 2>{v.extent(2), v.extent(3)},
                                     std::array<index_t, 2>{v.stride(2), v.stride(3)})));
  return groups;
}

/// The distances of the heads at one length, [N, heads], measured and expected.
struct searched_table {
  std::vector<index_t> counts;
  std::vector<double> measured, formula, printed;
};

inline searched_table table_of(figures const& f, int normalizer, index_t length) {
  searched_table table;
  std::vector<searched_figure> here;
  for (auto const& s : f.searched)
    if (s.index.normalizer == normalizer && s.length == length) here.push_back(s);
  std::ranges::stable_sort(here, {}, &searched_figure::n);
  for (auto const& s : here) {
    if (table.counts.empty() || table.counts.back() != s.n) table.counts.push_back(s.n);
    table.measured.push_back(s.measured), table.formula.push_back(s.formula), table.printed.push_back(s.printed);
  }
  return table;
}

}  // namespace detail

/// Figure 2c from the distances of the heads.
inline void find_critical(figures& f, std::vector<index_t> const& lengths, int normalizers) {
  for (int normalizer = 0; normalizer < normalizers; ++normalizer)
    for (index_t const length : lengths) {
      auto const table = detail::table_of(f, normalizer, length);
      if (table.counts.empty()) continue;
      index_t const rows = std::ssize(table.counts), heads = std::ssize(table.measured) / rows;
      auto const as_view = [&](std::vector<double> const& v) { return contiguous(v.data(), rows, heads); };
      for (double const level : critical_levels) {
        f.criticals.push_back(
            {normalizer, length, "E", level,
             theory::critical_count(table.counts, as_view(table.measured), as_view(table.formula), level)});
        f.criticals.push_back(
            {normalizer, length, "E'", level,
             theory::critical_count(table.counts, as_view(table.measured), as_view(table.printed), level)});
      }
    }
}

/// All figures. `tick` is called once for every layer and normalizer.
///
/// Cost          rows L^2 for every normalizer and head (the expectation of theorem 1); memory: the Gram matrices of a
///               layer, and the numbers of all its rows
/// Determinism   run_to_run, for any number of threads
inline figures measure(subject& s, std::vector<int> const& tokens, std::vector<candidate> const& list,
                       limits_options const& o, std::function<void()> const& tick) {
  figures f;
  row_plan const plan(o);
  embedding_geometry embeddings;
  if (o.of == embedding::token) embeddings = detail::token_embeddings(s.model, tokens);
  for_each_layer(s, tokens, [&](layer_activations const& at) {
    if (o.of == embedding::hidden)
      embeddings = detail::geometry_from({detail::rows_of(at.stream)}, at.stream.extent(0), at.stream.extent(1));
    if (o.of == embedding::value)
      embeddings = detail::geometry_from(detail::values_of(at.v), at.v.extent(2), at.v.extent(3));
    if (o.of != embedding::token || at.layer == 0)
      for (std::size_t g = 0; g < embeddings.least_distance.size(); ++g)
        f.geometries.push_back(
            {at.layer, static_cast<int>(g), embeddings.least_distance[g], embeddings.mean_cosine[g]});
    for (std::size_t n = 0; n < list.size(); ++n) {
      candidate const& one = list[n].of_layer ? list[n].of_layer(at.layer) : list[n];
      row_measures(o, plan, embeddings, one, at.layer, at.q.extent(1)).measure(at.q, at.k, static_cast<int>(n), f);
      tick();
    }
  });
  find_critical(f, o.lengths, static_cast<int>(list.size()));
  return f;
}

}  // namespace basin::limits
