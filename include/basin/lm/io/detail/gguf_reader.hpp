// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Reads a GGUF file in memory: header, metadata, what it says about each tensor, and where the data of the tensors lie.
// Every claim is checked before anything of its size is allocated; every message is a reason, to which the caller adds
// the file.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/detail/binary_format.hpp"
#include "basin/lm/io/gguf_metadata.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/storage_type.hpp"
#include "basin/lm/io/stored_tensor.hpp"

namespace basin::lm::detail {

/// Reads values of the metadata, whose types are the indices of gguf_value.
class gguf_values {
 public:
  explicit gguf_values(byte_cursor& from) : cursor(from) {}

  std::string text(std::string_view what) {
    auto const bytes = cursor.take(cursor.number<std::uint64_t>(what), what);
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
  }

  gguf_value value(std::string_view key) {
    return with_type<gguf_value>(key, [&]<class T>(std::type_identity<T>) { return gguf_value{one<T>(key, 0)}; });
  }

 private:
  static constexpr int deepest = 4;                                // of lists in lists

  /// Calls f with the type whose number comes next.
  template <class Result, class F>
  Result with_type(std::string_view key, F&& f) {
    auto const type = cursor.number<std::uint32_t>("the type of a value");
    std::optional<Result> read;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((type == I ? void(read = f(std::type_identity<std::variant_alternative_t<I, gguf_value>>{})) : void()), ...);
    }(std::make_index_sequence<gguf_types.size()>{});
    if (!read) throw file_error{message("its metadata ", quotation(key), " has the unknown type ", type)};
    return std::move(*read);
  }

  template <class T>
  T one(std::string_view key, int depth) {
    if constexpr (std::is_same_v<T, std::string>) return text("a text of the metadata");
    else if constexpr (std::is_same_v<T, gguf_array>) return array(key, depth);
    else if constexpr (std::is_same_v<T, bool>) {
      auto const byte = cursor.number<std::uint8_t>("a value");
      if (byte > 1) throw file_error{message("its metadata ", quotation(key), " has the truth value ", int{byte})};
      return byte == 1;
    } else return cursor.number<T>("a value");
  }

  gguf_array array(std::string_view key, int depth) {
    if (depth == deepest) throw file_error{message("its metadata ", quotation(key), " is nested too deeply")};
    return with_type<gguf_array>(key, [&]<class T>(std::type_identity<T>) {
      std::vector<T> list;
      std::uint64_t const count = cursor.count(least_bytes<T>(), "the length of a list");
      list.reserve(static_cast<std::size_t>(count));
      for (std::uint64_t i = 0; i < count; ++i) list.push_back(one<T>(key, depth + 1));
      return gguf_array{std::move(list)};
    });
  }

  template <class T>
  static constexpr std::uint64_t least_bytes() {
    if constexpr (std::is_same_v<T, std::string>) return 8;
    else if constexpr (std::is_same_v<T, gguf_array>) return 12;
    else return sizeof(T);
  }

  byte_cursor& cursor;
};

/// What a GGUF file has, its tensors in the order of the file's list.
struct gguf_contents {
  gguf_metadata::values_type values;
  std::vector<stored_tensor> tensors;
};

class gguf_reader {
 public:
  explicit gguf_reader(std::span<std::byte const> bytes) : file(bytes), cursor(bytes) {}

  gguf_contents read() {
    require_version();
    std::uint64_t const tensors = cursor.count(24, "the number of tensors");
    std::uint64_t const entries = cursor.count(13, "the number of entries of the metadata");
    gguf_contents found;
    for (std::uint64_t i = 0; i < entries; ++i) add_entry(found.values);
    for (std::uint64_t i = 0; i < tensors; ++i) found.tensors.push_back(described());
    place(found.tensors, alignment(found.values));
    return found;
  }

 private:
  void require_version() {
    constexpr std::array magic{std::byte{'G'}, std::byte{'G'}, std::byte{'U'}, std::byte{'F'}};
    if (!std::ranges::equal(cursor.take(magic.size(), "the mark"), magic))
      throw file_error{"it does not begin with GGUF"};
    auto const version = cursor.number<std::uint32_t>("the version");
    if (version != 0 && version % 65536 == 0) throw file_error{"it is big-endian; only little-endian files are read"};
    if (version != 2 && version != 3)
      throw file_error{message("it has version ", version, "; versions 2 and 3 are read")};
  }

