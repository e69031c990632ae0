// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The numbers of every row of one layer under one normalizer, computed by the functions of theory/.

#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include "limits/candidate.hpp"
#include "limits/figures.hpp"
#include "limits/row_plan.hpp"

namespace basin::limits {

/// Inner products of the embeddings of a head; heads of one group share them.
struct embedding_geometry {
  std::vector<float> gram;                                      // [groups, length, length]
  index_t groups = 1, length = 0, dim = 0;
  std::vector<double> least_distance, mean_cosine;               // [groups]

  view<float const, 2> of_group(index_t g) const {
    return contiguous(gram.data() + g * length * length, length, length);
  }
};

/// Measures the rows of one attention call.
///
/// State     a row writes its own numbers alone, so the figures do not depend on the number of threads
class row_measures final : public row_reader {
 public:
   row_measures(limits_options const& options, row_plan const& plan, embedding_geometry const& embeddings,
                candidate const& normalizer, index_t layer, index_t heads);

   void read(row_at at, whole_row const& row) const override;

   /// Runs the attention, and adds the means of every head to `to`.
   ///
   /// Throws    the exception of a row
   void measure(view<float const, 4> q, view<float const, 4> k, int normalizer_index, figures& to);

 private:
  struct visible_row;
  void measure_row(row_at at, whole_row const& row) const;
  void monitor(visible_row const& r, std::span<double> out) const;
  void measure_distances(visible_row const& r, std::span<double> out) const;
  void measure_separation(visible_row const& r, std::span<double> out) const;
  void measure_critical(visible_row const& r, std::span<double> out) const;
  void measure_gains(visible_row const& r, std::span<double> out) const;
  void add_head_means(head_index at, figures& to) const;
  void add_critical_means(head_index at, figures& to) const;
  std::span<double> numbers(index_t head, index_t slot) const;
  /// One number for every row of the model.
  std::uint64_t row_number(row_at at) const {
    return static_cast<std::uint64_t>((layer * heads + at.head) * embeddings.length + at.query);
  }

  limits_options const& o;
  row_plan const& plan;
  embedding_geometry const& embeddings;
  candidate const& normalizer;
  index_t layer, heads;
  mutable std::vector<double> values;                            // [heads, rows, columns]
  mutable std::mutex guard;
  mutable std::exception_ptr thrown;
};

}  // namespace basin::limits
