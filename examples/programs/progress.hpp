// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One line on the terminal that tells how far a long job is. It writes to stderr, so results stay clean, and writes
// nothing where stderr is not a terminal.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

namespace basin::programs {

/// "1:02:03", "02:03" or "--:--" for a time that is not known.
inline std::string clock_text(double seconds) {
  if (!(seconds >= 0) || seconds > 359999) return "--:--";
  int const whole = static_cast<int>(seconds + 0.5);
  char text[32];
  if (whole >= 3600) std::snprintf(text, sizeof text, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  else std::snprintf(text, sizeof text, "%02d:%02d", whole / 60, whole % 60);
  return text;
}

/// How many columns the terminal of stderr has; 80 where it does not say.
inline int terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// A line of ASCII cut so that a terminal does not wrap it: "\r" would then return to the last of its rows only.
inline std::string fitted(std::string line, int columns) {
  line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(columns - 1, 0))));
  return line;
}

/// The line itself: "train  [######------]  50 %  step 100/200  loss 1.2345  16.0k tokens/s  left 00:10".
inline std::string progress_line(std::string const& name, std::int64_t done, std::int64_t total, double loss,
                                 double rate, double left) {
  int const width = 20;
  double const share = total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0.0;
  int const full = static_cast<int>(share * width);
  std::string const bar =
      std::string(static_cast<std::size_t>(full), '#') + std::string(static_cast<std::size_t>(width - full), '-');
  char text[256];
  std::snprintf(text, sizeof text, "%.60s  [%s] %3.0f %%  step %lld/%lld  loss %.4f  %.1fk tokens/s  left %s",
                name.c_str(), bar.c_str(), 100 * share, static_cast<long long>(done), static_cast<long long>(total),
                loss, rate / 1000, clock_text(left).c_str());
  return text;
}

/// A progress line for one job.
///
/// State     the time it began at; ten lines a second at most
/// Edges     no terminal: no output at all
class progress {
 public:
  using clock = std::chrono::steady_clock;

  progress(std::string job, std::int64_t first, std::int64_t steps)
      : name(std::move(job)), start(first), total(steps), shown(::isatty(STDERR_FILENO) == 1), begun(clock::now()) {}
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;
  ~progress() { clear(); }

  /// After step `done` (counted from 1), `tokens` since the job began.
  void update(std::int64_t done, double loss, std::int64_t tokens) {
    auto const now = clock::now();
    if (!shown || (done < total && now - last < std::chrono::milliseconds{100})) return;
    last = now;
    double const seconds = seconds_since_start();
    double const left =
        done > start ? seconds * static_cast<double>(total - done) / static_cast<double>(done - start) : -1;
    double const rate = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
    std::fprintf(stderr, "\r\033[K%s",
                 fitted(progress_line(name, done, total, loss, rate, left), terminal_columns()).c_str());
    std::fflush(stderr);
  }

  /// Takes the line away, before something else is printed.
  void clear() {
    if (shown) std::fputs("\r\033[K", stderr), std::fflush(stderr);
  }

  double seconds_since_start() const { return std::chrono::duration<double>(clock::now() - begun).count(); }

 private:
  std::string name;
  std::int64_t start, total;
  bool shown;
  clock::time_point begun, last{};
};

}  // namespace basin::programs
