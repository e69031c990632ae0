// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace basin {

/// The base of every exception of the library. A message names the thing, its value, the rule and the remedy.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Extents or strides that do not fit together.
struct shape_error : error {
  using error::error;
};

/// A number outside its range: k = 0, a temperature of -1.
struct value_error : error {
  using error::error;
};

/// A combination that this engine does not support. There is no silent fallback.
struct unsupported_error : error {
  using error::error;
};

/// A file that cannot be read, cannot be written, or does not follow its format.
struct file_error : error {
  using error::error;
};

/// Joins its arguments into one message: message("keys have dim ", 96, ", not ", 128).
template <class... Parts>
std::string message(Parts const&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace basin
