// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Safetensors files as mapped tensors: one file, or a folder as Hugging Face's libraries write it, with
// model.safetensors, or with shards and model.safetensors.index.json, {"metadata": {"total_size": N}, "weight_map":
// {tensor: shard}}. total_size is a remark for readers that plan memory; real files round it, so it is not checked.
// Source: the format section of the README of huggingface/safetensors; the sharded checkpoints of huggingface/
// transformers.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/detail/binary_format.hpp"
#include "basin/lm/io/detail/safetensors_header.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/mapped_file.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/stored_tensor.hpp"

namespace basin::lm {

inline constexpr std::string_view weights_file = "model.safetensors", weights_index = "model.safetensors.index.json";

/// The shard of each tensor of a sharded checkpoint.
using weight_map = std::map<std::string, std::string, std::less<>>;

namespace detail {

/// The tensors of a safetensors file in memory, whose header was checked against its size.
inline std::vector<stored_tensor> tensors_of(std::span<std::byte const> file, std::string_view origin) {
  auto contents = valid_file(origin, "safetensors", [&] { return read_contents(memory_source{file}); });
  std::vector<stored_tensor> tensors;
  tensors.reserve(contents.entries.size());
  for (auto& entry : contents.entries) {
    auto const bytes = file.subspan(static_cast<std::size_t>(contents.data_begin + entry.begin),
                                    static_cast<std::size_t>(entry.size));
    tensors.push_back({std::move(entry.name), entry.type, std::move(entry.shape), bytes});
  }
  return tensors;
}

/// Whether a text is the name of a file in a folder, and no path out of it.
inline bool is_file_name(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.find_first_of(std::string_view{"/\\\0", 3}) == text.npos;
}

/// The shards of an index; every message is a reason, to which the caller adds the file.
inline weight_map shards_of(std::string_view text) {
  auto const index = parse_json<nlohmann::json>(text, "text", 4);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw file_error{"it has no object 'weight_map'"};
  if (index.contains("metadata") && !index["metadata"].is_object()) throw file_error{"its 'metadata' is not an object"};
  weight_map shard_of;
  for (auto const& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) throw file_error{message("its tensor ", quotation(name), " has no file name")};
    auto const& file = shard.get_ref<std::string const&>();
    if (!is_file_name(file) || !file.ends_with(".safetensors"))
      throw file_error{message("its tensor ", quotation(name), " is in ", quotation(file),
                               "; a shard is a file '*.safetensors' in the folder of the index")};
    shard_of.emplace(name, file);
  }
  if (shard_of.empty()) throw file_error{"its 'weight_map' is empty"};
  return shard_of;
}

}  // namespace detail

/// Reads a safetensors file that lies in memory, under a name for messages; `keep` holds the bytes alive.
inline tensor_store read_safetensors(std::span<std::byte const> bytes, std::string const& origin,
                                     std::shared_ptr<void const> keep) {
  return {origin, detail::tensors_of(bytes, origin), {std::move(keep)}};
}

/// Reads the text of model.safetensors.index.json, under a name for messages. No shard is outside of its folder.
inline weight_map read_index(std::string_view text, std::string const& origin) {
  return detail::valid_file(origin, "index", [&] { return detail::shards_of(text); });
}

namespace detail {

/// Checks that one shard has the tensors that the index places in it, and no other.
inline void require_placed(std::vector<stored_tensor> const& tensors, weight_map const& shard_of,
                           std::string const& shard, std::string const& index) {
  std::set<std::string_view> there;
  for (auto const& one : tensors) {
    auto const placed = shard_of.find(one.name);
    if (placed == shard_of.end() || placed->second != shard)
      throw file_error{message("basin: ", index, ": shard ", quotation(shard), " has the tensor ", quotation(one.name),
                               ", which the index ", placed == shard_of.end() ? "does not name" : "places elsewhere",
                               "; download the folder again")};
    there.insert(one.name);
  }
  for (auto const& [name, placed] : shard_of)
    if (placed == shard && !there.contains(name))
      throw file_error{message("basin: ", index, ": shard ", quotation(shard), " has no tensor ", quotation(name),
                               ", which the index places there; download the folder again")};
}

inline tensor_store open_shards(std::filesystem::path const& folder) {
  auto const index = folder / weights_index;
  auto const text = read_file(index, largest_header);
  std::string_view const view{reinterpret_cast<char const*>(text.data()), text.size()};
  auto const shard_of = read_index(view, index.string());
  std::set<std::string> shards;
  for (auto const& [name, shard] : shard_of) shards.insert(shard);
  std::vector<stored_tensor> all;
  std::vector<std::shared_ptr<void const>> keep;
  for (auto const& shard : shards) {
    auto const path = folder / shard;
    auto const file = std::make_shared<mapped_file const>(path);
    auto tensors = tensors_of(file->bytes(), path.string());
    require_placed(tensors, shard_of, shard, index.string());
    std::ranges::move(tensors, std::back_inserter(all));
    keep.push_back(file);
  }
  return {index.string(), std::move(all), std::move(keep)};
}

}  // namespace detail

/// Opens a safetensors file, or the folder of a model with model.safetensors or an index of shards. If both are there,
/// model.safetensors is read, as Hugging Face's libraries do.
///
/// Throws    file_error: a file that is missing or breaks the format, an index that names another file than one in its
///           folder, a tensor that the index places elsewhere, twice or nowhere
/// Cost      reads the headers alone, whatever the size of the files
inline tensor_store open_safetensors(std::filesystem::path const& path) {
  std::error_code ignored;                                         // a path that cannot be read fails when it is opened
  bool const is_folder = std::filesystem::is_directory(path, ignored);
  if (is_folder && !std::filesystem::exists(path / weights_file, ignored)) {
    if (std::filesystem::exists(path / weights_index, ignored)) return detail::open_shards(path);
    throw file_error{message("basin: ", path.string(), " has neither ", weights_file, " nor ", weights_index,
                             "; name the folder of a model, or a safetensors file")};
  }
  auto const file = is_folder ? path / weights_file : path;
  auto mapped = std::make_shared<mapped_file const>(file);
  auto const bytes = mapped->bytes();
  return read_safetensors(bytes, file.string(), std::move(mapped));
}

}  // namespace basin::lm
