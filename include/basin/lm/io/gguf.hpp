// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GGUF files, versions 2 and 3, little-endian: "GGUF", u32 version, u64 number of tensors, u64 number of entries of the
// metadata, the entries (name, u32 type, value), the tensors (name, u32 number of axes, u64 extents with the innermost
// first, u32 type, u64 offset), and from the next multiple of general.alignment (32 where it is not given) on the data.
// A text is a u64 length and its bytes; a list is the u32 type of its values, a u64 length and the values.
// Source: docs/gguf.md of ggml-org/ggml.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/lm/io/detail/binary_format.hpp"
#include "basin/lm/io/detail/gguf_reader.hpp"
#include "basin/lm/io/gguf_metadata.hpp"
#include "basin/lm/io/mapped_file.hpp"
#include "basin/lm/io/stored_tensor.hpp"

namespace basin::lm {

struct gguf_file {
  gguf_metadata metadata;
  tensor_store tensors;  // shapes with the outermost extent first
};

/// Reads a GGUF file that lies in memory, under a name for messages; `keep` holds the bytes alive.
inline gguf_file read_gguf(std::span<std::byte const> bytes, std::string const& origin,
                           std::shared_ptr<void const> keep) {
  auto found = detail::valid_file(origin, "GGUF", [&] { return detail::gguf_reader{bytes}.read(); });
  return {{origin, std::move(found.values)}, {origin, std::move(found.tensors), {std::move(keep)}}};
}

/// Opens a GGUF file. Its metadata are copied, its tensors are mapped.
///
/// Throws    file_error: a file that is missing, damaged or hostile; a version, an order of bytes or a type of tensor
///           that is not known. Types that are known but not read as floats are listed; to_floats() refuses them
/// Cost      reads metadata and the list of tensors alone, whatever the size of the file
inline gguf_file open_gguf(std::filesystem::path const& path) {
  auto mapped = std::make_shared<mapped_file const>(path);
  auto const bytes = mapped->bytes();
  return read_gguf(bytes, path.string(), std::move(mapped));
}

}  // namespace basin::lm
