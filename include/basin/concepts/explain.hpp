// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Reports what a type lacks to be a policy. For `normalizer<P>`, a disjunction of three tiers, a compiler reports only
// that none of them holds. explain<P>() infers the intended tier from the names of P's hooks, and reports the first
// requirement that fails in one sentence.

#include "basin/concepts/mask.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/observer.hpp"
#include "basin/concepts/pruner.hpp"
#include "basin/concepts/scorer.hpp"

namespace basin {

namespace detail::hooks {

/// Inherits P and a member of a given name. If P has a member of that name, whatever its signature, the name is
/// ambiguous.
template <class P, class Named>
struct beside : P, Named {};

struct fit_named { int fit; };
struct raise_named { int raise; };
struct absorb_named { int absorb; };
struct next_named { int next; };
struct term_named { int term; };
struct rescale_named { int rescale; };
struct weight_named { int weight; };
struct allows_named { int allows; };
struct covers_named { int covers; };
struct keeps_named { int keeps; };
struct score_named { int score; };
struct slope_named { int slope; };
struct gives_named { int gives; };
struct report_named { int report; };
struct sees_row_named { int sees_row; };
struct sees_key_named { int sees_key; };
struct sees_whole_row_named { int sees_whole_row; };

template <class P>
concept fit = !requires { &beside<P, fit_named>::fit; };
template <class P>
concept raise = !requires { &beside<P, raise_named>::raise; };
template <class P>
concept absorb = !requires { &beside<P, absorb_named>::absorb; };
template <class P>
concept next = !requires { &beside<P, next_named>::next; };
template <class P>
concept term = !requires { &beside<P, term_named>::term; };
template <class P>
concept rescale = !requires { &beside<P, rescale_named>::rescale; };
template <class P>
concept weight = !requires { &beside<P, weight_named>::weight; };
template <class P>
concept allows = !requires { &beside<P, allows_named>::allows; };
template <class P>
concept covers = !requires { &beside<P, covers_named>::covers; };
template <class P>
concept keeps = !requires { &beside<P, keeps_named>::keeps; };
template <class P>
concept score = !requires { &beside<P, score_named>::score; };
template <class P>
concept slope = !requires { &beside<P, slope_named>::slope; };
template <class P>
concept gives = !requires { &beside<P, gives_named>::gives; };
template <class P>
concept report = !requires { &beside<P, report_named>::report; };
template <class P>
concept sees_row = !requires { &beside<P, sees_row_named>::sees_row; };
template <class P>
concept sees_key = !requires { &beside<P, sees_key_named>::sees_key; };
template <class P>
concept sees_whole_row = !requires { &beside<P, sees_whole_row_named>::sees_whole_row; };

template <class P>
concept of_an_observer = gives<P> || report<P> || sees_row<P> || sees_key<P> || sees_whole_row<P>;
template <class P>
concept of_a_normalizer = fit<P> || raise<P> || absorb<P> || next<P> || term<P> || rescale<P> || weight<P>;

}  // namespace detail::hooks

namespace detail {

template <class P>
consteval void explain_mask() {
  static_assert(requires(P const m, coord c) { { m.allows(c) } -> std::same_as<bool>; },
                "basin: this mask lacks `bool allows(basin::coord) const`: whether a key is visible to a query");
  static_assert(requires(P const m, tile t) { { m.covers(t) } -> std::same_as<coverage>; },
                "basin: this mask lacks `basin::coverage covers(basin::tile) const`: whether none, some or all of a "
                "tile is visible. Returning basin::coverage::some is always correct");
}

template <class P>
consteval void explain_scorer() {
  static_assert(requires(P const s, double dot, pair_at<double> at) { { s.score(dot, at) } -> std::same_as<double>; },
                "basin: this scorer lacks `template <class T> T score(T dot, basin::pair_at<T>) const`");
  static_assert(requires(P const s, double dot, pair_at<double> at) { { s.slope(dot, at) } -> std::same_as<double>; },
                "basin: this scorer lacks `template <class T> T slope(T dot, basin::pair_at<T>) const`, the derivative "
                "of score() in dot");
}

template <class P>
consteval void explain_row_observer() {
  static_assert(requires { typename P::template row<double>; },
                "basin: this observer of rows lacks `template <class T> struct row`, its state for one row");
  static_assert(requires(P const o, typename P::template row<double>& row, seen_term<double> s) { o.absorb(row, s); },
                "basin: this observer of rows lacks `template <class T> void absorb(row<T>&, basin::seen_term<T>) "
                "const`");
  static_assert(reports_terms<P> || reports_log_sum<P> || reports_totals<P>,
                "basin: this observer of rows lacks `template <class T> T report(row<T> const&, T factor) const`, or "
                "the same with a third argument: the log of the sum, or basin::term_totals<T>");
  static_assert(requires(P const o, row_at at, double x) { o.sees_row(at, x); },
                "basin: this observer of rows lacks `void sees_row(basin::row_at, double) const`");
}

template <class P>
consteval void explain_key_observer() {
  static_assert(requires(P const o, double x) { { o.gives(x) } -> std::same_as<double>; },
                "basin: this observer of keys lacks `template <class T> T gives(T weight) const`, what one query adds "
                "to the total of a key");
  static_assert(told_totals<P> || told_queries<P>,
                "basin: this observer of keys lacks `void sees_key(basin::key_at, double total) const`, or the same "
                "with a third argument, the number of queries");
}

template <class P>
consteval void explain_observer() {
  if constexpr (hooks::sees_whole_row<P>)
    static_assert(whole_row_observer<P>, "basin: this observer of whole rows lacks `void sees_whole_row(basin::row_at, "
                                         "basin::whole_row const&) const`");
  else if constexpr (hooks::gives<P> || hooks::sees_key<P>) explain_key_observer<P>();
  else explain_row_observer<P>();
}

template <class P>
consteval void explain_terms() {
  using row = row_of<P>;
  static_assert(requires(P const n, row const& r, double s) { { n.term(r, s) } -> std::same_as<double>; },
                "basin: this normalizer lacks `template <class T> T term(row<T> const&, T score) const`, the "
                "unnormalised weight");
  static_assert(requires(P const n, row& r, double s) { n.add(r, s, s); },
                "basin: this normalizer lacks `template <class T> void add(row<T>&, T score, T term) const`");
  static_assert(requires(P const n, row const& r) { { n.factor(r) } -> std::same_as<double>; },
                "basin: this normalizer lacks `template <class T> T factor(row<T> const&) const`: weight = term * "
                "factor");
}

template <class P>
consteval void explain_merge() {
  static_assert(merges_rows<P>,
                "basin: this normalizer lacks `template <class T> void merge(row<T>& into, row<T> const& from) const`");
}

template <class P>
consteval void explain_tiers() {
  using row = row_of<P>;
  if constexpr (hooks::fit<P>) {
    static_assert(fits_rows<P>, "basin: this normalizer lacks `template <class T> row<T> fit(std::span<T const> "
                                "scores, basin::row_context<T>) const`");
    static_assert(weighs_scores<P>,
                  "basin: this normalizer lacks `template <class T> T weight(row<T> const&, T score) const`");
  } else if constexpr (hooks::absorb<P> || hooks::next<P>) {
    static_assert(requires(P const n, row& r, double s) { n.absorb(r, s); },
                  "basin: this normalizer lacks `template <class T> void absorb(row<T>&, T score) const`");
    static_assert(requires(P const n, row& r) { { n.next(r) } -> std::same_as<bool>; },
                  "basin: this normalizer lacks `template <class T> auto next(row<T>&) const`: whether the row needs "
                  "another pass. For T = double it must return a bool");
    explain_merge<P>();
    if constexpr (!hooks::weight<P> || hooks::term<P>) explain_terms<P>();
    else
      static_assert(weighs_scores<P>,
                    "basin: this normalizer lacks `template <class T> T weight(row<T> const&, T score) const`");
  } else {
    static_assert(raises_rows<P>,
                  "basin: this normalizer lacks `template <class T> void raise(row<T>&, T score) const` of an online "
                  "normalizer, or `fit(scores, context)` of a whole-row one, or `absorb(row, score)` and `next(row)` "
                  "of a streamable one");
    explain_terms<P>();
    static_assert(rescales_rows<P>,
                  "basin: this normalizer lacks `template <class T> T rescale(row<T> const& old, row<T> const& now) "
                  "const`: the factor that terms computed under `old` are multiplied by");
    explain_merge<P>();
  }
}

template <class P>
consteval void explain_normalizer() {
  static_assert(has_row<P>, "basin: this normalizer lacks `template <class T> struct row`, the state of one row; T is "
                            "float, double or a SIMD batch");
  if constexpr (has_row<P>) explain_tiers<P>();
}

}  // namespace detail

/// Whether P is a policy, for a static_assert beside P. If it is not, the compiler names the first missing hook and its
/// signature.
///
/// Example   static_assert(basin::explain<my_normalizer>());   examples/03_your_own_normalizer.cpp
template <class P>
consteval bool explain() {
  static_assert(policy<P>, "basin: a policy must be trivially copyable and default constructible, so that it can be "
                           "copied into a kernel");
  if constexpr (normalizer<P> || mask<P> || pruner<P> || observer<P> || scorer<P>) return true;
  else if constexpr (detail::hooks::allows<P> || (detail::hooks::covers<P> && !detail::hooks::keeps<P>))
    detail::explain_mask<P>();
  else if constexpr (detail::hooks::keeps<P>)
    static_assert(pruner<P>, "basin: this pruner lacks `template <class T> bool keeps(basin::coord, T score) const`");
  else if constexpr (detail::hooks::score<P> || detail::hooks::slope<P>) detail::explain_scorer<P>();
  else if constexpr (detail::hooks::of_an_observer<P>) detail::explain_observer<P>();
  else if constexpr (detail::hooks::of_a_normalizer<P>) detail::explain_normalizer<P>();
  else
    static_assert(normalizer<P>, "basin: a policy of attention models exactly one of normalizer, mask, pruner, "
                                 "observer, scorer; this type has a hook of none of them (include/basin/concepts)");
  return false;
}

}  // namespace basin
