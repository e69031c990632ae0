// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <charconv>
#include <limits>
#include <string>
#include <type_traits>

#include "basin/core/error.hpp"

namespace basin::lm {

/// Shortest decimal text that reads as the same number.
template <class T>
std::string number_text(T value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// The numbers that an option or an entry of a file allows. Infinite values are outside every interval.
template <class T>
struct interval {
  enum class edge { included, excluded };

  T least = std::numeric_limits<T>::lowest(), most = std::numeric_limits<T>::max();
  edge low = edge::included;

  bool has(T value) const { return value >= least && value <= most && (low == edge::included || value != least); }

  /// "a whole number from 1 to 8", "a number above 0"; bounds that are only those of the type are left out.
  std::string rule() const {
    std::string const kind = std::is_integral_v<T> ? "a whole number" : "a finite number";
    bool const below = most != std::numeric_limits<T>::max(), over = least != std::numeric_limits<T>::lowest();
    if (low == edge::excluded)
      return message(kind, " above ", number_text(least), below ? message(" and at most ", number_text(most)) : "");
    if (over && below) return message(kind, " from ", number_text(least), " to ", number_text(most));
    if (over) return message(kind, " of at least ", number_text(least));
    if (below) return message(kind, " of at most ", number_text(most));
    return std::is_unsigned_v<T> ? message(kind, " from 0 to ", number_text(most)) : kind;
  }
};

template <class T>
interval<T> any_number() { return {}; }
template <class T>
interval<T> at_least(T least) { return {.least = least}; }
template <class T>
interval<T> above(T least) { return {.least = least, .low = interval<T>::edge::excluded}; }
template <class T>
interval<T> from_to(T least, T most) { return {.least = least, .most = most}; }

}  // namespace basin::lm
