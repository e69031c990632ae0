// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How the sinks of one head change from step to step. A step is a denoising step of a diffusion model or a generated
// token of an autoregressive model.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/sinks/ranking.hpp"
#include "basin/sinks/rule.hpp"

namespace basin::sinks {

/// A value that does not exist, such as the centroid if there are no sinks.
inline constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

/// One step of one head.
struct step_record {
  index_t keys = 0, queries = 0;
  index_t sinks = 0;                     ///< number of sinks by the rule
  index_t strongest = 0;                 ///< the key that received most, sink or not
  double strongest_share = 0;            ///< its share of all attention: c_max / queries
  double centroid = undefined;           ///< sum_{j in sinks} j c_j / sum_{j in sinks} c_j
  double jaccard_with_last = undefined;  ///< |A and B| / |A or B| with the previous step; undefined if both are empty
};

/// Summary of all steps of one head.
struct dynamics {
  double non_sink_share = undefined;     ///< mean over steps of the share of keys that are not sinks
  double persistence = undefined;        ///< probability that a sink of one step is a sink of the next
  double jaccard = undefined;            ///< mean of jaccard_with_last over the steps where it is defined
  double spatial_variance = undefined;   ///< Var_j (mean over steps of c_j): large if a few positions dominate
  double temporal_variance = undefined;  ///< Var_t (centroid_t) over the steps with sinks: large if the sinks move
  double strongest_moves = undefined;    ///< share of steps whose strongest key differs from that of the previous step
};

/// Collects the received attention of one head, step by step, and summarises how its sinks change.
///
/// Source    Myrzakhan et al. 2026, arXiv 2602.17664, section 3 (both variances, population form, of one head instead
///           of pooled); occupancy, persistence and Jaccard are basin's definitions (above)
/// Shapes    one head; a step has 1 to `capacity` keys (a cache may grow); positions count from the first key
/// Edges     a value without a case is `undefined` (NaN): centroid without sinks, persistence of a single step
/// Cost      O(keys) per step, 9 bytes per key
/// Errors    shape_error: no key or more keys than the capacity, no query; value_error: see epsilon_rule
/// Example   examples/study
class trajectory {
 public:
  explicit trajectory(index_t capacity, epsilon_rule rule = {}) : most_keys(capacity), test(rule) {
    rule.validate();
    if (capacity < 1)
      throw shape_error(message("basin::sinks::trajectory: capacity is ", capacity, "; it must be at least 1 key"));
    sums.resize(static_cast<std::size_t>(most_keys));
    times_sink.resize(static_cast<std::size_t>(most_keys));
  }

  /// Adds one step: its column sums c_j, which come from `queries` rows.
  void add_step(std::span<double const> received, index_t queries) {
    index_t const keys = static_cast<index_t>(received.size());
    if (keys < 1 || keys > most_keys)
      throw shape_error(message("basin::sinks::trajectory: a step has ", keys, " keys; the capacity is ", most_keys,
                                ", so it must have 1 to ", most_keys));
    std::vector<std::uint8_t> now(static_cast<std::size_t>(most_keys));
    step_record record{.keys = keys, .queries = queries};
    record.sinks = mark_sinks(test, received, queries, std::span(now).first(received.size()));
    record.strongest = strongest_keys(received, 1).front();
    record.strongest_share = received[static_cast<std::size_t>(record.strongest)] / static_cast<double>(queries);
    record.centroid = centroid_of(received, now);
    if (!records.empty()) record.jaccard_with_last = compare(now);
    for (std::size_t j = 0; j < received.size(); ++j) {
      sums[j] += received[j];
      times_sink[j] += now[j];
    }
    last = std::move(now);
    records.push_back(record);
  }

  std::span<step_record const> steps() const { return records; }

  /// The share of steps at which key j was a sink; [capacity].
  std::vector<double> occupancy() const {
    std::vector<double> f(times_sink.size());
    for (std::size_t j = 0; j < f.size() && !records.empty(); ++j) f[j] = static_cast<double>(times_sink[j]) / count();
    return f;
  }

  dynamics summary() const {
    dynamics d;
    if (records.empty()) return d;
    mean_of non_sinks, jaccards, moves;
    variance_of centroids, masses;
    for (std::size_t t = 0; t < records.size(); ++t) {
      step_record const& r = records[t];
      non_sinks.add(1 - static_cast<double>(r.sinks) / static_cast<double>(r.keys));
      jaccards.add(r.jaccard_with_last);
      centroids.add(r.centroid);
      if (t > 0) moves.add(r.strongest != records[t - 1].strongest);
    }
    for (double const sum : sums) masses.add(sum / count());
    double const kept = static_cast<double>(sinks_kept), followed = static_cast<double>(sinks_followed);
    d = {non_sinks.value(), followed > 0 ? kept / followed : undefined, jaccards.value(), masses.value(),
         centroids.value(), moves.value()};
    return d;
  }

 private:
  /// The mean of the defined values among those added.
  struct mean_of {
    double sum = 0, n = 0;
    void add(double x) {
      if (x != x) return;
      sum += x;
      n += 1;
    }
    double value() const { return n > 0 ? sum / n : undefined; }
  };
  /// The population variance of the defined values among those added (Welford).
  struct variance_of {
    double mean = 0, squares = 0, n = 0;
    void add(double x) {
      if (x != x) return;
      n += 1;
      double const off = x - mean;
      mean += off / n;
      squares += off * (x - mean);
    }
    double value() const { return n > 0 ? squares / n : undefined; }
  };

  double count() const { return static_cast<double>(records.size()); }

  static double centroid_of(std::span<double const> received, std::span<std::uint8_t const> marks) {
    double mass = 0, moment = 0;
    for (std::size_t j = 0; j < received.size(); ++j)
      if (marks[j]) {
        mass += received[j];
        moment += static_cast<double>(j) * received[j];
      }
    return mass > 0 ? moment / mass : undefined;
  }

  /// The Jaccard index with the previous step; also counts how many of its sinks are still sinks.
  double compare(std::span<std::uint8_t const> now) {
    index_t both = 0, either = 0, before = 0;
    for (std::size_t j = 0; j < now.size(); ++j) {
      both += now[j] && last[j];
      either += now[j] || last[j];
      before += last[j];
    }
    sinks_kept += both;
    sinks_followed += before;
    return either > 0 ? static_cast<double>(both) / static_cast<double>(either) : undefined;
  }

  index_t most_keys;
  epsilon_rule test;
  std::vector<step_record> records;
  std::vector<std::uint8_t> last;
  std::vector<double> sums;
  std::vector<index_t> times_sink;
  index_t sinks_kept = 0, sinks_followed = 0;
};

}  // namespace basin::sinks
