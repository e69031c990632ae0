// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The safetensors format: a little-endian u64 N, N bytes of JSON {name: {dtype, shape, data_offsets}, "__metadata__": {..}},
// then the tensors, one after another with no gap and no overlap. A file comes from anywhere, so everything it claims is
// checked against its size before a single tensor is handed out.
// Source: the format section of the README of huggingface/safetensors.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "models/files.hpp"

static_assert(std::endian::native == std::endian::little, "basin: safetensors files are little-endian, and so must the host be");

namespace basin::models {

/// The element types of the format that basin knows by size; f32, f64, i64, u64 and u8 can be read into values.
enum class element { boolean, u8, i8, f16, bf16, i16, u16, f32, i32, u32, f64, i64, u64 };

struct element_facts {
  element type;
  std::string_view name;
  std::size_t size;
};

inline constexpr std::array<element_facts, 13> elements{{{element::boolean, "BOOL", 1}, {element::u8, "U8", 1},
    {element::i8, "I8", 1}, {element::f16, "F16", 2}, {element::bf16, "BF16", 2}, {element::i16, "I16", 2},
    {element::u16, "U16", 2}, {element::f32, "F32", 4}, {element::i32, "I32", 4}, {element::u32, "U32", 4},
    {element::f64, "F64", 8}, {element::i64, "I64", 8}, {element::u64, "U64", 8}}};

inline element_facts const& facts(element type) {
  return *std::find_if(elements.begin(), elements.end(), [&](auto const& e) { return e.type == type; });
}

/// The element of the format that holds a C++ type.
template <class T>
constexpr element element_of() {
  if constexpr (std::is_same_v<T, float>) return element::f32;
  else if constexpr (std::is_same_v<T, double>) return element::f64;
  else if constexpr (std::is_same_v<T, std::int64_t>) return element::i64;
  else if constexpr (std::is_same_v<T, std::uint64_t>) return element::u64;
  else {
    static_assert(std::is_same_v<T, std::uint8_t>, "basin: tensors are read as float, double, int64, uint64 or uint8");
    return element::u8;
  }
}

/// One tensor, its bytes owned by somebody else.
struct tensor {
  std::string name;
  element type = element::f32;
  std::vector<index_t> shape;
  std::span<std::byte const> bytes;
};

/// A tensor over values that stay where they are.
template <class T>
tensor tensor_of(std::string name, std::vector<index_t> shape, std::span<T const> values) {
  return {std::move(name), element_of<T>(), std::move(shape), std::as_bytes(values)};
}

using text_map = std::map<std::string, std::string>;

namespace detail {

inline constexpr std::uint64_t largest_header = 100'000'000;  // the limit of the format's own reader

inline std::string spell(std::span<index_t const> shape) {
  std::string text = "[";
  for (index_t const n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

inline std::string json_text(nlohmann::ordered_json const& header) {
  try {
    return header.dump();
  } catch (nlohmann::json::exception const& why) {
    throw value_error{message("basin: a name or text for a safetensors file is not UTF-8 (", why.what(), "); spell it in UTF-8")};
  }
}

/// Refuses duplicate keys, which nlohmann::json would silently merge, and nesting that no header needs.
class strict_keys {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using what = nlohmann::json::parse_event_t;
    if (depth > 4) throw file_error{"its header is nested too deeply"};
    if (event == what::object_start) seen.emplace_back();
    if (event == what::object_end) seen.pop_back();
    if (event == what::key && !seen.back().insert(value.get<std::string>()).second)
      throw file_error{message("its header names '", value.get<std::string>(), "' twice")};
    return true;
  }

 private:
  std::vector<std::set<std::string>> seen;
};

/// Reads the header of one file; every message is a reason, to which the caller adds the file.
class header_reader {
 public:
  header_reader(nlohmann::json const& parsed, std::span<std::byte const> after) : header(parsed), data(after) {}

  std::vector<tensor> tensors() const {
    std::vector<std::pair<std::uint64_t, tensor>> found;
    for (auto const& [name, entry] : header.items())
      if (name != "__metadata__") found.push_back(read(name, entry));
    std::stable_sort(found.begin(), found.end(), [](auto const& a, auto const& b) {
      return a.first != b.first ? a.first < b.first : a.second.bytes.size() < b.second.bytes.size();
    });
    std::uint64_t end = 0;
    for (auto const& [begin, entry] : found) {
      if (begin != end)
        throw file_error{message("tensor '", entry.name, "' begins at byte ", begin, begin < end ? ", inside" : ", with a gap after",
                                 " the one before, which ends at ", end)};
      end = begin + entry.bytes.size();
    }
    if (end != data.size()) throw file_error{message("its tensors end at byte ", end, " but its data at ", data.size())};
    std::vector<tensor> out;
    for (auto& item : found) out.push_back(std::move(item.second));
    return out;
  }

  text_map metadata() const {
    text_map out;
    auto const found = header.find("__metadata__");
    if (found == header.end()) return out;
    if (!found->is_object()) throw file_error{"its __metadata__ is not an object"};
    for (auto const& [key, value] : found->items()) {
      if (!value.is_string()) throw file_error{message("its __metadata__ '", key, "' is not a string")};
      out.emplace(key, value.get<std::string>());
    }
    return out;
  }

 private:
  std::pair<std::uint64_t, tensor> read(std::string const& name, nlohmann::json const& entry) const {
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
      throw file_error{message("tensor '", name, "' must have dtype, shape and data_offsets, and nothing else")};
    element_facts const type = type_of(name, entry["dtype"]);
    std::vector<index_t> const shape = numbers(name, entry["shape"], "shape");
    std::vector<index_t> const offsets = numbers(name, entry["data_offsets"], "data_offsets");
    if (offsets.size() != 2) throw file_error{message("tensor '", name, "' must have two data_offsets, not ", offsets.size())};
    auto const begin = static_cast<std::uint64_t>(offsets[0]), end = static_cast<std::uint64_t>(offsets[1]);
    if (begin > end || end > data.size())
      throw file_error{message("tensor '", name, "' claims bytes ", begin, " to ", end, " of ", data.size())};
    auto const size = size_of(shape, type.size);
    if (!size || *size != end - begin)
      throw file_error{message("tensor '", name, "' of shape ", spell(shape), " and type ", type.name, " cannot fill its ",
                               end - begin, " bytes")};
    return {begin, tensor{name, type.type, shape, data.subspan(begin, end - begin)}};
  }

  static element_facts type_of(std::string const& name, nlohmann::json const& dtype) {
    if (dtype.is_string())
      for (auto const& e : elements)
        if (e.name == dtype.get_ref<std::string const&>()) return e;
    throw file_error{message("tensor '", name, "' has the unknown dtype ", dtype.dump())};
  }

  static std::vector<index_t> numbers(std::string const& name, nlohmann::json const& list, std::string_view what) {
    auto const good = [](nlohmann::json const& n) {
      return n.is_number_unsigned() && n.get<std::uint64_t>() <= std::uint64_t(std::numeric_limits<index_t>::max());
    };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), good))
      throw file_error{message("tensor '", name, "' has ", what, ' ', list.dump(), "; it must list whole numbers from 0 to 2^63 - 1")};
    return list.get<std::vector<index_t>>();
  }

