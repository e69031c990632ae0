// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The frame of a program: it parses the command line, runs the body, and turns an error into one line on stderr and an
// exit code. All programs use the same exit codes:
//
//   0          done, and all output is written
//   1          failed at work: out of memory, an output that cannot be written, a device that fails
//   2          refused, before any work: the command line, the value of an option, a file or a checkpoint
//   128 + n    ended in good order by signal n: 130 for Ctrl-C (programs/interrupt.hpp)

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <sstream>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "programs/interrupt.hpp"

namespace basin::programs {

inline constexpr int exit_done = 0, exit_failed = 1, exit_refused = 2;

namespace detail {

/// One line on stderr: "train: --steps is '0'; it must be ...".
inline void complain(std::string_view program, std::string_view text) {
  if (text.starts_with("basin: ")) text.remove_prefix(7);
  std::fprintf(stderr, "%s\n", lm::terminal_message(message(program, ": ", text)).c_str());
}

/// Opens the standard streams that are closed, so that no file of the program gets their descriptor. Each is opened for
/// the opposite of its use: reading and writing fail as they do on a closed stream.
inline void reserve_standard_streams() {
  for (int const stream : {0, 1, 2})
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF) (void)::open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
}

/// The exit code of a program that printed all it had to print: it was done only if that can be written.
inline int flushed(std::string_view program, int code) {
  errno = 0;
  bool const whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (whole) return code;
  complain(program, message("cannot write all of the standard output",
                            errno != 0 ? message(": ", std::strerror(errno)) : "", "; write it where there is room"));
  return code == exit_done ? exit_failed : code;
}

/// The body's own code, or that of what it throws.
inline int guarded(std::string_view program, CLI::App const& app, std::function<int()> const& body) {
  auto const ends = [&](int code, std::string_view text) { return complain(program, text), code; };
  try {
    return body();
  } catch (CLI::Success const& asked) {  // --help and the like
    std::ostringstream text;
    app.exit(asked, text, text);
    std::fputs(text.str().c_str(), stdout);
    return exit_done;
  } catch (CLI::ParseError const& why) {
    return ends(exit_refused, message(why.what(), "; see ", program, " --help"));
  } catch (stopped_by_signal const& why) {
    return ends(exit_code_of_interrupt(), why.what());
  } catch (lm::write_error const& why) {
    return ends(exit_failed, why.what());
  } catch (value_error const& why) {
    return ends(exit_refused, why.what());
  } catch (shape_error const& why) {
    return ends(exit_refused, why.what());
  } catch (unsupported_error const& why) {
    return ends(exit_refused, why.what());
  } catch (file_error const& why) {
    return ends(exit_refused, why.what());
  } catch (std::bad_alloc const&) {
    return ends(exit_failed, "out of memory; free some, or choose smaller sizes");
  } catch (nlohmann::json::exception const& why) {
    return ends(exit_failed, message("a JSON entry is not what the program takes it for (nlohmann::json error ", why.id,
                                     "); this is a lm::fault of the program"));
  } catch (std::exception const& why) {
    return ends(exit_failed, why.what());
  }
}

}  // namespace detail

/// The body of a main(): parses the command line as `app` declares, then runs `body`, whose result is the exit code.
///
/// Example   int main(int argc, char** argv) {
///             options o;
///             CLI::App app{"Counts."};
///             programs::add_number(app, "--most", o.most, lm::at_least(1), "where to stop");
///             return programs::run_program("count", app, argc, argv, [&] { return count(o), programs::exit_done; });
///           }
inline int run_program(std::string_view program, CLI::App& app, int argc, char** argv,
                       std::function<int()> const& body) {
  detail::reserve_standard_streams();
  int const code = detail::guarded(program, app, [&] { return app.parse(argc, argv), body(); });
  return detail::flushed(program, code);
}

}  // namespace basin::programs
