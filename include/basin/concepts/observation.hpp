// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How an engine feeds the observers of a call: it sees one list of row observers and one of key observers, however they
// were combined.

#include <array>
#include <cuda/std/tuple>
#include <utility>

#include "basin/concepts/observer.hpp"

namespace basin {

namespace detail {

template <observer O>
constexpr auto row_observers_of(O const& o) {
  if constexpr (composite_observer<O>)
    return cuda::std::apply([](auto const&... part) { return cuda::std::tuple_cat(row_observers_of(part)...); }, o.parts());
  else if constexpr (row_observer<O>) return cuda::std::tuple<O>(o);
  else return cuda::std::tuple<>();
}

template <observer O>
constexpr auto key_observers_of(O const& o) {
  if constexpr (composite_observer<O>)
    return cuda::std::apply([](auto const&... part) { return cuda::std::tuple_cat(key_observers_of(part)...); }, o.parts());
  else if constexpr (key_observer<O>) return cuda::std::tuple<O>(o);
  else return cuda::std::tuple<>();
}

template <class T, class List>
struct row_states;
template <class T, class... Os>
struct row_states<T, cuda::std::tuple<Os...>> {
  using type = cuda::std::tuple<typename Os::template row<T>...>;
};

template <class O>
concept rescalable = requires(O const o, typename O::template row<double>& row, double by) { o.rescale(row, by); };

template <class List>
struct all_rescale;
template <class... Os>
struct all_rescale<cuda::std::tuple<Os...>> {
  static constexpr bool value = (rescalable<Os> && ...);
};

}  // namespace detail

/// The observers of one call, as an engine uses them. T is a scalar or a SIMD batch of queries.
template <observer O>
struct observation {
  using row_list = decltype(detail::row_observers_of(std::declval<O>()));
  using key_list = decltype(detail::key_observers_of(std::declval<O>()));
  static constexpr std::size_t row_values = cuda::std::tuple_size<row_list>::value;
  static constexpr std::size_t key_values = cuda::std::tuple_size<key_list>::value;
  template <class T>
  using rows = typename detail::row_states<T, row_list>::type;

  row_list row_observers;
  key_list key_observers;

  constexpr explicit observation(O const& o) : row_observers(detail::row_observers_of(o)), key_observers(detail::key_observers_of(o)) {}

  /// Whether every row observer can follow a row that is rescaled on the way.
  static constexpr bool rescales = detail::all_rescale<row_list>::value;

  /// One term of a row.
  template <class T>
  BASIN_INLINE void absorb(rows<T>& states, seen_term<T> seen) const {
    over<row_values>([&](auto i) { cuda::std::get<i>(row_observers).absorb(cuda::std::get<i>(states), seen); });
  }
  template <class T>
  BASIN_INLINE void rescale(rows<T>& states, T by) const {
    over<row_values>([&](auto i) { cuda::std::get<i>(row_observers).rescale(cuda::std::get<i>(states), by); });
  }
  /// What the finished row reports, one value an observer.
  template <class T>
  std::array<T, row_values> report(rows<T> const& states, T factor) const {
    std::array<T, row_values> values{};
    over<row_values>([&](auto i) { values[i] = cuda::std::get<i>(row_observers).report(cuda::std::get<i>(states), factor); });
    return values;
  }
  template <class T>
  void sees_row(row_at at, T const& values) const {
    over<row_values>([&](auto i) { cuda::std::get<i>(row_observers).sees_row(at, static_cast<double>(values[i])); });
  }

  /// What one weight adds to its key, one value an observer.
  template <class T>
  BASIN_INLINE std::array<T, key_values> gives(T weight) const {
    std::array<T, key_values> values{};
    over<key_values>([&](auto i) { values[i] = cuda::std::get<i>(key_observers).gives(weight); });
    return values;
  }
  void sees_key(key_at at, std::array<double, key_values> const& totals) const {
    over<key_values>([&](auto i) { cuda::std::get<i>(key_observers).sees_key(at, totals[i]); });
  }

 private:
  template <std::size_t Count, class F>
  static BASIN_INLINE constexpr void over(F&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::integral_constant<std::size_t, I>{}), ...); }(std::make_index_sequence<Count>{});
  }
};

}  // namespace basin
