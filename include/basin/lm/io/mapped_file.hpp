// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"

namespace basin::lm {

/// The bytes of a regular file, mapped into memory to be read: nothing is copied, and the system loads a page when it
/// is first read.
///
/// Throws    file_error, as input_file, or if the file cannot be mapped
/// Edges     an empty file has no bytes. What replaces the file (a rename over it) changes nothing here. A file that is
///           shortened in place while it is mapped ends the process with SIGBUS when a page beyond its end is read;
///           nothing guards against that
/// Cost      a system call, whatever the size of the file
class mapped_file {
 public:
  explicit mapped_file(std::filesystem::path const& path) {
    input_file const file{path};
    if (file.size() == 0) return;
    if (file.size() > std::numeric_limits<std::size_t>::max()) file.refuse("it is larger than the address space");
    size = static_cast<std::size_t>(file.size());
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
    if (at == MAP_FAILED)
      file.refuse(message("it cannot be mapped into memory: ", std::strerror(errno),
                          "; copy it to a local disk, or allow the process more address space"));
    begin = static_cast<std::byte const*>(at);
  }
  mapped_file(mapped_file&& other) noexcept
      : begin(std::exchange(other.begin, nullptr)), size(std::exchange(other.size, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(begin, other.begin);
    std::swap(size, other.size);
    return *this;
  }
  ~mapped_file() {
    if (begin) ::munmap(const_cast<std::byte*>(begin), size);
  }

  std::span<std::byte const> bytes() const { return {begin, size}; }

 private:
  std::byte const* begin = nullptr;
  std::size_t size = 0;
};

}  // namespace basin::lm
