// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// JSON of a file, read strictly: nlohmann::json alone would take the last of two equal keys.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm::detail {

/// Refuses duplicate keys, which nlohmann::json would silently merge, and nesting deeper than a text needs.
class strict_keys {
 public:
  strict_keys(std::string_view text_name, int most) : name(text_name), deepest(most) {}

  template <class Json>
  bool operator()(int depth, nlohmann::json::parse_event_t event, Json& value) {
    using what = nlohmann::json::parse_event_t;
    if (depth > deepest) throw file_error{message("its ", name, " is nested too deeply")};
    if (event == what::object_start) seen.emplace_back();
    if (event == what::object_end) seen.pop_back();
    if (event == what::key && !seen.back().insert(value.template get<std::string>()).second)
      throw file_error{message("its ", name, " names ", quotation(value.template get<std::string>()), " twice")};
    return true;
  }

 private:
  std::string name;
  int deepest;
  std::vector<std::set<std::string>> seen;
};

/// Parses a JSON text of a file.
///
/// Throws    file_error, with the reason alone: no JSON in UTF-8, a key twice, nested too deeply
template <class Json>
Json parse_json(std::string_view text, std::string_view name, int deepest) {
  try {
    strict_keys keys{name, deepest};
    return Json::parse(text.begin(), text.end(), [&](int depth, nlohmann::json::parse_event_t event, Json& value) {
      return keys(depth, event, value);
    });
  } catch (nlohmann::json::parse_error const& why) {
    throw file_error{
        message("its ", name, " is no JSON in UTF-8: it breaks off at byte ", why.byte, " of ", text.size())};
  } catch (nlohmann::json::out_of_range const&) {
    throw file_error{message("its ", name, " has a number that no type holds")};
  }
}

}  // namespace basin::lm::detail
