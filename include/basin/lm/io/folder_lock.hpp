// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"

namespace basin::lm {

/// The exclusive right of one process to write to a folder. Reading needs no lock.
///
/// State     a file `.lock` in the folder, locked with flock() while this object lives and then removed. When a process
///           dies, the kernel releases its lock, and the next process uses the file that it left
/// Throws    file_error: another process holds the lock, or the folder allows no new file
class folder_lock {
 public:
  explicit folder_lock(std::filesystem::path const& folder) : path(folder / ".lock"), file(locked(folder, path)) {
    std::string const owner = std::to_string(::getpid());
    if (::ftruncate(file.get(), 0) == 0) (void)!::write(file.get(), owner.data(), owner.size());
  }
  folder_lock(folder_lock const&) = delete;
  folder_lock& operator=(folder_lock const&) = delete;
  ~folder_lock() { ::unlink(path.c_str()); }  // before the lock goes with the descriptor

 private:
  static descriptor locked(std::filesystem::path const& folder, std::filesystem::path const& path) {
    for (;;) {
      descriptor opened{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666)};
      if (opened.get() < 0)
        throw file_error{message("basin: cannot lock the folder ", folder.string(), ": ", std::strerror(errno),
                                 "; it must allow new files")};
      if (::flock(opened.get(), LOCK_EX | LOCK_NB) != 0) refuse(folder, opened, errno);
      struct stat here {}, there {};
      bool const same = ::fstat(opened.get(), &here) == 0 && ::stat(path.c_str(), &there) == 0 &&
                        here.st_ino == there.st_ino && here.st_dev == there.st_dev;
      if (same) return opened;  // else the owner of before removed it between our two calls
    }
  }

  [[noreturn]] static void refuse(std::filesystem::path const& folder, descriptor const& file, int reason) {
    if (reason != EWOULDBLOCK)
      throw file_error{message("basin: cannot lock the folder ", folder.string(), ": ", std::strerror(reason),
                               "; choose one on a file system that has locks")};
    std::array<char, 16> owner{};
    ssize_t const got = ::pread(file.get(), owner.data(), owner.size() - 1, 0);
    throw file_error{message("basin: another process", got > 0 ? message(" (", owner.data(), ')') : "",
                             " writes to the folder ", folder.string(),
                             "; wait until it has ended, or choose another folder")};
  }

  std::filesystem::path path;
  descriptor file;
};

}  // namespace basin::lm
