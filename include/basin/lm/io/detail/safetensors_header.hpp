// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Reads the header of a safetensors file, N bytes of JSON {name: {dtype, shape, data_offsets}, "__metadata__": {..}},
// and checks every entry against the size of the data that follow it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/json_text.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm {

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

/// A tensor of a file: its bytes are [begin, begin + size) of the file's data.
struct tensor_entry {
  std::string name;
  element type = element::f32;
  std::vector<index_t> shape;
  std::uint64_t begin = 0, size = 0;
};

using text_map = std::map<std::string, std::string>;

namespace detail {

/// "[2, 3]"; of a shape with more extents than any tensor of a model, the first ones and how many there are.
inline std::string spell(std::span<index_t const> shape) {
  constexpr std::size_t shown = 8;
  std::string text = "[";
  for (index_t const n : shape.first(std::min(shape.size(), shown)))
    text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return shape.size() > shown ? message(text, ", ...] of ", shape.size(), " extents") : text + "]";
}

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
    element_facts const type = type_of(name, entry["dtype"]);
    std::vector<index_t> const shape = numbers(name, entry["shape"], "shape");
    std::vector<index_t> const offsets = numbers(name, entry["data_offsets"], "data_offsets");
    if (offsets.size() != 2)
      throw file_error{message("tensor ", quotation(name), " must have two data_offsets, not ", offsets.size())};
    auto const begin = static_cast<std::uint64_t>(offsets[0]), end = static_cast<std::uint64_t>(offsets[1]);
    if (begin > end || end > data)
      throw file_error{message("tensor ", quotation(name), " claims bytes ", begin, " to ", end, " of ", data)};
    auto const size = size_of(shape, type.size);
    if (!size || *size != end - begin)
      throw file_error{message("tensor ", quotation(name), " of shape ", spell(shape), " and type ", type.name,
                               " cannot fill its ", end - begin, " bytes")};
    return {name, type.type, shape, begin, end - begin};
  }

  static element_facts type_of(std::string const& name, nlohmann::json const& dtype) {
    if (dtype.is_string())
      for (auto const& e : elements)
        if (e.name == dtype.get_ref<std::string const&>()) return e;
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

  static std::optional<std::uint64_t> size_of(std::span<index_t const> shape, std::uint64_t size) {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
    for (index_t const n : shape)
      if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(n), &size)) return std::nullopt;
    return size;
  }

  nlohmann::json const& header;
  std::uint64_t data;
};

}  // namespace detail

}  // namespace basin::lm
