// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Entries of a JSON object of a tokenizer file, each read by its type. Messages are reasons without the file.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm::detail {

using json = nlohmann::json;

/// An object of a file, with the path of its entry: "model" or "pre_tokenizer.pretokenizers[0]".
class json_entries {
 public:
  json_entries(json const& from, std::string in_entry) : object(from), path(std::move(in_entry)) {
    if (!object.is_object()) throw file_error{message(quotation(path), " must be an object")};
  }

  /// Refuses entries that are not in the list, so that none is silently ignored.
  ///
  /// Throws    unsupported_error
  void only(std::initializer_list<std::string_view> known) const {
    for (auto const& [name, value] : object.items())
      if (std::ranges::find(known, name) == known.end())
        throw unsupported_error{message("the entry ", quotation(where(name)))};
  }

  bool has(std::string_view name) const {
    auto const found = object.find(name);
    return found != object.end() && !found->is_null();
  }

  json const& at(std::string_view name) const {
    auto const found = object.find(name);
    if (found == object.end()) throw file_error{message("it has no ", quotation(where(name)))};
    return *found;
  }

  std::string const& text(std::string_view name) const {
    if (!at(name).is_string()) refuse(name, "a text");
    return at(name).get_ref<std::string const&>();
  }
  std::string text_or(std::string_view name, std::string_view usual) const {
    return has(name) ? text(name) : std::string{usual};
  }

  json const& array(std::string_view name) const {
    if (!at(name).is_array()) refuse(name, "an array");
    return at(name);
  }

  int id(std::string_view name) const {
    json const& found = at(name);
    if (!found.is_number_unsigned() || found.get<std::uint64_t>() > std::numeric_limits<std::int32_t>::max())
      refuse(name, "a whole number from 0 to 2^31 - 1");
    return found.get<int>();
  }

  /// One of two values, by a JSON boolean; `when_false` where there is no such entry.
  template <class T>
  T either(std::string_view name, T when_false, T when_true) const {
    if (!has(name)) return when_false;
    if (!at(name).is_boolean()) refuse(name, "true or false");
    return at(name).get<bool>() ? when_true : when_false;
  }

  json_entries section(std::string_view name) const { return {at(name), where(name)}; }

  std::string where(std::string_view name) const { return path.empty() ? std::string{name} : message(path, '.', name); }

  [[noreturn]] void refuse(std::string_view name, std::string_view rule) const {
    throw file_error{message(quotation(where(name)), " is ", excerpt(at(name).dump()), "; it must be ", rule)};
  }

 private:
  json const& object;
  std::string path;
};

}  // namespace basin::lm::detail
