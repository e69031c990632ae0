// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tensors of files of weights, in the type in which they are stored. Nothing is copied: a tensor is a view of
// mapped bytes, and its values become floats when they are asked for.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/core/threads.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/detail/dequantise.hpp"
#include "basin/lm/io/detail/near_names.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/storage_type.hpp"

namespace basin::lm {

/// A tensor as a file stores it.
///
/// Shapes    outermost extent first, row-major; the innermost axis is a row
/// Edges     `bytes` belong to the store that the tensor came from, and may begin at any address
struct stored_tensor {
  std::string name;
  storage_type type = storage_type::f32;
  std::vector<index_t> shape;
  std::span<std::byte const> bytes;
};

/// The tensors of one or several files, which stay mapped as long as a copy of the store lives.
///
/// State     shared by all copies, so that a copy costs nothing and tensors keep their addresses
/// Throws    file_error for a name that two tensors have
class tensor_store {
 public:
  /// `origin` names the files in messages; `keep` holds the bytes alive.
  tensor_store(std::string origin, std::vector<stored_tensor> tensors, std::vector<std::shared_ptr<void const>> keep)
      : held(std::make_shared<content>()) {
    held->origin = std::move(origin);
    held->tensors = std::move(tensors);
    held->keep = std::move(keep);
    for (auto const& one : held->tensors)
      if (!held->places.emplace(one.name, &one).second)
        throw file_error{message("basin: ", held->origin, " has two tensors called ", quotation(one.name),
                                 "; make the file again")};
  }

  std::string const& origin() const { return held->origin; }
  std::vector<stored_tensor> const& tensors() const { return held->tensors; }

  /// The tensor of that name, or null.
  stored_tensor const* find(std::string_view name) const {
    auto const found = held->places.find(name);
    return found == held->places.end() ? nullptr : found->second;
  }

  /// The tensor of that name, or a file_error that says which names are near.
  stored_tensor const& at(std::string_view name) const {
    if (stored_tensor const* const found = find(name)) return *found;
    throw file_error{message("basin: ", origin(), " has no tensor ", quotation(name), "; ",
                             detail::did_you_mean(name, tensors()), "is it a checkpoint of this model?")};
  }

  /// The same, and it has that shape.
  stored_tensor const& expect(std::string_view name, std::span<index_t const> shape) const {
    stored_tensor const& found = at(name);
    if (std::ranges::equal(found.shape, shape)) return found;
    throw file_error{message("basin: ", origin(), ": tensor ", quotation(name), " has shape ",
                             detail::spell(found.shape), "; this model needs ", detail::spell(shape))};
  }

 private:
  struct content {
    std::string origin;
    std::vector<stored_tensor> tensors;
    std::map<std::string_view, stored_tensor const*> places;
    std::vector<std::shared_ptr<void const>> keep;
  };
  std::shared_ptr<content> held;
};

namespace detail {

inline constexpr index_t worth_threads_to_expand = 1 << 16;        // values; less is done before threads have started

/// `count` values of a type from its bytes; they end with a whole block, or the type is a plain one.
template <class Block>
void expand(Block, block_bytes from, index_t count, float* to) {
  index_t const whole = count / Block::values;
  BASIN_OMP(parallel for schedule(static) if (count > worth_threads_to_expand))
  for (index_t b = 0; b < whole; ++b) Block::expand(from + b * Block::bytes, to + b * Block::values);
  index_t const left = count - whole * Block::values;
  if (left == 0) return;
  std::array<std::uint8_t, Block::bytes> last{};
  std::array<float, Block::values> values;
  std::copy_n(from + whole * Block::bytes, left * Block::bytes / Block::values, last.begin());
  Block::expand(last.data(), values.data());
  std::copy_n(values.begin(), left, to + whole * Block::values);
}

/// Checks that a tensor has floats, and that its bytes are those of its shape.
inline void require_floats(stored_tensor const& from) {
  if (!has_floats(from.type))
    throw unsupported_error{message("basin: tensor ", quotation(from.name), " is stored as ", facts(from.type).name,
                                    ", which is not read; convert it to one of ", types_with_floats())};
  auto const needed = storage_size(from.type, from.shape);
  if (!needed || *needed != from.bytes.size())
    throw shape_error{message("basin: tensor ", quotation(from.name), " of shape ", spell(from.shape), " and type ",
                              facts(from.type).name, " has ", from.bytes.size(), " bytes; it needs ",
                              needed ? message(*needed) : "another number")};
}

inline void require_room(stored_tensor const& from, std::uint64_t values, std::uint64_t room) {
  if (values != room)
    throw shape_error{message("basin: ", values, " values of tensor ", quotation(from.name), " were asked for; there ",
                              "is room for ", room)};
}

inline void expand(stored_tensor const& from, std::size_t skip, std::span<float> to) {
  auto const bytes = reinterpret_cast<block_bytes>(from.bytes.data());
  with_block(from.type, [&](auto block) { expand(block, bytes + skip, std::ssize(to), to.data()); });
}

}  // namespace detail

/// Writes all values of a tensor, row-major, as floats. Every type but F64 is exact; quantised blocks give what their
/// format defines, rounded to float.
///
/// Shapes    to [all values of the tensor]
/// Throws    unsupported_error: a type without floats; shape_error: `to` has another size. Nothing is written then
/// Order     the same bits whatever the number of threads
/// Cost      one pass over the bytes, in parallel; bound by memory (bench/storage.cpp)
inline void to_floats(stored_tensor const& from, std::span<float> to) {
  detail::require_floats(from);
  detail::require_room(from, *value_count(from.shape), to.size());
  detail::expand(from, 0, to);
}

/// Writes the rows [first, first + rows) of a tensor as floats; all axes but the innermost count rows.
///
/// Shapes    to [rows, innermost extent]
/// Throws    as to_floats; value_error: rows that the tensor does not have
inline void rows_to_floats(stored_tensor const& from, index_t first, index_t rows, std::span<float> to) {
  detail::require_floats(from);
  index_t const width = from.shape.empty() ? 1 : from.shape.back();
  index_t const height = width == 0 ? 0 : static_cast<index_t>(*value_count(from.shape)) / width;
  if (first < 0 || rows < 0 || first > height || rows > height - first)
    throw value_error{message("basin: rows ", first, " to ", first, " + ", rows, " of tensor ", quotation(from.name),
                              " were asked for; it has ", height)};
  detail::require_room(from, static_cast<std::uint64_t>(rows * width), to.size());
  auto const& block = facts(from.type);
  auto const values = static_cast<std::uint64_t>(first * width);
  detail::expand(from, static_cast<std::size_t>(values / block.values * block.bytes), to);
}

/// The same for one row.
inline void row_to_floats(stored_tensor const& from, index_t row, std::span<float> to) {
  rows_to_floats(from, row, 1, to);
}

}  // namespace basin::lm