  static std::optional<std::uint64_t> size_of(std::span<index_t const> shape, std::uint64_t size) {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
    for (index_t const n : shape)
      if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(n), &size)) return std::nullopt;
    return size;
  }

  nlohmann::json const& header;
  std::span<std::byte const> data;
};

}  // namespace detail

/// A safetensors file in memory, checked.
///
/// Throws    file_error, naming the file, for everything the format forbids; NaN and infinite values are allowed
/// Cost      one copy of the file
class tensor_file {
 public:
  /// Checks bytes that came from `origin`, a name for messages.
  static tensor_file parse(std::vector<std::byte> bytes, std::string const& origin) {
    tensor_file file;
    file.source = origin;
    file.storage = std::move(bytes);
    try {
      file.check();
    } catch (std::exception const& why) {  // file_error of the reader, or what the JSON parser says of invalid text
      throw file_error{message("basin: ", origin, " is not a valid safetensors file: ", why.what(),
                               "; it may be damaged: copy or make it again")};
    }
    return file;
  }

  static tensor_file read(std::filesystem::path const& path) { return parse(read_file(path), path.string()); }

  std::string const& origin() const { return source; }
  std::span<tensor const> tensors() const { return entries; }
  text_map const& metadata() const { return texts; }

  tensor const* find(std::string_view name) const {
    auto const found = std::find_if(entries.begin(), entries.end(), [&](tensor const& t) { return t.name == name; });
    return found == entries.end() ? nullptr : &*found;
  }

