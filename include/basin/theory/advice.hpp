// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The guidelines of arXiv 2508.17821, section 6, as functions: what to do about the length L, the number of active keys
// k and the temperature T, with the reason, the source and whether the claim could be confirmed.

#include <cmath>
#include <string>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/theory/bounds.hpp"
#include "basin/theory/saturation.hpp"

namespace basin::theory {

/// What supports a guideline: `proved` here; `reported` by others only; `contradicted` by what is proved or measured
/// here, for the reason given in the advice.
enum class standing { proved, reported, contradicted };

enum class verdict { fine, change };

/// One piece of advice.
struct advice {
  verdict what = verdict::fine;
  double limit = 0;                                              // the value that the verdict compares with
  std::string reason;
  std::string source;
  standing status = standing::reported;
};

/// How many of L keys should be active: at most 0.06 L, and at least one.
///
/// Errors    value_error: no key, k outside [1, L]
inline advice on_active_keys(index_t length, index_t k) {
  detail::require_length("basin::theory::on_active_keys", length);
  if (k < 1 || k > length)
    throw value_error(message("basin::theory::on_active_keys: k is ", k, " of ", length,
                              " keys; it must lie in [1, ", length, "]"));
  double const limit = std::fmax(1.0, 0.06 * static_cast<double>(length));
  bool const small = static_cast<double>(k) <= limit;
  return {small ? verdict::fine : verdict::change, limit,
          small ? message(k, " active keys of ", length, " are within 6 %, beyond which the paper's true and expected",
                          " distances agree")
                : message(k, " active keys of ", length, " are more than 6 %, beyond which the paper finds no gain;",
                          " a sparse normalizer (top_k, sparsemax, entmax) keeps fewer"),
          "arXiv 2508.17821, section 6, guideline 1 (critical N about 0.06 L, measured on GPT-2)",
          standing::contradicted};
}

/// Whether softmax at temperature T, with scores in [-score_range, score_range], can still give one of L keys the
/// weight `share`.
///
/// Errors    value_error: as score_range_needed; a temperature that is not positive, a `score_range` below 0
inline advice on_length(index_t length, double score_range, double temperature, double share = 0.5) {
  detail::require_score_range("basin::theory::on_length", score_range);
  detail::require_positive("basin::theory::on_length", "temperature", temperature);
  double const needed = score_range_needed(share, length), has = score_range / temperature;
  bool const can = has >= needed;
  return {can ? verdict::fine : verdict::change, needed,
          can ? message("scores reach ", has, " temperatures; ", needed, " are enough for a weight of ", share,
                        " among ", length, " keys")
              : message("no key of ", length, " can have a weight of ", share, ": that needs scores of ", needed,
                        " temperatures, and they reach only ", has,
                        "; use a normalizer that depends on the length (ssmax, log_n) or limits the number of keys",
                        " (top_k, entmax)"),
          "arXiv 2508.17821, lemma 1 and guideline 2, with the constant that is attained", standing::proved};
}

/// Whether softmax is too steep at temperature T: the norm of its Jacobian is at most 1/(2T), and attains it.
///
/// Errors    value_error: a temperature that is not positive
inline advice on_temperature(double temperature, double least = 0.1) {
  detail::require_positive("basin::theory::on_temperature", "temperature", temperature);
  double const norm = 1 / (2 * temperature);
  bool const calm = temperature > least;
  return {calm ? verdict::fine : verdict::change, least,
          calm ? message("the Jacobian's norm is at most 1/(2T) = ", norm)
               : message("at T = ", temperature, " the Jacobian's norm reaches 1/(2T) = ", norm,
                         " (the paper's 1/(4T) does not bound it); a sparse or length-aware normalizer is selective"
                         " without a small T"),
          "arXiv 2508.17821, guideline 3 (avoid T <= 0.1); the constant from arXiv 2510.23012", standing::proved};
}

/// Whether a head is saturated, from N_s / N and the growth of entropy with log L (NaN: not measured).
inline advice on_saturation(double told_apart_share, double entropy_growth, saturation_rule rule = {}) {
  rule.validate();
  bool const full = rule.judge(told_apart_share, entropy_growth) == capacity::saturated;
  return {full ? verdict::change : verdict::fine, rule.least_share,
          message(full ? "saturated" : "not saturated", ": N_s/N is ", told_apart_share, " (limit ", rule.least_share,
                  "), entropy grows by ", entropy_growth, " per log L (limit ", rule.most_growth, ")",
                  full ? "; add heads, or use a normalizer that depends on the length" : ""),
          "arXiv 2508.17821, guideline 2 (N_s/N of 70-80 %); the limit on growth is this library's",
          standing::reported};
}

}  // namespace basin::theory
