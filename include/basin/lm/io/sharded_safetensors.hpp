// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/mapped_safetensors.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/safetensors.hpp"
#include "basin/lm/io/stored_tensor.hpp"

namespace basin::lm {

/// What Hugging Face's libraries expect in the metadata of a file of weights.
inline text_map const& weights_metadata() {
  static text_map const texts{{"format", "pt"}};
  return texts;
}

/// A tensor of a file, to be written again; its bytes stay where they are.
inline tensor tensor_of(stored_tensor const& from) { return {from.name, from.type, from.shape, from.bytes}; }

namespace detail {

/// The tensors in their order, in groups of at most `most` bytes; a larger tensor is a group of its own.
inline std::vector<std::vector<tensor>> groups_of(std::vector<tensor> tensors, std::uint64_t most) {
  std::vector<std::vector<tensor>> groups(1);
  std::uint64_t size = 0;
  for (auto& one : tensors) {
    if (!groups.back().empty() && (one.bytes.size() > most || size > most - one.bytes.size())) {
      groups.emplace_back();
      size = 0;
    }
    size += one.bytes.size();
    groups.back().push_back(std::move(one));
  }
  return groups;
}

/// "model-00002-of-00006.safetensors"
inline std::string shard_name(std::size_t number, std::size_t count) {
  std::ostringstream name;
  name << "model-" << std::setfill('0') << std::setw(5) << number << "-of-" << std::setw(5) << count << ".safetensors";
  return name.str();
}

inline void stage_shards(std::vector<staged_file>& files, std::filesystem::path const& folder,
                         std::vector<std::vector<tensor>> groups, text_map const& metadata) {
  auto index = nlohmann::ordered_json::object();
  std::map<std::string, std::string> shard_of;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    auto const name = shard_name(i + 1, groups.size());
    for (auto const& one : groups[i]) {
      total += one.bytes.size();
      if (!shard_of.emplace(one.name, name).second)
        throw value_error{message("basin: two tensors are called ", quotation(one.name), "; give each its own name")};
    }
    stage_safetensors(files.emplace_back(folder / name), std::move(groups[i]), metadata);
  }
  index["metadata"] = {{"total_size", total}};
  index["weight_map"] = shard_of;
  files.emplace_back(folder / weights_index).append(bytes_of(index.dump(2) + "\n"));
}

}  // namespace detail

inline constexpr std::uint64_t usual_shard = 5'000'000'000;        // bytes

/// Writes the weights of a model into a folder as Hugging Face's libraries do: model.safetensors, or, where the tensors
/// have more than `most` bytes, shards and their index. Shards are put in place first and the index last, so that the
/// folder is a model as soon as it has one, and not before.
///
/// Throws    file_error: the folder has weights already (a reader could see half of both); value_error, write_error: as
///           write_safetensors
/// Example   std::vector<bfloat16> const rounded(values.begin(), values.end());
///           write_weights(folder, {tensor_of<bfloat16>("lm_head.weight", {vocabulary, dim}, rounded)});
inline void write_weights(std::filesystem::path const& folder, std::vector<tensor> tensors,
                          std::uint64_t most = usual_shard, text_map const& metadata = weights_metadata()) {
  make_folder(folder);
  for (auto const name : {weights_file, weights_index})
    if (std::filesystem::exists(folder / name))
      throw file_error{message("basin: ", folder.string(), " has weights already (", name,
                               "); choose another folder, or remove them first")};
  auto groups = detail::groups_of(std::move(tensors), most);
  if (groups.size() == 1) return write_safetensors(folder / weights_file, std::move(groups.front()), metadata);
  std::vector<staged_file> files;
  files.reserve(groups.size() + 1);
  detail::stage_shards(files, folder, std::move(groups), metadata);
  for (auto& file : files) file.settle();
  for (auto& file : files) file.publish();
}

}  // namespace basin::lm
