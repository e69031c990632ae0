// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The observers of a call as an engine uses them: one list of each kind (row, key, whole row), however they were
// combined.

#include <cstddef>
#include <cuda/std/array>
#include <cuda/std/tuple>
#include <cuda/std/type_traits>
#include <type_traits>
#include <utility>

#include "basin/concepts/observer.hpp"
#include "basin/concepts/row_hooks.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/math.hpp"

namespace basin {

namespace detail {

template <class O>
concept rescales_alone = requires(O const o, typename O::template row<double>& row, double by) { o.rescale(row, by); };
template <class O>
concept rescales_with_totals = requires(O const o, typename O::template row<double>& row, double by) {
  o.rescale(row, by, term_totals<double>{});
};
template <class O>
concept merges_states = requires(O const o, typename O::template row<double>& row) { o.merge(row, row); };

// The kind of an observer, as a predicate.
struct of_rows {
  template <class O>
  static constexpr bool holds = row_observer<O>;
};
struct of_keys {
  template <class O>
  static constexpr bool holds = key_observer<O>;
};
struct of_whole_rows {
  template <class O>
  static constexpr bool holds = whole_row_observer<O>;
};

// What an observer can do or needs, as a predicate.
struct can_rescale {
  template <class O>
  static constexpr bool holds = rescales_alone<O> || rescales_with_totals<O>;
};
struct can_merge {
  template <class O>
  static constexpr bool holds = merges_states<O>;
};
struct needs_totals {
  template <class O>
  static constexpr bool holds = reports_totals<O> || rescales_with_totals<O>;
};
struct needs_log_sum {
  template <class O>
  static constexpr bool holds = reports_log_sum<O>;
};
struct counts_queries {
  template <class O>
  static constexpr bool holds = told_queries<O>;
};

/// Whether a predicate holds for all observers of a list, and whether it holds for any of them.
template <class List, class Predicate>
struct among;
template <class... Os, class Predicate>
struct among<cuda::std::tuple<Os...>, Predicate> {
  static constexpr bool all = (Predicate::template holds<Os> && ...);
  static constexpr bool any = (Predicate::template holds<Os> || ...);
};

/// The observers of one kind, including those inside composites.
template <class Kind, observer O>
BASIN_HD constexpr auto observers_of(O const& o) {
  if constexpr (composite_observer<O>)
    return cuda::std::apply([](auto const&... part) { return cuda::std::tuple_cat(observers_of<Kind>(part)...); },
                            o.parts());
  else if constexpr (Kind::template holds<O>) return cuda::std::tuple<O>(o);
  else return cuda::std::tuple<>();
}

/// The states of the row observers of a list for one row, and the totals of its terms.
template <class T, class List>
struct row_states;
template <class T, class... Os>
struct row_states<T, cuda::std::tuple<Os...>> {
  cuda::std::tuple<typename Os::template row<T>...> own;
  term_totals<T> added;                                          // unused if the normalizer has term_sum(row)
};

}  // namespace detail

/// The observers of one call, as an engine uses them. T is a scalar or a SIMD batch of queries.
template <observer O>
struct observation {
  using row_list = decltype(detail::observers_of<detail::of_rows>(std::declval<O>()));
  using key_list = decltype(detail::observers_of<detail::of_keys>(std::declval<O>()));
  using whole_list = decltype(detail::observers_of<detail::of_whole_rows>(std::declval<O>()));
  static constexpr std::size_t row_values = cuda::std::tuple_size<row_list>::value;
  static constexpr std::size_t key_values = cuda::std::tuple_size<key_list>::value;
  static constexpr bool wants_whole_rows = cuda::std::tuple_size<whole_list>::value > 0;
  /// Whether a row observer needs the logarithm of the row's divisor.
  static constexpr bool needs_log_sum = detail::among<row_list, detail::needs_log_sum>::any;
  /// Whether a row observer needs the sum of all terms and the largest term.
  static constexpr bool needs_totals = detail::among<row_list, detail::needs_totals>::any;
  /// Whether a key observer needs the number of queries to which a key is visible.
  static constexpr bool counts_queries = detail::among<key_list, detail::counts_queries>::any;
  template <class T>
  using rows = detail::row_states<T, row_list>;

  row_list row_observers;
  key_list key_observers;
  whole_list whole_row_observers;

  BASIN_HD constexpr explicit observation(O const& o)
      : row_observers(detail::observers_of<detail::of_rows>(o)),
        key_observers(detail::observers_of<detail::of_keys>(o)),
        whole_row_observers(detail::observers_of<detail::of_whole_rows>(o)) {}

