// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The measured quantities: one struct per head and normalizer, means over its rows. NaN where no row has the quantity.

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "basin/core/view.hpp"

namespace basin::limits {

/// A head under a normalizer, which is its index in the list.
struct head_index {
  int normalizer = 0, layer = 0, head = 0;
};

/// Theorem 1 at one length and N: figures 2a and 2b.
struct distance_figure {
  head_index index;
  index_t length = 0, n = 0;
  double true_a = NAN, true_b = NAN, true_c = NAN;               // the three readings of equation 7
  double formula = NAN, printed = NAN, proved = NAN;             // E, E', and what the expectation cannot exceed
  double bound = NAN, broken = NAN;                              // upper bound of reading a; the share of rows above it
  double exact = NAN, formula_there = NAN, proved_there = NAN;   // the expectation by drawing, and E on the same rows
  index_t rows = 0, exact_rows = 0;
};

/// Theorem 2 at one N: figure 3.
struct separation_figure {
  head_index index;
  index_t n = 0;
  double ratio = NAN;                                            // N_s / N
  double lower = NAN, lower_count = NAN;                         // the paper's bound clipped at 0; the one by counting
  double upper = NAN, upper_range = NAN, upper_tight = NAN;      // the paper's; two that are proved for uniform tokens
  double over_upper = NAN, under_lower = NAN;                    // shares of rows
  index_t rows = 0;
};

/// g(T, eps): figure 4.
struct sensitivity_figure {
  head_index index;
  double temperature = 0, epsilon = 0;
  double mean = NAN, most = NAN;
  index_t rows = 0;
};

/// Weights of a head at one length.
struct monitor_figure {
  head_index index;
  index_t length = 0;
  double entropy = NAN, saturation = NAN;                        // nats; entropy / log n
  double max_weight = NAN, n_max_weight = NAN;                   // the second is bounded by lemma 1
  double active = NAN, mass = NAN;                               // weights above 0; their sum
  index_t rows = 0;
};

/// A head at one N of the critical search.
struct searched_figure {
  head_index index;
  index_t length = 0, n = 0;
  double measured = NAN, formula = NAN, printed = NAN;
};

/// Levels of the test: the paper's text and caption say 0.01, its algorithm 3 says 0.05.
inline constexpr double critical_levels[] = {0.01, 0.05};

/// The smallest N at which the test no longer separates true and expected distances of the heads: figure 2c.
struct critical_figure {
  int normalizer = 0;
  index_t length = 0;
  std::string expected;                                          // "E" or "E'"
  double level = 0;
  std::optional<index_t> n;                                      // empty: none of those tried
};

/// Geometry of the embeddings.
struct geometry_figure {
  int layer = 0, head = 0;
  double least_distance = 0, mean_cosine = 0;
};

struct figures {
  std::vector<distance_figure> distances;
  std::vector<separation_figure> separations;
  std::vector<sensitivity_figure> sensitivities;
  std::vector<monitor_figure> monitors;
  std::vector<searched_figure> searched;
  std::vector<critical_figure> criticals;
  std::vector<geometry_figure> geometries;
};

}  // namespace basin::limits
