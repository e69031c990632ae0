// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The definition of correct: attention in double precision and three loops. Every engine must agree with this file. It
// is slow.

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <span>
#include <type_traits>
#include <vector>

#include "basin/attention.hpp"
#include "basin/concepts/jacobian.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/observation.hpp"
#include "basin/concepts/parameters.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/core/element.hpp"
#include "basin/core/problem.hpp"

namespace basin::reference {

namespace detail {

/// One row: its visible keys, their dot products, scores and weights, and the finished row state.
template <class Attention>
struct weighed_row {
  std::vector<index_t> keys;
  std::vector<double> dots, scores, weights;
  row_of<decltype(Attention::normalize)> row;
};

template <class Q, class K>
double dot(Q const& q, K const& k, index_t b, index_t h, index_t i, index_t kv, index_t j) {
  double sum = 0;
  for (index_t d = 0; d < q.extent(3); ++d)
    sum += static_cast<double>(q(b, h, i, d)) * static_cast<double>(k(b, kv, j, d));
  return sum;
}

inline pair_at<double> pair_of(problem const& p, row_at at, index_t key) {
  return {at.batch, at.head, static_cast<double>(p.position(at.query)), static_cast<double>(key),
          1 / std::sqrt(static_cast<double>(p.dim))};
}

template <class Attention, class Q, class K>
weighed_row<Attention> weigh_row(Attention const& use, problem const& p, Q const& q, K const& k, index_t b, index_t h,
                                 index_t i) {
  weighed_row<Attention> r;
  coord at{static_cast<int>(b), static_cast<int>(h), p.position(i), 0};
  for (at.key = 0; at.key < p.keys; ++at.key) {
    if (!use.visible.allows(at)) continue;
    double const product = dot(q, k, b, h, i, p.kv_head(h), at.key);
    double const s = use.score.score(product, pair_of(p, {at.batch, at.head, i}, at.key));  // s_ij
    if (!use.prune.keeps(at, s)) continue;                         // visible_ij
    r.keys.push_back(at.key);
    r.dots.push_back(product);
    r.scores.push_back(s);
  }
  row_context<double> const context{at.batch, at.head, static_cast<double>(at.query),
                                    static_cast<double>(r.keys.size())};
  std::vector<double> fitted;                                      // without the scores of -inf
  std::copy_if(r.scores.begin(), r.scores.end(), std::back_inserter(fitted),
               [](double s) { return s != -math::infinity; });
  r.row = fit_row(use.normalize, std::span<double const>(fitted), context);
  for (double const s : r.scores)                                  // w_ij
    r.weights.push_back(s == -math::infinity ? 0.0 : weigh(use.normalize, r.row, s));
  return r;
}

/// For each key of one head: what it has given to its key observers so far, and the number of queries to which it is
/// visible.
template <class Observation>
struct key_totals {
  std::vector<cuda::std::array<double, Observation::key_values>> given;
  std::vector<double> queries;
  explicit key_totals(index_t keys) : given(static_cast<std::size_t>(keys)), queries(static_cast<std::size_t>(keys)) {}
};

/// Passes a row, dense over all keys, to the observers of whole rows.
template <class Attention, class Observation>
void show_whole_row(problem const& p, weighed_row<Attention> const& r, row_at at, Observation const& observers) {
  if constexpr (Observation::wants_whole_rows) {
    std::vector<double> weights(static_cast<std::size_t>(p.keys)), scores(weights.size(), -math::infinity);
    for (std::size_t j = 0; j < r.keys.size(); ++j) {
      weights[static_cast<std::size_t>(r.keys[j])] = r.weights[j];
      scores[static_cast<std::size_t>(r.keys[j])] = r.scores[j];
    }
    observers.sees_whole_row(at, {weights, scores, static_cast<double>(r.keys.size())});
  }
}

/// Writes one output row o_i = sum_j w_ij v_j, passes the row to the observers and adds to the totals of the keys.
template <class Attention, class V, class Out, class Observation>
void forward_row(Attention const& use, problem const& p, weighed_row<Attention> const& r, V const& v, Out const& out,
                 row_at at, Observation const& observers, key_totals<Observation>& totals) {
  std::vector<double> sum(static_cast<std::size_t>(p.value_dim));
  typename Observation::template rows<double> states{};
  for (std::size_t j = 0; j < r.keys.size(); ++j) {
    double const w = r.weights[j];
    observers.absorb(states, seen_term<double>{w, std::log(w)});
    auto const given = observers.gives(w);
    for (std::size_t n = 0; n < given.size(); ++n) totals.given[static_cast<std::size_t>(r.keys[j])][n] += given[n];
    ++totals.queries[static_cast<std::size_t>(r.keys[j])];
    for (index_t d = 0; d < p.value_dim; ++d)
      sum[static_cast<std::size_t>(d)] += w * static_cast<double>(v(at.batch, p.kv_head(at.head), r.keys[j], d));
  }
  for (index_t d = 0; d < p.value_dim; ++d)
    out(at.batch, at.head, at.query, d) = static_cast<typename Out::value_type>(sum[static_cast<std::size_t>(d)]);
  double log_sum = 0;
  if constexpr (Observation::needs_log_sum) log_sum = log_sum_of<double>(use.normalize, r.row);
  observers.sees_row(at, observers.report(states, 1.0, log_sum, states.added));
  show_whole_row(p, r, at, observers);
}

/// The gradients of one key head, in double: dq of the current query head; dk and dv summed over the query heads of its
/// group.
struct gradient_sums {
  std::vector<double> q, k, v;
  explicit gradient_sums(problem const& p)
      : q(static_cast<std::size_t>(p.queries * p.dim)),
        k(static_cast<std::size_t>(p.keys * p.dim)),
        v(static_cast<std::size_t>(p.keys * p.value_dim)) {}
};

template <class Attention, class Q, class K, class V, class DOut>
void backward_row(Attention const& use, problem const& p, Q const& q, K const& k, V const& v, DOut const& dout,
                  row_at at, gradient_sums& sums) {
  auto const r = weigh_row(use, p, q, k, at.batch, at.head, at.query);
  index_t const kv = p.kv_head(at.head);
  using normalizer_type = decltype(Attention::normalize);
  std::vector<double> dw(r.keys.size());
  std::vector<jacobian_of<normalizer_type>> terms(r.keys.size());
  cuda::std::array<double, jacobian_of<normalizer_type>::rank> delta{};
  for_parameters<normalizer_type, double> dparameters{};
  for (std::size_t j = 0; j < r.keys.size(); ++j) {
    for (index_t d = 0; d < p.value_dim; ++d) {
      double const g = static_cast<double>(dout(at.batch, at.head, at.query, d));
      dw[j] += g * static_cast<double>(v(at.batch, kv, r.keys[j], d));                    // dw_j = <do, v_j>
      sums.v[static_cast<std::size_t>(r.keys[j] * p.value_dim + d)] += r.weights[j] * g;  // dv_j += w_ij do_i
    }
    if (r.scores[j] != -math::infinity)
      terms[j] = as_low_rank(use.normalize.jacobian(r.row, r.scores[j], r.weights[j]));
    gather(delta, terms[j], dw[j]);
  }
  for (std::size_t j = 0; j < r.keys.size(); ++j) {
    double const ds = score_gradient(terms[j], dw[j], delta);                             // ds_j
    if constexpr (has_parameters<normalizer_type>)
      if (r.scores[j] != -math::infinity) {
        auto const given = use.normalize.parameter_gradient(r.row, r.scores[j], r.weights[j], dw[j], ds);
        for (std::size_t n = 0; n < given.size(); ++n) dparameters[n] += given[n];
      }
    double const ddot = ds * use.score.slope(r.dots[j], pair_of(p, at, r.keys[j]));
    for (index_t d = 0; d < p.dim; ++d) {
      sums.q[static_cast<std::size_t>(at.query * p.dim + d)] +=
          ddot * static_cast<double>(k(at.batch, kv, r.keys[j], d));
      sums.k[static_cast<std::size_t>(r.keys[j] * p.dim + d)] +=
          ddot * static_cast<double>(q(at.batch, at.head, at.query, d));
    }
  }
  if constexpr (has_parameters<normalizer_type>)
    for (int n = 0; n < normalizer_type::parameters; ++n)
      use.normalize.sees_parameter_gradient(at, n, dparameters[static_cast<std::size_t>(n)]);
}

template <class View>
void store(View const& to, index_t batch, index_t head, std::vector<double> const& from) {
  for (index_t i = 0; i < to.extent(2); ++i)
    for (index_t d = 0; d < to.extent(3); ++d)
      to(batch, head, i, d) =
          static_cast<typename View::value_type>(from[static_cast<std::size_t>(i * to.extent(3) + d)]);
}

}  // namespace detail

/// Computes o_i = sum_j w_ij v_j and calls the observers.
///
/// Shapes    q [B, H, Nq, D], k [B, Hk, Nk, D], v [B, Hk, Nk, Dv], out [B, H, Nq, Dv]; any strides; H a multiple of Hk
/// Precision double throughout, whatever the views hold
/// Cost      O(B H Nq Nk (D + Dv)), one thread
/// Throws    shape_error, value_error; nothing is written before all checks have passed
template <class Attention, class Q, class K, class V, class Out>
void forward(Attention const& use, Q const& q, K const& k, V const& v, Out const& out) {
  if constexpr (entry::takes_any(entry::reads<Q, K, V>{}, entry::writes<Out>{})) {
    constexpr auto caller = "basin::reference::forward";
    problem const p = check_forward(caller, q, k, v, out);
    check_policies_on_host(caller, use, p, operands_of_forward(q, k, v, out));
    observation const observers(use.observe);
    for (int b = 0; b < p.batch; ++b)
      for (int h = 0; h < p.heads; ++h) {
        detail::key_totals<std::remove_const_t<decltype(observers)>> totals(p.keys);
        for (index_t i = 0; i < p.queries; ++i)
          detail::forward_row(use, p, detail::weigh_row(use, p, q, k, b, h, i), v, out, {b, h, i}, observers, totals);
        for (index_t j = 0; j < p.keys; ++j) {
          auto const key = static_cast<std::size_t>(j);
          observers.sees_key({b, h, j}, totals.given[key], totals.queries[key]);
        }
      }
  }
}

/// Gradients of a loss through forward(): given dout = dL/do, writes dL/dq, dL/dk, dL/dv. Observers are not called.
///
/// Source    dw_j = <do, v_j>; ds_j = diag_j dw_j - outer_j delta, delta = sum_k carry_k dw_k; the gradient of <q_i,
///           k_j> is ds_j times the slope of the score; a normalizer with learned parameters receives what every row
///           adds to their gradients
/// Shapes    dout as out of forward(); dq, dk, dv as q, k, v; overwritten
/// Precision double throughout, whatever the views hold
/// Cost      O(B H Nq Nk (D + Dv)), one thread
/// Throws    as forward()
/// Errors    static_assert: the normalizer has no jacobian()
template <class Attention, class Q, class K, class V, class DOut, class DQ, class DK, class DV>
void backward(Attention const& use, Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq, DK const& dk,
              DV const& dv) {
  if constexpr (entry::takes_any(entry::reads<Q, K, V, DOut>{}, entry::writes<DQ, DK, DV>{})) {
    static_assert(has_jacobian<decltype(use.normalize)>,
                  "basin: backward needs a normalizer with jacobian(row, score, weight) -> {diag, outer, carry}; "
                  "see concepts/normalizer.hpp");
    constexpr auto caller = "basin::reference::backward";
    problem const p = check_backward(caller, q, k, v, dout, dq, dk, dv);
    check_policies_on_host(caller, use, p, operands_of_backward(q, k, v, dout, dq, dk, dv));
    int const group = static_cast<int>(p.heads / p.kv_heads);
    for (int b = 0; b < p.batch; ++b)
      for (int kv = 0; kv < p.kv_heads; ++kv) {
        detail::gradient_sums sums(p);
        for (int h = kv * group; h < (kv + 1) * group; ++h) {
          std::fill(sums.q.begin(), sums.q.end(), 0.0);
          for (index_t i = 0; i < p.queries; ++i) detail::backward_row(use, p, q, k, v, dout, {b, h, i}, sums);
          detail::store(dq, b, h, sums.q);
        }
        detail::store(dk, b, kv, sums.k);
        detail::store(dv, b, kv, sums.v);
      }
  }
}

}  // namespace basin::reference
