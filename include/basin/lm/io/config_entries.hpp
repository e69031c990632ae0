// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm {

/// The entries of a configuration that came with a file, each read with its rule: no number is rounded, cut or wrapped.
///
/// Throws    file_error: the file, the entry, its value, the rule, the remedy
/// Edges     the configuration must outlive this
class config_entries {
 public:
  /// `in_entry` is the path of the object within the configuration, as text before the names of entries; `advice` says
  /// how a configuration that breaks a rule is mended.
  config_entries(nlohmann::ordered_json const& from, std::string in_file, std::string in_entry = "",
                 std::string advice = "make the checkpoint again with train")
      : object(from), file(std::move(in_file)), path(std::move(in_entry)), remedy(std::move(advice)) {}

  bool has(std::string_view name) const { return object.contains(name); }
  /// Whether there is an entry that is not null.
  bool gives(std::string_view name) const {
    auto const found = object.find(name);
    return found != object.end() && !found->is_null();
  }

  template <class T>
  T number(std::string_view name, interval<T> const& allowed) const {
    auto const& found = entry(name, allowed.rule());
    if constexpr (std::is_integral_v<T>) {
      auto const fits = [&](auto value) { return std::in_range<T>(value) && allowed.has(static_cast<T>(value)); };
      if (found.is_number_unsigned() && fits(found.template get<std::uint64_t>())) return found.template get<T>();
      if (found.is_number_integer() && !found.is_number_unsigned() && fits(found.template get<std::int64_t>()))
        return found.template get<T>();
    } else if (found.is_number()) {
      double const value = found.template get<double>();
      if (std::abs(value) <= std::numeric_limits<T>::max() && allowed.has(static_cast<T>(value)))
        return static_cast<T>(value);
    }
    refuse(name, allowed.rule());
  }

  std::string text(std::string_view name) const {
    auto const& found = entry(name, "a text");
    if (!found.is_string()) refuse(name, "a text");
    return found.get<std::string>();
  }

  /// One of some texts.
  std::string choice(std::string_view name, std::initializer_list<std::string_view> texts) const {
    auto const rule = alternatives(texts);
    auto const& found = entry(name, rule);
    if (!found.is_string() || std::ranges::find(texts, found.get_ref<std::string const&>()) == texts.end())
      refuse(name, rule);
    return found.get<std::string>();
  }

  config_entries section(std::string_view name) const {
    auto const& found = entry(name, "an object");
    if (!found.is_object()) refuse(name, "an object");
    return {found, file, message(path, name, '.'), remedy};
  }

  [[noreturn]] void refuse(std::string_view name, std::string_view rule) const {
    auto const found = object.find(name);
    throw file_error{message("basin: ", file, ": its configuration has ", found == object.end() ? "no " : "", '\'',
                             path, name, '\'', found == object.end() ? "" : " = " + spelled(*found), "; it must be ",
                             rule, ": ", remedy)};
  }

 private:
  nlohmann::ordered_json const& entry(std::string_view name, std::string_view rule) const {
    auto const found = object.find(name);
    if (found == object.end()) refuse(name, rule);
    return *found;
  }

  static std::string spelled(nlohmann::ordered_json const& value) {
    if (value.is_array()) return message("a list of ", value.size());
    if (value.is_object()) return "an object";
    return value.is_string() ? quotation(value.get_ref<std::string const&>()) : value.dump();
  }

  nlohmann::ordered_json const& object;
  std::string file, path, remedy;
};

}  // namespace basin::lm
