// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Files as a whole: read at once, replaced at once. A new content is written beside the old one, forced to the disk and
// only then renamed over it. After a crash or with a full disk, the file is the old one or the new one, never a
// mixture.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"

namespace basin::lm {

/// An output that could not be written once work had begun: a full disk, a broken one.
struct write_error : file_error {
  using file_error::file_error;
};

/// The bytes of a text, for functions that take bytes.
inline std::span<std::byte const> bytes_of(std::string_view text) {
  return std::as_bytes(std::span<char const>{text.data(), text.size()});
}

/// The bytes of any contiguous values.
template <class T>
std::span<std::byte const> bytes_of(std::span<T const> values) {
  return std::as_bytes(values);
}

/// A file descriptor that closes itself.
class descriptor {
 public:
  explicit descriptor(int opened) : number(opened) {}
  descriptor(descriptor&& other) noexcept : number(std::exchange(other.number, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept { return std::swap(number, other.number), *this; }
  ~descriptor() { close(); }

  int get() const { return number; }
  int close() { return number < 0 ? 0 : ::close(std::exchange(number, -1)); }

 private:
  int number;
};

/// A regular file, open to be read anywhere. Opening never waits: pipes and devices are refused.
///
/// Throws    file_error: missing, not readable, not a regular file; from read(), shorter than it was when it was opened
class input_file {
 public:
  explicit input_file(std::filesystem::path wanted)
      : path(std::move(wanted)),
        file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (file.get() < 0) refuse(message(std::strerror(errno), "; check the path and its permissions"));
    struct stat about {};
    if (::fstat(file.get(), &about) != 0) refuse(std::strerror(errno));
    if (!S_ISREG(about.st_mode)) refuse("it is not a regular file; name a file");
    bytes = static_cast<std::uint64_t>(about.st_size);
  }

  std::uint64_t size() const { return bytes; }
  /// The number of the descriptor, for calls that this class does not make.
  int number() const { return file.get(); }

  /// Fills `to` with the bytes from `first` on.
  void read(std::uint64_t first, std::span<std::byte> to) const {
    for (std::size_t done = 0; done < to.size();) {
      ssize_t const got = ::pread(file.get(), to.data() + done, to.size() - done, static_cast<off_t>(first + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) refuse(std::strerror(errno));
      if (got == 0) refuse(message("it ended after ", first + done, " of ", bytes, " bytes; is it being written?"));
      done += static_cast<std::size_t>(got);
    }
  }

  [[noreturn]] void refuse(std::string const& why) const {
    throw file_error{message("basin: cannot read ", path.string(), ": ", why)};
  }

 private:
  std::filesystem::path path;
  descriptor file;
  std::uint64_t bytes = 0;
};

/// The whole content of a regular file of at most `most` bytes.
///
/// Throws    file_error, as input_file; a larger file is refused before it is read
inline std::vector<std::byte> read_file(std::filesystem::path const& path,
                                        std::uint64_t most = std::uint64_t{1} << 40) {
  input_file const file{path};
  if (file.size() > most)
    file.refuse(message("it has ", file.size(), " bytes, and at most ", most,
                        " are read; name a smaller file, or a part of this one"));
  std::vector<std::byte> content(static_cast<std::size_t>(file.size()));
  file.read(0, content);
  return content;
}

/// A file in the making: nothing is seen at `target` before publish(), and nothing is left behind without it.
///
/// Throws    file_error where writing cannot begin, write_error later; both name the file, the reason and the remedy
/// Edges     a target that exists and is no regular file (a device, a folder) is refused
/// Example   write_atomically below; several files: append and settle each, then publish each
class staged_file {
 public:
  explicit staged_file(std::filesystem::path wanted)
      : target(std::move(wanted)), temporary(beside(target)), file(create(target, temporary)) {}
  staged_file(staged_file&& other) noexcept
      : target(std::move(other.target)), temporary(std::exchange(other.temporary, {})), file(std::move(other.file)),
        written(other.written) {}
  staged_file& operator=(staged_file&&) = delete;
  ~staged_file() { discard(); }

  /// Adds bytes at the end.
  void append(std::span<std::byte const> bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      ssize_t const put = ::write(file.get(), bytes.data() + done, bytes.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail(put == 0 ? ENOSPC : errno, bytes.size() - done);
      done += static_cast<std::size_t>(put);
      written += static_cast<std::uint64_t>(put);
    }
  }

  /// Forces the bytes to the disk; after this, publishing needs no more room.
  void settle() {
    if (::fsync(file.get()) != 0) fail(errno, 0);
    if (file.close() != 0) fail(errno, 0);
  }

  /// Puts the file in place of the old one; settle() comes first.
  void publish() {
    if (::rename(temporary.c_str(), target.c_str()) != 0) fail(errno, 0);
    temporary.clear();
    descriptor const folder{::open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder.get() >= 0)
      ::fsync(folder.get());  // some file systems refuse to sync a folder; the rename stands all the same
  }

 private:
  static std::filesystem::path folder_of(std::filesystem::path const& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path{"."};
  }

  static std::filesystem::path beside(std::filesystem::path const& path) {
    return folder_of(path) / message('.', path.filename().string(), '.', ::getpid(), ".part");
  }

  static int create(std::filesystem::path const& target, std::filesystem::path const& temporary) {
    struct stat about {};
    if (::stat(target.c_str(), &about) == 0 && !S_ISREG(about.st_mode))
      throw file_error{message("basin: cannot write ", target.string(),
                               ": it exists and is not a regular file; choose another name")};
    int const opened = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (opened < 0)
      throw file_error{message("basin: cannot write ", target.string(), ": ", std::strerror(errno),
                               "; its folder must exist and allow new files")};
    return opened;
  }

  [[noreturn]] void fail(int reason, std::size_t missing) {
    discard();
    throw write_error{message("basin: cannot write ", target.string(), ": after ", written, " of ", written + missing,
                             " bytes: ", std::strerror(reason),
                             "; what was there before is unchanged; free some room or choose another folder")};
  }

  void discard() {
    if (!temporary.empty()) ::unlink(temporary.c_str());
    temporary.clear();
  }

  std::filesystem::path target, temporary;
  descriptor file;
  std::uint64_t written = 0;
};

/// Removes the temporary files that killed processes left of the named files, and nothing else. The caller holds the
/// folder_lock of the folder, so that no other process is writing them.
inline void remove_unfinished(std::filesystem::path const& folder, std::span<std::string_view const> names) {
  std::error_code ignored;
  for (auto const& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string const found = entry.path().filename().string();
    auto const is_part_of = [&](std::string_view name) {  // .NAME.PROCESS.part
      std::string const begin = message('.', name, '.'), end = ".part";
      if (found.size() <= begin.size() + end.size() || !found.starts_with(begin) || !found.ends_with(end)) return false;
      return found.find_first_not_of("0123456789", begin.size()) == found.size() - end.size();
    };
    if (std::ranges::any_of(names, is_part_of) && entry.is_regular_file(ignored) && !entry.is_symlink(ignored))
      std::filesystem::remove(entry.path(), ignored);
  }
}

/// Replaces the content of a file, or leaves it as it was.
inline void write_atomically(std::filesystem::path const& path, std::span<std::byte const> bytes) {
  staged_file file{path};
  file.append(bytes);
  file.settle();
  file.publish();
}

/// Makes a folder and those above it.
///
/// Throws    file_error, when it cannot be made or is something else
inline void make_folder(std::filesystem::path const& path) {
  std::error_code reason;
  std::filesystem::create_directories(path, reason);
  if (!reason && std::filesystem::is_directory(path)) return;
  throw file_error{message("basin: cannot make the folder ", path.string(), ": ",
                           reason ? reason.message() : "a file of that name is in the way", "; choose another name")};
}

}  // namespace basin::lm