  /// The tensor of that name, type and shape, or an error that says what is there instead.
  template <class T>
  tensor const& expect(std::string_view name, std::span<index_t const> shape) const {
    tensor const* const found = find(name);
    if (!found) throw file_error{message("basin: ", source, " has no tensor '", name, "'; is it a checkpoint of this model?")};
    if (found->type != element_of<T>())
      throw file_error{message("basin: ", source, ": tensor '", name, "' has type ", facts(found->type).name, "; it must be ",
                               facts(element_of<T>()).name)};
    if (!std::equal(shape.begin(), shape.end(), found->shape.begin(), found->shape.end()))
      throw file_error{message("basin: ", source, ": tensor '", name, "' has shape ", detail::spell(found->shape),
                               "; this model needs ", detail::spell(shape))};
    return *found;
  }

  /// Copies one tensor into values of its size; check with expect() first when several must be read or none.
  template <class T>
  void copy(std::string_view name, std::span<index_t const> shape, std::span<T> values) const {
    tensor const& found = expect<T>(name, shape);
    if (found.bytes.size() != values.size_bytes())
      throw shape_error{message("basin: tensor '", name, "' has ", found.bytes.size() / sizeof(T), " values; there is room for ",
                                values.size())};
    if (!values.empty()) std::memcpy(values.data(), found.bytes.data(), values.size_bytes());
  }

 private:
  void check() {
    std::uint64_t length = 0;
    if (storage.size() < sizeof length) throw file_error{message("it has ", storage.size(), " bytes, not even a header length")};
    std::memcpy(&length, storage.data(), sizeof length);
    if (length > detail::largest_header)
      throw file_error{message("its header claims ", length, " bytes; the format allows ", detail::largest_header)};
    if (length > storage.size() - sizeof length)
      throw file_error{message("its header claims ", length, " bytes; the file has ", storage.size() - sizeof length, " after the length")};
    auto const* const text = reinterpret_cast<char const*>(storage.data()) + sizeof length;
    if (length == 0 || *text != '{') throw file_error{"its header does not begin with '{'"};
    auto const header = nlohmann::json::parse(text, text + length, detail::strict_keys{});
    detail::header_reader const reader{header, std::span<std::byte const>{storage}.subspan(sizeof length + length)};
    texts = reader.metadata();
    entries = reader.tensors();
  }

  std::string source;
  std::vector<std::byte> storage;  // entries point into it: a vector keeps its address when moved
  std::vector<tensor> entries;
  text_map texts;

  tensor_file() = default;

 public:
  tensor_file(tensor_file&&) = default;
  tensor_file& operator=(tensor_file&&) = default;
};

/// Writes the tensors into a staged file, widest elements first so that each is aligned.
///
/// Throws    value_error for a name that is used twice, is reserved or is not UTF-8, or bytes that do not fit the shape; file_error
inline void stage_safetensors(staged_file& file, std::vector<tensor> tensors, text_map const& metadata) {
  std::stable_sort(tensors.begin(), tensors.end(), [](auto const& a, auto const& b) { return facts(a.type).size > facts(b.type).size; });
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t end = 0;
  for (tensor const& t : tensors) {
    std::uint64_t size = facts(t.type).size;
    for (index_t const n : t.shape) size *= static_cast<std::uint64_t>(n);
    if (size != t.bytes.size())
      throw value_error{message("basin: tensor '", t.name, "' has ", t.bytes.size(), " bytes; shape ", detail::spell(t.shape),
                                " of ", facts(t.type).name, " needs ", size)};
    if (t.name == "__metadata__" || header.contains(t.name))
      throw value_error{message("basin: two tensors are called '", t.name, "'; give each its own name")};
    header[t.name] = {{"dtype", facts(t.type).name}, {"shape", t.shape}, {"data_offsets", {end, end + size}}};
    end += size;
  }
  std::string text = detail::json_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::uint64_t const length = text.size();
  file.append(std::as_bytes(std::span{&length, 1}));
  file.append(bytes_of(text));
  for (tensor const& t : tensors) file.append(t.bytes);
}

/// Writes a safetensors file, wholly or not at all.
inline void write_safetensors(std::filesystem::path const& path, std::vector<tensor> tensors, text_map const& metadata = {}) {
  staged_file file{path};
  stage_safetensors(file, std::move(tensors), metadata);
  file.settle();
  file.publish();
}

}  // namespace basin::models
