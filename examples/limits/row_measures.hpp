// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The numbers of every row of one layer under one normalizer, as the functions of theory/ give them.

#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include "limits/candidate.hpp"
#include "limits/figures.hpp"
#include "limits/row_plan.hpp"

namespace basin::limits {

/// Inner products of the embeddings a head sees; heads of one group share them.
struct embeddings_seen {
  std::vector<float> gram;                                      // [groups, length, length]
  index_t groups = 1, length = 0, dim = 0;
  std::vector<double> least_distance, mean_cosine;               // [groups]

  view<float const, 2> of_group(index_t g) const {
    return contiguous(gram.data() + g * length * length, length, length);
  }
};

/// Reads the rows of one call.
///
/// State     a row writes its own numbers alone, so the figures do not depend on the number of threads
class row_measures final : public row_reader {
 public:
   row_measures(limits_options const& options, row_plan const& plan, embeddings_seen const& seen,
                candidate const& normalizer, index_t layer, index_t heads);

   void read(row_at at, whole_row const& row) const override;

   /// Attends, and adds what was found.
   ///
   /// Throws    what a row threw
   void measure(view<float const, 4> q, view<float const, 4> k, int place, figures& to);

 private:
  struct seen_row;
  void measure_row(row_at at, whole_row const& row) const;
  void monitor(seen_row const& r, std::span<double> out) const;
  void measure_distances(seen_row const& r, std::span<double> out) const;
  void measure_separation(seen_row const& r, std::span<double> out) const;
  void measure_critical(seen_row const& r, std::span<double> out) const;
  void measure_gains(seen_row const& r, std::span<double> out) const;
  void gather(head_at at, figures& to) const;
  void gather_critical(head_at at, figures& to) const;
  std::span<double> numbers(index_t head, index_t slot) const;
  /// One number for every row of the model.
  std::uint64_t row_number(row_at at) const {
    return static_cast<std::uint64_t>((layer * heads + at.head) * seen.length + at.query);
  }

  limits_options const& o;
  row_plan const& plan;
  embeddings_seen const& seen;
  candidate const& normalizer;
  index_t layer, heads;
  mutable std::vector<double> values;                            // [heads, rows, columns]
  mutable std::mutex guard;
  mutable std::exception_ptr thrown;
};

}  // namespace basin::limits
