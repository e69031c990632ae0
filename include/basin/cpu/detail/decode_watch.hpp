// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What observers receive from a decoding step. It is computed from the step's stored scores and finished rows after the
// outputs are written, so observers cannot change a bit of the outputs.

#include "basin/concepts/observation.hpp"
#include "basin/cpu/detail/decode_splits.hpp"

namespace basin::cpu::detail {

/// The workspace of a thread for the observers of one query head.
struct watch_buffers {
  std::vector<double> weights, scores;                           // [keys]: one whole row
  std::vector<double> totals;                                    // [keys, key_values]

  template <class Watch>
  watch_buffers(Watch const&, index_t keys)
      : weights(static_cast<std::size_t>(Watch::wants_whole_rows ? keys : 0)),
        scores(weights.size()),
        totals(static_cast<std::size_t>(keys) * Watch::key_values) {}
};

/// Calls see(key, score, term, log of the term) for every key of a row, in order.
template <class T, class N, class See>
void over_terms(N const& n, finished_row<N, T> const& f, T const* scores, index_t count, See&& see) {
  using V = key_values_t<N, T>;
  auto const row = spread_row<V, N, T>(n, f.row);
  for (index_t j = 0; j < count; j += keys_in<V>) {
    V const s = load_keys<V>(scores + j), term = term_of<V>(n, row, s), log = log_of_term(n, row, s, term);
    T s_of[keys_in<V>], term_of_key[keys_in<V>], log_of[keys_in<V>];
    store_keys(s, s_of), store_keys(term, term_of_key), store_keys(log, log_of);
    for (index_t c = 0; c < keys_in<V> && j + c < count; ++c) see(j + c, s_of[c], term_of_key[c], log_of[c]);
  }
}

/// Passes one row to all its observers; what it gives to its keys is added to `in.totals`.
template <class T, class Watch, class N>
void watch_row(Watch const& watch, N const& n, row_at at, finished_row<N, T> const& f, T const* scores, index_t length,
               index_t visible, watch_buffers& in) {
  typename Watch::template rows<double> states{};
  if constexpr (Watch::wants_whole_rows) {
    std::fill(in.weights.begin(), in.weights.end(), 0.0);
    std::fill(in.scores.begin(), in.scores.end(), -math::infinity);
  }
  over_terms<T>(n, f, scores, length, [&](index_t key, T score, T term, T log) {
    double const weight = term == T(0) ? 0.0 : static_cast<double>(f.factor * term);
    auto const at_key = static_cast<std::size_t>(key);
    watch.absorb(states, seen_term<double>{static_cast<double>(term), static_cast<double>(log)});
    auto const given = watch.gives(weight);
    for (std::size_t m = 0; m < given.size(); ++m) in.totals[at_key * given.size() + m] += given[m];
    if constexpr (Watch::wants_whole_rows) {
      in.weights[at_key] = weight;
      in.scores[at_key] = static_cast<double>(score);
    }
  });
  double log_sum = 0;
  if constexpr (Watch::needs_log_sum) log_sum = static_cast<double>(log_sum_of<T>(n, f.row));
  watch.sees_row(at, watch.report(states, static_cast<double>(f.factor), log_sum, states.added));
  if constexpr (Watch::wants_whole_rows)
    watch.sees_whole_row(at, {in.weights, in.scores, static_cast<double>(visible)});
}

/// Passes the totals of all keys of a query head to the key observers.
template <class Watch>
void watch_keys(Watch const& watch, int batch, int head, index_t keys, watch_buffers const& in,
                double const* queries_of_keys) {
  for (index_t j = 0; j < keys; ++j) {
    cuda::std::array<double, Watch::key_values> given{};
    std::copy_n(in.totals.begin() + j * static_cast<index_t>(given.size()), given.size(), given.begin());
    watch.sees_key({batch, head, j}, given, queries_of_keys == nullptr ? 0.0 : queries_of_keys[j]);
  }
}

}  // namespace basin::cpu::detail
