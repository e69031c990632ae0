// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

namespace basin_test {

/// What is written to a standard stream (STDERR_FILENO) while it lives.
class captured_stream {
 public:
  explicit captured_stream(int stream_number) : number(stream_number), before(::dup(number)) {
    std::fflush(nullptr);
    ::dup2(::fileno(file), number);
  }
  captured_stream(captured_stream const&) = delete;
  captured_stream& operator=(captured_stream const&) = delete;
  ~captured_stream() {
    std::fflush(nullptr);
    ::dup2(before, number);
    ::close(before);
    std::fclose(file);
  }

  std::string text() const {
    std::fflush(nullptr);
    std::string read(static_cast<std::size_t>(::lseek(::fileno(file), 0, SEEK_END)), ' ');
    return ::pread(::fileno(file), read.data(), read.size(), 0) < 0 ? "" : read;
  }

 private:
  int number, before;
  std::FILE* file = std::tmpfile();
};

}  // namespace basin_test
