// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The metadata of a GGUF file: typed values by name, read with a rule as the entries of a configuration are.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm {

struct gguf_array;

/// A value; the index of the alternative is the number of its type in the format.
using gguf_value = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
                                float, bool, std::string, gguf_array, std::uint64_t, std::int64_t, double>;

/// A list of values of one type, in the same order of types.
struct gguf_array {
  std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
               std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>, std::vector<float>,
               std::vector<bool>, std::vector<std::string>, std::vector<gguf_array>, std::vector<std::uint64_t>,
               std::vector<std::int64_t>, std::vector<double>> values;

  std::size_t size() const {
    return std::visit([](auto const& list) { return list.size(); }, values);
  }
};

inline constexpr std::array<std::string_view, 13> gguf_types{"UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32",
    "FLOAT32", "BOOL", "STRING", "ARRAY", "UINT64", "INT64", "FLOAT64"};
static_assert(std::variant_size_v<gguf_value> == gguf_types.size());

namespace detail {

/// A number of any type as a T: nothing if it is no number, or if T does not hold it. Floats are rounded to T.
template <class T, class From>
std::optional<T> number_as(From const& value) {
  if constexpr (std::is_same_v<From, bool> || !std::is_arithmetic_v<From>) return std::nullopt;
  else if constexpr (std::is_integral_v<T> && std::is_integral_v<From>)
    return std::in_range<T>(value) ? std::optional<T>(static_cast<T>(value)) : std::nullopt;
  else if constexpr (std::is_integral_v<T>) return std::nullopt;
  else if (std::abs(static_cast<double>(value)) <= static_cast<double>(std::numeric_limits<T>::max()))
    return static_cast<T>(value);
  else return std::nullopt;
}

}  // namespace detail

/// The values of a GGUF file by name.
///
/// Throws    file_error: the file, the entry, its value, the rule, the remedy. No number is cut, wrapped or, as a whole
///           number, rounded; whole numbers of every width serve each other
class gguf_metadata {
 public:
  using values_type = std::map<std::string, gguf_value, std::less<>>;

  gguf_metadata(std::string in_file, values_type from) : file(std::move(in_file)), all(std::move(from)) {}

  values_type const& values() const { return all; }
  bool has(std::string_view name) const { return all.contains(name); }

  gguf_value const* find(std::string_view name) const {
    auto const found = all.find(name);
    return found == all.end() ? nullptr : &found->second;
  }

  template <class T>
  T number(std::string_view name, interval<T> const& allowed) const {
    auto const read = std::visit([](auto const& value) { return detail::number_as<T>(value); },
                                 entry(name, allowed.rule()));
    if (!read || !allowed.has(*read)) refuse(name, allowed.rule());
    return *read;
  }

  std::string const& text(std::string_view name) const { return entry_of<std::string>(name, "a text"); }
  bool flag(std::string_view name) const { return entry_of<bool>(name, "true or false"); }

  /// The values of a list that a file stores as T.
  template <class T>
  std::vector<T> const& list(std::string_view name) const {
    auto const rule = list_rule<T>();
    auto const* const found = std::get_if<std::vector<T>>(&entry_of<gguf_array>(name, rule).values);
    if (!found) refuse(name, rule);
    return *found;
  }

  /// A list of numbers of any type as T.
  template <class T>
  std::vector<T> numbers(std::string_view name, interval<T> const& allowed = any_number<T>()) const {
    auto const rule = message("a list, each ", allowed.rule());
    std::vector<T> read;
    std::visit([&](auto const& values) {
      read.reserve(values.size());
      for (auto const& value : values) {
        std::optional<T> one;
        if constexpr (!std::is_same_v<std::decay_t<decltype(values)>, std::vector<bool>>)
          one = detail::number_as<T>(value);
        if (!one || !allowed.has(*one)) refuse(name, rule);
        read.push_back(*one);
      }
    }, entry_of<gguf_array>(name, rule).values);
    return read;
  }

  [[noreturn]] void refuse(std::string_view name, std::string_view rule) const {
    gguf_value const* const found = find(name);
    throw file_error{message("basin: ", file, ": its metadata has ", found ? "" : "no ", quotation(name),
                             found ? " = " + spelled(*found) : "", "; it must be ", rule,
                             ": convert the model again, or use another file of it")};
  }

 private:
  gguf_value const& entry(std::string_view name, std::string_view rule) const {
    gguf_value const* const found = find(name);
    if (!found) refuse(name, rule);
    return *found;
  }

  template <class T>
  T const& entry_of(std::string_view name, std::string_view rule) const {
    T const* const found = std::get_if<T>(&entry(name, rule));
    if (!found) refuse(name, rule);
    return *found;
  }

  template <class T>
  static std::string list_rule() {
    constexpr std::size_t type = gguf_value{std::in_place_type<T>}.index();
    return message("a list of ", gguf_types[type]);
  }

  static std::string spelled(gguf_value const& value) {
    return std::visit([](auto const& one) -> std::string {
      using type = std::decay_t<decltype(one)>;
      if constexpr (std::is_same_v<type, std::string>) return quotation(one);
      else if constexpr (std::is_same_v<type, gguf_array>)
        return message("a list of ", one.size(), ' ', gguf_types[one.values.index()]);
      else if constexpr (std::is_same_v<type, bool>) return one ? "true" : "false";
      else return number_text(one);
    }, value);
  }

  std::string file;
  values_type all;
};

}  // namespace basin::lm
