// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Options whose values are checked as they are parsed: numbers in an interval, and names of a list. The conversion of
// CLI11 itself accepts -1 for an unsigned number, infinity for 1e400 and 8 for 010.

#include <charconv>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::programs {

/// The number that a text spells, in decimal; for a whole number digits only, with a '-' where T has a sign.
///
/// Throws    value_error: no number, one that T cannot represent, or one outside the interval; `option` is "--steps"
template <class T>
T number_from(std::string_view option, std::string_view text, lm::interval<T> const& allowed) {
  T value{};
  auto const [rest, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const read = wrong == std::errc{} && rest == text.data() + text.size();
  if (!read || !allowed.has(value))
    throw value_error{message("basin: ", option, " is ", lm::quotation(text), "; it must be ", allowed.rule())};
  return value;
}

/// Declares an option that hands a checked number to `set`; the default is only shown.
template <class T>
CLI::Option* add_number(CLI::App& app, std::string const& name, lm::interval<T> allowed, std::string const& what,
                        std::string const& shown_default, std::function<void(T)> set) {
  auto const read = [name, allowed, set = std::move(set)](std::string const& text) {
    set(number_from<T>(name, text, allowed));
  };
  return app.add_option_function<std::string>(name, read, what)
      ->type_name(std::is_integral_v<T> ? "INT" : "FLOAT")
      ->default_str(shown_default);
}

/// Declares an option for a number; its value of now is the default. `value` outlives the parsing.
///
/// Example   add_number(app, "--steps", o.steps, at_least<std::int64_t>(1), "steps of the optimizer");
template <class T>
CLI::Option* add_number(CLI::App& app, std::string const& name, T& value, lm::interval<std::type_identity_t<T>> allowed,
                        std::string const& what) {
  return add_number<T>(app, name, allowed, what, lm::number_text(value), [&value](T given) { value = given; });
}

/// Declares an option for one name of a list; the name of its value of now is the default.
///
/// Throws    value_error, while parsing, for another name; it has the list
template <class T>
CLI::Option* add_choice(CLI::App& app, std::string const& name, T& value,
                        std::vector<std::pair<std::string, T>> choices, std::string const& what) {
  std::string shown;
  for (auto const& [word, meaning] : choices)
    if (meaning == value) shown = word;
  auto const read = [name, &value, choices = std::move(choices)](std::string const& text) {
    std::vector<std::string> names;
    for (auto const& [word, meaning] : choices) {
      if (word == text) return void(value = meaning);
      names.push_back(word);
    }
    throw value_error{message("basin: ", name, " is ", lm::quotation(text), "; it must be ", lm::alternatives(names))};
  };
  return app.add_option_function<std::string>(name, read, what)->type_name("NAME")->default_str(shown);
}

/// The same for an option that keeps the name itself.
inline CLI::Option* add_choice(CLI::App& app, std::string const& name, std::string& value,
                               std::initializer_list<char const*> names, std::string const& what) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (char const* const word : names) choices.emplace_back(word, word);
  return add_choice<std::string>(app, name, value, std::move(choices), what);
}

}  // namespace basin::programs
