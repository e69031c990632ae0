// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers programs/progress.hpp

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

#include "captured_stream.hpp"
#include "programs/progress.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace programs = basin::programs;

namespace {

/// stderr as a terminal of some columns.
class terminal {
 public:
  explicit terminal(unsigned short columns) : master(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) return;
    slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
    winsize const size{24, columns, 0, 0};
    if (slave >= 0) ::ioctl(slave, TIOCSWINSZ, &size), before = ::dup(STDERR_FILENO), ::dup2(slave, STDERR_FILENO);
  }
  terminal(terminal const&) = delete;
  terminal& operator=(terminal const&) = delete;
  ~terminal() {
    if (before >= 0) ::dup2(before, STDERR_FILENO), ::close(before), ::close(slave);
    if (master >= 0) ::close(master);
  }

  bool works() const { return before >= 0; }
  /// What was written so far.
  std::string text() const {
    std::string read(4096, ' ');
    ssize_t const got = ::read(master, read.data(), read.size());
    return read.substr(0, got > 0 ? static_cast<std::size_t>(got) : 0);
  }

 private:
  int master = -1, slave = -1, before = -1;
};

}  // namespace

TEST_CASE("a progress line is cut to the width of its terminal", "[unit][progress]") {
  std::string said;
  unsigned short const columns = GENERATE(1, 40, 200);
  {
    terminal const narrow{columns};
    if (!narrow.works()) return basin_test::skip("no pseudo terminal can be made here");
    programs::progress bar{"train", 0, 100};
    bar.update(100, 1.25, 6400);
    said = narrow.text();
  }
  std::string const begin = "\r\033[K", line = said.substr(begin.size());
  REQUIRE(said.starts_with(begin));
  if (columns < 80) REQUIRE(line.size() == static_cast<std::size_t>(columns) - 1);
  else REQUIRE(line.find("left 00:00") != std::string::npos);
}

TEST_CASE("there is no progress line where there is no terminal", "[unit][progress]") {
  basin_test::captured_stream const captured{STDERR_FILENO};
  {
    programs::progress bar{"train", 0, 100};
    bar.update(100, 1.25, 6400);
  }
  REQUIRE(captured.text().empty());
}
