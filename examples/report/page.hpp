// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A report as one self-contained HTML file: a template with the figures and the plotting library inserted.

#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/evaluation/statistics.hpp"
#include "basin/lm/io/files.hpp"

namespace basin::report {

/// A number with as many digits as a plot can show; NaN is null.
inline nlohmann::ordered_json number(double x) {
  if (!std::isfinite(x)) return nullptr;
  double const scale = x == 0 ? 1 : std::pow(10.0, 5 - std::ceil(std::log10(std::abs(x))));
  return std::round(x * scale) / scale;
}

inline nlohmann::ordered_json pair_json(lm::estimate const& e) { return {number(e.mean), number(e.standard_error)}; }

namespace detail {

/// Text that may stand inside a script element: "</" would end it.
inline std::string inside_script(std::string text) {
  for (std::size_t at = 0; (at = text.find("</", at)) != std::string::npos; at += 3) text.replace(at, 2, "<\\/");
  return text;
}

inline void put(std::string& page, std::string_view mark, std::string const& what) {
  std::size_t const at = page.find(mark);
  if (at == std::string::npos) throw value_error{message("basin::report: the report's template has no ", mark)};
  page.replace(at, mark.size(), what);
}

}  // namespace detail

/// Whether the report has plots.
enum class plots { shown, missing };

/// Puts the figures where the template has `mark`, and the plotting library where it has @PLOTLY@, if there is one at
/// `plotly`.
///
/// Throws    value_error: a template without a mark; file_error: a page that cannot be written
inline plots write_page(std::string_view page_template, std::string_view mark, nlohmann::ordered_json const& figures,
                        std::filesystem::path const& plotly, std::filesystem::path const& file) {
  std::string page(page_template), library;
  bool const found = std::filesystem::is_regular_file(plotly);
  if (found) {
    auto const bytes = lm::read_file(plotly);
    library.assign(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  }
  // The figures are put in first: the library may contain a text that equals a mark.
  detail::put(page, mark,
              detail::inside_script(figures.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)));
  detail::put(page, "@PLOTLY@", detail::inside_script(std::move(library)));
  lm::write_atomically(file, lm::bytes_of(page));
  return found ? plots::shown : plots::missing;
}

}  // namespace basin::report
