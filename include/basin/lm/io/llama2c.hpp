// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The files of llama2.c, little-endian. Version 0 is seven int32 (dim, hidden, layers, heads, kv_heads, vocabulary,
// negative if the head is not tied to the embedding, context) and floats: embedding; each kind of weight of the layers,
// one layer after another; the final norm; two tables for rotary positions, which are not used; the head, if not tied.
// Version 1 is 256 bytes ("24ka", int32 version, the seven int32, a byte that is 1 if the head is tied, zeros) and
// floats in another order, without tables. Version 2 (8 bits in groups) is not read.
// Source: export.py of karpathy/llama2.c.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/detail/binary_format.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/mapped_file.hpp"
#include "basin/lm/io/stored_tensor.hpp"

namespace basin::lm {

/// The sizes of a Llama in a file of llama2.c. RMSNorm adds 1e-5; rotary positions have base 1e4 and rotate pairs of
/// neighbouring numbers.
struct llama2c_config {
  int dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, context = 0;
  enum class head { tied, untied } output = head::tied;

  index_t head_dim() const { return dim / heads; }
};

/// Tensors are named as llama2.c's model.py names its parameters: tok_embeddings.weight [vocabulary, dim],
/// layers.N.attention_norm.weight [dim], layers.N.attention.{wq, wk, wv, wo}.weight [out, in],
/// layers.N.ffn_norm.weight [dim], layers.N.feed_forward.{w1, w2, w3}.weight [out, in], norm.weight [dim] and, if the
/// head is not tied, output.weight [vocabulary, dim].
struct llama2c_file {
  llama2c_config config;
  tensor_store tensors;
};

namespace detail {

class llama2c_reader {
 public:
  explicit llama2c_reader(std::span<std::byte const> bytes) : file(bytes), cursor(bytes) {}

  llama2c_config config;
  std::vector<stored_tensor> tensors;

  void read() {
    auto const first = cursor.number<std::uint32_t>("the header");
    if (first != mark) {
      cursor = byte_cursor{file};
      read_config();
      if (config.vocabulary < 0 && config.vocabulary > std::numeric_limits<int>::min()) {
        config.output = llama2c_config::head::untied;
        config.vocabulary = -config.vocabulary;
      }
      require_config();
      read_version_0();
    } else {
      auto const version = cursor.number<std::int32_t>("the version");
      if (version != 1) throw file_error{message("it has version ", version, "; versions 0 and 1 are read")};
      read_config();
      auto const tied = cursor.number<std::uint8_t>("the header");
      if (tied > 1) throw file_error{message("the byte for a tied head is ", int{tied}, "; it must be 0 or 1")};
      if (tied == 0) config.output = llama2c_config::head::untied;
      require_config();
      cursor.take(256 - cursor.position(), "the header");
      read_version_1();
    }
    if (cursor.left() != 0)
      throw file_error{message("its tensors end at byte ", cursor.position(), " of ", file.size())};
  }

 private:
  static constexpr std::uint32_t mark = 0x616b3432;                // "ak42", read as a number

  void read_config() {
    for (int* const size : {&config.dim, &config.hidden, &config.layers, &config.heads, &config.kv_heads,
                            &config.vocabulary, &config.context})
      *size = cursor.number<std::int32_t>("the header");
  }

  void require_config() const {
    auto const require = [](std::string_view name, int value, int most) {
      auto const allowed = from_to(1, most);
      if (!allowed.has(value)) throw file_error{message(name, " is ", value, "; it must be ", allowed.rule())};
    };
    require("dim", config.dim, 1 << 16);
    require("hidden", config.hidden, 1 << 20);
    require("layers", config.layers, 1 << 10);
    require("heads", config.heads, config.dim);
    require("kv_heads", config.kv_heads, config.heads);
    require("vocabulary", config.vocabulary, 1 << 24);
    require("context", config.context, 1 << 24);
    if (config.dim % config.heads != 0 || config.head_dim() % 2 != 0 || config.heads % config.kv_heads != 0)
      throw file_error{message("its ", config.heads, " heads and ", config.kv_heads, " kv_heads do not divide dim ",
                               config.dim, " into heads of an even size")};
  }

  void add(std::string name, std::vector<index_t> shape) {
    auto const bytes = cursor.take(*storage_size(storage_type::f32, shape), name);
    tensors.push_back({std::move(name), storage_type::f32, std::move(shape), bytes});
  }
  void add_layers(std::string_view name, std::vector<index_t> const& shape) {
    for (int i = 0; i < config.layers; ++i) add(message("layers.", i, '.', name, ".weight"), shape);
  }

  void add_embedding() { add("tok_embeddings.weight", {config.vocabulary, config.dim}); }
  void add_final_norm() { add("norm.weight", {config.dim}); }
  void add_head() {
    if (config.output == llama2c_config::head::untied) add("output.weight", {config.vocabulary, config.dim});
  }
  void add_attention() {
    index_t const dim = config.dim, kv = config.kv_heads * config.head_dim();
    add_layers("attention.wq", {dim, dim});
    add_layers("attention.wk", {kv, dim});
    add_layers("attention.wv", {kv, dim});
    add_layers("attention.wo", {dim, dim});
  }
  void add_feed_forward() {
    index_t const dim = config.dim, hidden = config.hidden;
    add_layers("feed_forward.w1", {hidden, dim});
    add_layers("feed_forward.w2", {dim, hidden});
    add_layers("feed_forward.w3", {hidden, dim});
  }

  void read_version_0() {
    add_embedding();
    add_layers("attention_norm", {config.dim});
    add_attention();
    add_layers("ffn_norm", {config.dim});
    add_feed_forward();
    add_final_norm();
    std::vector<index_t> const table{config.context, config.head_dim() / 2};
    for (int i = 0; i < 2; ++i) cursor.take(*storage_size(storage_type::f32, table), "a table for rotary positions");
    add_head();
  }
  void read_version_1() {
    add_layers("attention_norm", {config.dim});
    add_layers("ffn_norm", {config.dim});
    add_final_norm();
    add_embedding();
    add_attention();
    add_feed_forward();
    add_head();
  }

  std::span<std::byte const> file;
  byte_cursor cursor;
};

}  // namespace detail

/// Reads a file of llama2.c that lies in memory, under a name for messages; `keep` holds the bytes alive.
inline llama2c_file read_llama2c(std::span<std::byte const> bytes, std::string const& origin,
                                 std::shared_ptr<void const> keep) {
  detail::llama2c_reader reader{bytes};
  detail::valid_file(origin, "llama2.c", [&] { reader.read(); });
  return {reader.config, {origin, std::move(reader.tensors), {std::move(keep)}}};
}

/// Opens a file of llama2.c, version 0 or 1; its tensors are mapped.
///
/// Throws    file_error: a file that is missing, or whose size is not that of its header's model
/// Cost      reads the header alone, whatever the size of the file
inline llama2c_file open_llama2c(std::filesystem::path const& path) {
  auto mapped = std::make_shared<mapped_file const>(path);
  auto const bytes = mapped->bytes();
  return read_llama2c(bytes, path.string(), std::move(mapped));
}

}  // namespace basin::lm
