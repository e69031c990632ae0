// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The safetensors format: a little-endian u64 N, N bytes of JSON {name: {dtype, shape, data_offsets}, "__metadata__":
// {..}}, then the tensors, one after another with no gap and no overlap. A file comes from anywhere, so everything it
// claims is checked against its size before a single tensor is handed out. Source: the format section of the README of
// huggingface/safetensors.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/detail/binary_format.hpp"
#include "basin/lm/io/detail/safetensors_header.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/storage_type.hpp"

namespace basin::lm {

/// A tensor to be written; its bytes stay where they are.
struct tensor {
  std::string name;
  storage_type type = storage_type::f32;
  std::vector<index_t> shape;
  std::span<std::byte const> bytes;
};

/// A tensor over values that stay where they are.
template <class T>
tensor tensor_of(std::string name, std::vector<index_t> shape, std::span<T const> values) {
  return {std::move(name), storage_of<T>(), std::move(shape), std::as_bytes(values)};
}

namespace detail {

/// Bytes in memory, or in an open file.
class stored_bytes {
 public:
  explicit stored_bytes(std::vector<std::byte> bytes) : memory(std::move(bytes)) {}
  explicit stored_bytes(input_file opened) : file(std::move(opened)) {}

  std::uint64_t size() const { return file ? file->size() : memory.size(); }
  void read(std::uint64_t first, std::span<std::byte> to) const {
    if (file) file->read(first, to);
    else std::copy_n(memory.begin() + static_cast<std::ptrdiff_t>(first), to.size(), to.begin());
  }

 private:
  std::vector<std::byte> memory;
  std::optional<input_file> file;
};

}  // namespace detail

/// A safetensors file, its header checked against its size; tensors are read when they are asked for.
///
/// State     the header, and the open file: what replaces the file later changes nothing here
/// Throws    file_error, naming the file, for everything the format forbids; NaN and infinite values are allowed
/// Cost      opening reads the header alone, whatever the size of the file
class tensor_file {
 public:
  /// Checks bytes that came from `origin`, a name for messages.
  static tensor_file parse(std::vector<std::byte> bytes, std::string const& origin) {
    return tensor_file{detail::stored_bytes{std::move(bytes)}, origin};
  }

  static tensor_file read(std::filesystem::path const& path) {
    return tensor_file{detail::stored_bytes{input_file{path}}, path.string()};
  }

  std::string const& origin() const { return source; }
  std::span<tensor_entry const> tensors() const { return contents.entries; }
  text_map const& metadata() const { return contents.texts; }

  tensor_entry const* find(std::string_view name) const {
    auto const found = places.find(name);
    return found == places.end() ? nullptr : &contents.entries[found->second];
  }

  /// The tensor of that name, type and shape, or an error that says what is there instead.
  template <class T>
  tensor_entry const& expect(std::string_view name, std::span<index_t const> shape) const {
    tensor_entry const* const found = find(name);
    if (!found)
      throw file_error{
          message("basin: ", source, " has no tensor ", quotation(name), "; is it a checkpoint of this model?")};
    if (found->type != storage_of<T>())
      throw file_error{message("basin: ", source, ": tensor ", quotation(name), " has type ", facts(found->type).name,
                               "; it must be ", facts(storage_of<T>()).name)};
    if (!std::equal(shape.begin(), shape.end(), found->shape.begin(), found->shape.end()))
      throw file_error{message("basin: ", source, ": tensor ", quotation(name), " has shape ",
                               detail::spell(found->shape), "; this model needs ", detail::spell(shape))};
    return *found;
  }

  /// Reads one tensor into values of its size.
  template <class T>
  void copy(std::string_view name, std::span<index_t const> shape, std::span<T> values) const {
    tensor_entry const& found = expect<T>(name, shape);
    if (found.size != values.size_bytes())
      throw shape_error{message("basin: tensor ", quotation(name), " has ", found.size / sizeof(T),
                                " values; there is room for ", values.size())};
    bytes.read(contents.data_begin + found.begin, std::as_writable_bytes(values));
  }

  /// The values of one tensor.
  template <class T>
  std::vector<T> values(std::string_view name, std::span<index_t const> shape) const {
    std::vector<T> read(expect<T>(name, shape).size / sizeof(T));
    copy<T>(name, shape, read);
    return read;
  }

 private:
  tensor_file(detail::stored_bytes from, std::string const& origin)
      : source(origin), bytes(std::move(from)),
        contents(detail::valid_file(origin, "safetensors", [&] { return detail::read_contents(bytes); })) {
    auto const& entries = contents.entries;
    for (std::size_t i = 0; i < entries.size(); ++i) places.emplace(entries[i].name, i);
  }

  std::string source;
  detail::stored_bytes bytes;
  detail::safetensors_contents contents;
  std::map<std::string_view, std::size_t> places;  // by name; entries keep their address when moved
};

namespace detail {

inline std::string header_text(nlohmann::ordered_json const& header) {
  try {
    return header.dump();
  } catch (nlohmann::json::type_error const&) {
    throw value_error{"basin: a name or a text for a safetensors file is not UTF-8; spell it in UTF-8"};
  }
}

}  // namespace detail

/// Writes the tensors into a staged file, widest elements first so that each is aligned.
///
/// Throws    value_error for a name that is used twice, is reserved or is not UTF-8, a type that the format does not
///           have, or bytes that do not fit the shape; file_error
inline void stage_safetensors(staged_file& file, std::vector<tensor> tensors, text_map const& metadata) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](auto const& a, auto const& b) { return facts(a.type).bytes > facts(b.type).bytes; });
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t end = 0;
  for (tensor const& t : tensors) {
    if (facts(t.type).values != 1)
      throw value_error{message("basin: tensor ", quotation(t.name), " has type ", facts(t.type).name,
                                ", which safetensors files do not store; convert it to F32, F16 or BF16 first")};
    std::uint64_t const size = storage_size(t.type, t.shape).value_or(std::numeric_limits<std::uint64_t>::max());
    if (size != t.bytes.size())
      throw value_error{message("basin: tensor ", quotation(t.name), " has ", t.bytes.size(), " bytes; shape ",
                                detail::spell(t.shape), " of ", facts(t.type).name, " needs ", size)};
    if (t.name == "__metadata__" || header.contains(t.name))
      throw value_error{message("basin: two tensors are called ", quotation(t.name), "; give each its own name")};
    header[t.name] = {{"dtype", facts(t.type).name}, {"shape", t.shape}, {"data_offsets", {end, end + size}}};
    end += size;
  }
  std::string text = detail::header_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::uint64_t const length = text.size();
  file.append(std::as_bytes(std::span{&length, 1}));
  file.append(bytes_of(text));
  for (tensor const& t : tensors) file.append(t.bytes);
}

/// Writes a safetensors file, wholly or not at all.
inline void write_safetensors(std::filesystem::path const& path, std::vector<tensor> tensors,
                              text_map const& metadata = {}) {
  staged_file file{path};
  stage_safetensors(file, std::move(tensors), metadata);
  file.settle();
  file.publish();
}

}  // namespace basin::lm
