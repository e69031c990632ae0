// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Reads the header of a safetensors file, N bytes of JSON {name: {dtype, shape, data_offsets}, "__metadata__": {..}},
// and checks every entry against the size of the data that follow it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/json_text.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/storage_type.hpp"

namespace basin::lm {

/// A tensor of a file: its bytes are [begin, begin + size) of the file's data.
struct tensor_entry {
  std::string name;
  storage_type type = storage_type::f32;
  std::vector<index_t> shape;
  std::uint64_t begin = 0, size = 0;
};

using text_map = std::map<std::string, std::string>;

namespace detail {

/// Reads the header of one file; every message is a reason, to which the caller adds the file.
class header_reader {
 public:
  header_reader(nlohmann::json const& parsed, std::uint64_t data_size) : header(parsed), data(data_size) {}

  /// In the order in which they lie in the file.
  std::vector<tensor_entry> tensors() const {
    std::vector<tensor_entry> found;
    for (auto const& [name, entry] : header.items())
      if (name != "__metadata__") found.push_back(read(name, entry));
    std::stable_sort(found.begin(), found.end(), [](auto const& a, auto const& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.size < b.size;
    });
    std::uint64_t end = 0;
    for (auto const& entry : found) {
      if (entry.begin != end)
        throw file_error{message("tensor ", quotation(entry.name), " begins at byte ", entry.begin,
                                 entry.begin < end ? ", inside" : ", with a gap after",
                                 " the one before, which ends at ", end)};
      end = entry.begin + entry.size;
    }
    if (end != data) throw file_error{message("its tensors end at byte ", end, " but its data at ", data)};
    return found;
  }

  text_map metadata() const {
    text_map out;
    auto const found = header.find("__metadata__");
    if (found == header.end()) return out;
    if (!found->is_object()) throw file_error{"its __metadata__ is not an object"};
    for (auto const& [key, value] : found->items()) {
      if (!value.is_string()) throw file_error{message("its __metadata__ ", quotation(key), " is not a string")};
      out.emplace(key, value.get<std::string>());
    }
    return out;
  }

 private:
  tensor_entry read(std::string const& name, nlohmann::json const& entry) const {
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
        !entry.contains("data_offsets"))
      throw file_error{
          message("tensor ", quotation(name), " must have dtype, shape and data_offsets, and nothing else")};
    storage_facts const& type = type_of(name, entry["dtype"]);
    std::vector<index_t> const shape = numbers(name, entry["shape"], "shape");
    std::vector<index_t> const offsets = numbers(name, entry["data_offsets"], "data_offsets");
    if (offsets.size() != 2)
      throw file_error{message("tensor ", quotation(name), " must have two data_offsets, not ", offsets.size())};
    auto const begin = static_cast<std::uint64_t>(offsets[0]), end = static_cast<std::uint64_t>(offsets[1]);
    if (begin > end || end > data)
      throw file_error{message("tensor ", quotation(name), " claims bytes ", begin, " to ", end, " of ", data)};
    auto const size = storage_size(type.type, shape);
    if (!size || *size != end - begin)
      throw file_error{message("tensor ", quotation(name), " of shape ", spell(shape), " and type ", type.name,
                               " cannot fill its ", end - begin, " bytes")};
    return {name, type.type, shape, begin, end - begin};
  }

  static storage_facts const& type_of(std::string const& name, nlohmann::json const& dtype) {
    if (dtype.is_string())
      for (auto const& one : storage_types)
        if (one.values == 1 && one.name == dtype.get_ref<std::string const&>()) return one;
    throw file_error{message("tensor ", quotation(name), " has the unknown dtype ", excerpt(dtype.dump()))};
  }

  static std::vector<index_t> numbers(std::string const& name, nlohmann::json const& list, std::string_view what) {
    auto const good = [](nlohmann::json const& n) {
      return n.is_number_unsigned() && n.get<std::uint64_t>() <= std::uint64_t(std::numeric_limits<index_t>::max());
    };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), good))
      throw file_error{message("tensor ", quotation(name), " has ", what, ' ', excerpt(list.dump()),
                               "; it must list whole numbers from 0 to 2^63 - 1")};
    return list.get<std::vector<index_t>>();
  }

  nlohmann::json const& header;
  std::uint64_t data;
};

inline constexpr std::uint64_t largest_header = 100'000'000;  // the limit of the format's own reader

/// What a safetensors file says about itself.
struct safetensors_contents {
  std::vector<tensor_entry> entries;  // in the order in which they lie in the file
  text_map texts;
  std::uint64_t data_begin = 0;       // where the data begin in the file
};

/// Reads the header of a source of bytes, size() and read(first, to), and checks it against the size.
template <class Bytes>
safetensors_contents read_contents(Bytes const& bytes) {
  std::uint64_t const size = bytes.size();
  std::uint64_t length = 0;
  if (size < sizeof length) throw file_error{message("it has ", size, " bytes, not even a header length")};
  bytes.read(0, std::as_writable_bytes(std::span{&length, 1}));
  if (length > largest_header)
    throw file_error{message("its header claims ", length, " bytes; the format allows ", largest_header)};
  if (length > size - sizeof length)
    throw file_error{
        message("its header claims ", length, " bytes; the file has ", size - sizeof length, " after the length")};
  std::string text(length, ' ');
  bytes.read(sizeof length, std::as_writable_bytes(std::span{text}));
  if (!text.starts_with('{')) throw file_error{"its header does not begin with '{'"};
  auto const header = parse_json<nlohmann::json>(text, "header", 4);
  std::uint64_t const data_begin = sizeof length + length;
  header_reader const reader{header, size - data_begin};
  return {reader.tensors(), reader.metadata(), data_begin};
}

}  // namespace detail

}  // namespace basin::lm