  void add_entry(gguf_metadata::values_type& values) {
    auto key = gguf_values{cursor}.text("a name of the metadata");
    if (key.empty() || key.size() > 65535)
      throw file_error{message("its metadata has a name of ", key.size(), " bytes; the format allows 1 to 65535")};
    auto value = gguf_values{cursor}.value(key);
    if (auto const [at, is_new] = values.try_emplace(std::move(key), std::move(value)); !is_new)
      throw file_error{message("its metadata names ", quotation(at->first), " twice")};
  }

  /// A tensor whose bytes are not placed yet.
  stored_tensor described() {
    stored_tensor tensor;
    tensor.name = gguf_values{cursor}.text("the name of a tensor");
    if (!names.insert(tensor.name).second) throw file_error{message("two tensors are called ", quotation(tensor.name))};
    auto const axes = cursor.number<std::uint32_t>("the number of axes of a tensor");
    if (axes > 4)
      throw file_error{message("tensor ", quotation(tensor.name), " has ", axes, " axes; the format allows 4")};
    for (std::uint32_t i = 0; i < axes; ++i) {
      auto const extent = cursor.number<std::uint64_t>("an extent of a tensor");
      if (extent > static_cast<std::uint64_t>(std::numeric_limits<index_t>::max()))
        throw file_error{message("tensor ", quotation(tensor.name), " has the extent ", extent, "; at most 2^63 - 1")};
      tensor.shape.insert(tensor.shape.begin(), static_cast<index_t>(extent));   // the file has the innermost first
    }
    tensor.type = type_of(tensor.name, cursor.number<std::uint32_t>("the type of a tensor"));
    offsets.push_back(cursor.number<std::uint64_t>("the place of a tensor"));
    return tensor;
  }

  static storage_type type_of(std::string_view name, std::uint32_t number) {
    for (auto const& one : storage_types)
      if (one.gguf >= 0 && static_cast<std::uint32_t>(one.gguf) == number) return one.type;
    throw file_error{message("tensor ", quotation(name), " has the unknown type ", number, "; types that are read are ",
                             types_with_floats())};
  }

  static std::uint64_t alignment(gguf_metadata::values_type const& values) {
    auto const found = values.find("general.alignment");
    if (found == values.end()) return 32;
    auto const* const read = std::get_if<std::uint32_t>(&found->second);
    if (!read || *read == 0 || *read % 8 != 0)
      throw file_error{"its 'general.alignment' is no UINT32 that is a multiple of 8"};
    return *read;
  }

  /// Gives every tensor its bytes, which follow the list of tensors, each from a multiple of the alignment on.
  void place(std::vector<stored_tensor>& tensors, std::uint64_t alignment) const {
    std::uint64_t const begin = (cursor.position() + alignment - 1) / alignment * alignment;
    std::uint64_t const room = file.size() - std::min<std::uint64_t>(begin, file.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      auto& one = tensors[i];
      auto const size = storage_size(one.type, one.shape);
      if (!size)
        throw file_error{message("tensor ", quotation(one.name), " has shape ", spell(one.shape), ", which type ",
                                 facts(one.type).name, " does not fill in whole blocks, or 64 bits do not count")};
      if (offsets[i] % alignment != 0)
        throw file_error{message("tensor ", quotation(one.name), " begins at byte ", offsets[i],
                                 " of the data, no multiple of the alignment ", alignment)};
      if (offsets[i] > room || *size > room - offsets[i])
        throw file_error{message("tensor ", quotation(one.name), " claims ", *size, " bytes from byte ", offsets[i],
                                 " of the data on, which have ", room)};
      if (*size > 0)
        one.bytes = file.subspan(static_cast<std::size_t>(begin + offsets[i]), static_cast<std::size_t>(*size));
    }
    refuse_overlap(tensors);
  }

  static void refuse_overlap(std::vector<stored_tensor> const& tensors) {
    std::vector<stored_tensor const*> order;
    for (auto const& one : tensors)
      if (!one.bytes.empty()) order.push_back(&one);
    std::ranges::sort(order, {}, [](stored_tensor const* one) { return one->bytes.data(); });
    for (std::size_t i = 1; i < order.size(); ++i)
      if (order[i]->bytes.data() < order[i - 1]->bytes.data() + order[i - 1]->bytes.size())
        throw file_error{message("tensors ", quotation(order[i - 1]->name), " and ", quotation(order[i]->name),
                                 " share bytes")};
  }

  std::span<std::byte const> file;
  byte_cursor cursor;
  std::set<std::string> names;
  std::vector<std::uint64_t> offsets;                              // of the tensors, in the data
};

}  // namespace basin::lm::detail