  /// Whether the states of all row observers can be rescaled.
  static constexpr bool rescales = detail::among<row_list, detail::can_rescale>::all;
  /// Whether the states of all row observers can be merged.
  static constexpr bool merges = detail::among<row_list, detail::can_merge>::all;

  /// Takes one term of a row. Totals are added up unless N has term_sum(row); N = void always adds them up.
  template <class N = void, class T>
  BASIN_HD BASIN_INLINE void absorb(rows<T>& states, seen_term<T> seen) const {
    over<row_values>([&](auto i) { cuda::std::get<i>(row_observers).absorb(cuda::std::get<i>(states.own), seen); });
    if constexpr (needs_totals && !knows_term_sum<N>)
      states.added = {states.added.sum + seen.term, math::larger(seen.term, states.added.largest)};
  }
  /// The totals of the terms so far, from the row if N has term_sum(row); the largest term is then 1.
  template <class N, class T>
  BASIN_HD term_totals<T> totals(rows<T> const& states, N const& n, row_of<N, T> const& row) const {
    if constexpr (needs_totals && knows_term_sum<N>)
      return {n.term_sum(row), math::select(n.term_sum(row) == T(0), T(0), T(1))};
    else return states.added;
  }
  /// Multiplies all terms so far, whose totals are `all`, by `by`.
  template <class T>
  BASIN_HD BASIN_INLINE void rescale(rows<T>& states, T by, term_totals<T> all) const {
    over<row_values>([&](auto i) {
      auto const& o = cuda::std::get<i>(row_observers);
      if constexpr (detail::rescales_with_totals<std::remove_cvref_t<decltype(o)>>)
        o.rescale(cuda::std::get<i>(states.own), by, all);
      else o.rescale(cuda::std::get<i>(states.own), by);
    });
    states.added = {by * states.added.sum, by * states.added.largest};
  }
  /// Merges the states of two parts of a row.
  template <class T>
  BASIN_HD void merge(rows<T>& into, rows<T> const& from) const {
    over<row_values>([&](auto i) {
      cuda::std::get<i>(row_observers).merge(cuda::std::get<i>(into.own), cuda::std::get<i>(from.own));
    });
    into.added = {into.added.sum + from.added.sum, math::larger(into.added.largest, from.added.largest)};
  }
  /// The reports of a finished row, one value per observer. log_sum is ignored unless needs_log_sum.
  template <class T>
  BASIN_HD cuda::std::array<T, row_values> report(rows<T> const& states, T factor, T log_sum,
                                                  term_totals<T> all) const {
    cuda::std::array<T, row_values> values{};
    over<row_values>([&](auto i) {
      auto const& o = cuda::std::get<i>(row_observers);
      auto const& own = cuda::std::get<i>(states.own);
      using one = std::remove_cvref_t<decltype(o)>;
      if constexpr (reports_totals<one>) values[i] = o.report(own, factor, all);
      else if constexpr (reports_log_sum<one>) values[i] = o.report(own, factor, log_sum);
      else values[i] = o.report(own, factor);
    });
    return values;
  }
  template <class T>
  BASIN_HD void sees_row(row_at at, T const& values) const {
    over<row_values>([&](auto i) { cuda::std::get<i>(row_observers).sees_row(at, static_cast<double>(values[i])); });
  }

  /// The contributions of one weight to its key, one value per observer.
  template <class T>
  BASIN_HD BASIN_INLINE cuda::std::array<T, key_values> gives(T weight) const {
    cuda::std::array<T, key_values> values{};
    over<key_values>([&](auto i) { values[i] = cuda::std::get<i>(key_observers).gives(weight); });
    return values;
  }
  /// `queries` is the number of queries to which the key is visible. It is ignored unless counts_queries.
  BASIN_HD void sees_key(key_at at, cuda::std::array<double, key_values> const& totals, double queries) const {
    over<key_values>([&](auto i) {
      auto const& o = cuda::std::get<i>(key_observers);
      if constexpr (told_queries<std::remove_cvref_t<decltype(o)>>) o.sees_key(at, totals[i], queries);
      else o.sees_key(at, totals[i]);
    });
  }

  /// Passes a finished row, dense over all keys, to the observers of whole rows.
  void sees_whole_row(row_at at, whole_row const& row) const {
    over<cuda::std::tuple_size<whole_list>::value>(
        [&](auto i) { cuda::std::get<i>(whole_row_observers).sees_whole_row(at, row); });
  }

 private:
  template <std::size_t Count, class F>
  BASIN_HD static BASIN_INLINE constexpr void over(F&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (f(cuda::std::integral_constant<std::size_t, I>{}), ...);
    }(std::make_index_sequence<Count>{});
  }
};

}  // namespace basin
