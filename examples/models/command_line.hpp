// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Options of a command line whose values are checked as they are read: numbers in an interval, and names out of a list. CLI11's own
// conversion accepts -1 for an unsigned number, 1e400 for a float and 010 for 8; these accept what can be represented, and only that.

#include <charconv>
#include <cmath>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/core/error.hpp"
#include "models/plain_text.hpp"

namespace basin::models {

/// The numbers an option allows. Infinite values are outside every interval.
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
    if (low == edge::excluded) return message(kind, " above ", least, below ? message(" and at most ", most) : "");
    if (over && below) return message(kind, " from ", least, " to ", most);
    if (over) return message(kind, " of at least ", least);
    if (below) return message(kind, " of at most ", most);
    return std::is_unsigned_v<T> ? message(kind, " from 0 to ", most) : kind;
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

/// The number that a text spells, in decimal; for a whole number digits only, with a '-' where T has a sign.
///
/// Throws    value_error: no number, one that T cannot represent, or one outside the interval; `option` is "--steps"
template <class T>
T number_from(std::string_view option, std::string_view text, interval<T> const& allowed) {
  T value{};
  auto const [rest, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const read = wrong == std::errc{} && rest == text.data() + text.size();
  if (!read || !allowed.has(value)) throw value_error{message("basin: ", option, " is ", quotation(text), "; it must be ", allowed.rule())};
  return value;
}

/// Shortest decimal text that reads as the same number.
template <class T>
std::string number_text(T value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// Declares an option that hands a checked number to `set`; the default is only shown.
template <class T>
CLI::Option* add_number(CLI::App& app, std::string const& name, interval<T> allowed, std::string const& what, std::string const& shown_default,
                        std::function<void(T)> set) {
  auto const read = [name, allowed, set = std::move(set)](std::string const& text) { set(number_from<T>(name, text, allowed)); };
  return app.add_option_function<std::string>(name, read, what)->type_name(std::is_integral_v<T> ? "INT" : "FLOAT")->default_str(shown_default);
}

/// Declares an option for a number; its value of now is the default. `value` outlives the parsing.
///
/// Example   add_number(app, "--steps", o.steps, at_least<std::int64_t>(1), "steps of the optimizer");
template <class T>
CLI::Option* add_number(CLI::App& app, std::string const& name, T& value, interval<std::type_identity_t<T>> allowed, std::string const& what) {
  return add_number<T>(app, name, allowed, what, number_text(value), [&value](T given) { value = given; });
}

/// The names of a list: 'a', 'b' or 'c'.
template <class Choices>
std::string list_of(Choices const& choices) {
  std::string text;
  std::size_t left = choices.size();
  for (auto const& [name, value] : choices) text += message('\'', name, '\'', --left == 0 ? "" : left == 1 ? " or " : ", ");
  return text;
}

/// Declares an option for one name of a list; the name of its value of now is the default.
///
/// Throws    value_error, while parsing, for another name; it has the list
template <class T>
CLI::Option* add_choice(CLI::App& app, std::string const& name, T& value, std::vector<std::pair<std::string, T>> choices, std::string const& what) {
  std::string shown;
  for (auto const& [word, meaning] : choices)
    if (meaning == value) shown = word;
  auto const read = [name, &value, choices = std::move(choices)](std::string const& text) {
    for (auto const& [word, meaning] : choices)
      if (word == text) return void(value = meaning);
    throw value_error{message("basin: ", name, " is ", quotation(text), "; it must be ", list_of(choices))};
  };
  return app.add_option_function<std::string>(name, read, what)->type_name("NAME")->default_str(shown);
}

/// The same for an option that keeps the name itself.
inline CLI::Option* add_choice(CLI::App& app, std::string const& name, std::string& value, std::initializer_list<char const*> names, std::string const& what) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (char const* const word : names) choices.emplace_back(word, word);
  return add_choice<std::string>(app, name, value, std::move(choices), what);
}

}  // namespace basin::models
