// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Byte-level BPE from a tokenizer.json of Hugging Face tokenizers: normalizer, pre-tokenizer, model, added tokens and
// the frame of its post-processor, each as it stands there. Whatever is not known is refused by name.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/json_text.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/byte_level_bpe.hpp"
#include "basin/lm/tokenizers/detail/json_entries.hpp"
#include "basin/lm/tokenizers/detail/reading.hpp"

namespace basin::lm {

namespace detail {

/// An added token by the entries that tokenizer.json and tokenizer_config.json share.
inline added_token added_token_of(json_entries const& entries, int id) {
  return {.id = id,
          .content = entries.text("content"),
          .role = entries.either("special", token_role::ordinary, token_role::special),
          .form = entries.either("normalized", token_form::raw, token_form::normalised),
          .bounds = entries.either("single_word", word_bounds::anywhere, word_bounds::whole_words),
          .left = entries.either("lstrip", space_beside::kept, space_beside::absorbed),
          .right = entries.either("rstrip", space_beside::kept, space_beside::absorbed)};
}

/// Calls visit(entries) for the parts of a component: itself, or those of a "Sequence", which `list` names.
template <class Visit>
void each_part(json const& component, std::string const& path, std::string_view list, Visit visit) {
  if (component.is_null()) return;
  json_entries const entries{component, path};
  if (entries.text("type") != "Sequence") {
    visit(entries);
    return;
  }
  entries.only({"type", list});
  std::size_t number = 0;
  for (json const& part : entries.array(list))
    each_part(part, message(path, '.', list, '[', number++, ']'), list, visit);
}

[[noreturn]] inline void refuse_component(json_entries const& entries, std::string_view name = "type") {
  throw unsupported_error{message(quotation(entries.where(name)), " = ", excerpt(entries.at(name).dump()))};
}

/// A text as the regular expression that matches it alone.
inline std::string escaped(std::string_view text) {
  std::string regex;
  for (char const c : text) {
    bool const is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!is_word && static_cast<unsigned char>(c) < 0x80) regex += '\\';
    regex += c;
  }
  return regex;
}

/// A step that a regular expression describes: its matches are pieces of their own.
inline split_step split_by_pattern(json_entries const& entries) {
  entries.only({"type", "pattern", "behavior", "invert"});
  json_entries const wanted = entries.section("pattern");
  wanted.only({"Regex", "String"});
  pattern cut{wanted.has("Regex") ? wanted.text("Regex") : escaped(wanted.text("String"))};
  std::string const& behaviour = entries.text("behavior");
  enum class matches { dropped, kept };
  bool const inverted = entries.either("invert", matches::dropped, matches::kept) == matches::kept;
  if (behaviour == "Isolated") return {std::move(cut), unmatched_text::kept};
  if (behaviour == "Removed" && inverted) return {std::move(cut), unmatched_text::dropped};
  refuse_component(entries, "behavior");
}

/// Reads the component "pre_tokenizer", which must turn text into the byte alphabet in its last step.
class pre_tokenizer_reader {
 public:
  static pre_tokenizer read(json const& component) {
    pre_tokenizer_reader reader;
    each_part(component, "pre_tokenizer", "pretokenizers", [&](json_entries const& entries) { reader.add(entries); });
    if (!reader.in_bytes)
      throw unsupported_error{"a 'pre_tokenizer' without the type 'ByteLevel': the tokens are not made of bytes"};
    return std::move(reader.result);
  }

 private:
  void add(json_entries const& entries) {
    std::string const& type = entries.text("type");
    if (in_bytes)
      throw unsupported_error{message(quotation(entries.where("type")), " = ", quotation(type), " after 'ByteLevel'")};
    if (type == "Split") {
      result.steps.push_back(split_by_pattern(entries));
    } else if (type == "Digits") {
      entries.only({"type", "individual_digits"});
      enum class digits { together, alone };
      bool const alone = entries.either("individual_digits", digits::together, digits::alone) == digits::alone;
      result.steps.push_back({pattern{alone ? one_digit_pattern : R"(\p{N}+)"}});
    } else if (type == "ByteLevel") {
      add_byte_level(entries);
    } else {
      refuse_component(entries);
    }
  }

  void add_byte_level(json_entries const& entries) {
    entries.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    result.prefix = entries.either("add_prefix_space", prefix_space::none, prefix_space::added);
    if (result.prefix == prefix_space::added && !result.steps.empty())  // every piece would get a space
      throw unsupported_error{message(quotation(entries.where("add_prefix_space")), " = true after another step")};
    enum class pieces { as_before, by_pattern };
    bool const as_before = entries.has("use_regex") &&
                           entries.either("use_regex", pieces::as_before, pieces::by_pattern) == pieces::as_before;
    if (!as_before) result.steps.push_back({pattern{gpt2_pattern}});
    in_bytes = true;
  }

  pre_tokenizer result;
  bool in_bytes = false;
};

inline normal_form normal_form_of(json const& component) {
  normal_form form = normal_form::none;
  each_part(component, "normalizer", "normalizers", [&](json_entries const& entries) {
    entries.only({"type"});
    if (entries.text("type") != "NFC") refuse_component(entries);
    form = normal_form::nfc;
  });
  return form;
}

/// The ids around a single text, from the template "single" of the post-processor.
inline sequence_frame frame_of(json const& component) {
  sequence_frame frame;
  each_part(component, "post_processor", "processors", [&](json_entries const& entries) {
    if (entries.text("type") == "ByteLevel") return;  // moves offsets, and no id
    if (entries.text("type") != "TemplateProcessing") refuse_component(entries);
    entries.only({"type", "single", "pair", "special_tokens"});
    json_entries const known = entries.section("special_tokens");
    bool after_text = false;
    for (json const& part : entries.array("single")) {
      json_entries const piece{part, entries.where("single")};
      piece.only({"Sequence", "SpecialToken"});
      if (piece.has("Sequence")) {
        if (std::exchange(after_text, true)) refuse_component(entries, "single");
        continue;
      }
      for (json const& id : known.section(piece.section("SpecialToken").text("id")).array("ids"))
        (after_text ? frame.after : frame.before).push_back(json_entries{{{"id", id}}, "special_tokens"}.id("id"));
    }
    if (!after_text) entries.refuse("single", "a template with the text in it");
  });
  return frame;
}

/// Reads the entries "vocab" and "merges" of a model; `added` is the number of added tokens.
inline void read_tokens_and_merges(bpe_parts& parts, json const& vocabulary, json const& merges, std::size_t added) {
  for (auto const& [spelling, id] : vocabulary.items()) {
    if (!id.is_number_unsigned()) throw file_error{message("the token ", quotation(spelling), " has no whole id")};
    add_token(parts, spelling, id.get<std::uint64_t>(), vocabulary.size() + added);
  }
  parts.merges.reserve(merges.size());
  std::size_t number = 0;
  for (json const& entry : merges) {
    bool const is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string();
    if (is_pair)
      add_merge(parts, entry[0].get_ref<std::string const&>(), entry[1].get_ref<std::string const&>(), number);
    else if (entry.is_string())
      add_merge(parts, entry.get_ref<std::string const&>(), number);
    else
      throw file_error{message("merge ", number, " is ", excerpt(entry.dump()), "; it must be a text or two texts")};
    ++number;
  }
}

/// Refuses what changes the ids of bytes without tokens in ways that are not built, where there are such bytes.
inline void read_unknown(bpe_parts& parts, json_entries const& model) {
  if (model.has("unk_token")) {
    std::string const& name = model.text("unk_token");
    auto const is_it = [&](added_token const& token) { return token.content == name; };
    auto const added = std::ranges::find_if(parts.added, is_it);
    parts.unknown = added != parts.added.end() ? added->id : id_of_spelling(parts, name, 0);
  }
  std::size_t bytes = 0;
  for (auto const& [token, id] : parts.pieces) bytes += token.size() == 1;
  if (bytes == 256) return;
  for (std::string_view const entry : {"byte_fallback", "fuse_unk"}) {
    enum class is { off, on };
    if (model.either(entry, is::off, is::on) == is::on && (entry != "fuse_unk" || parts.unknown))
      throw unsupported_error{message(quotation(model.where(entry)), " = true in a vocabulary with tokens for ", bytes,
                                      " of 256 bytes")};
  }
}

inline void read_model(bpe_parts& parts, json_entries const& model) {
  model.only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
              "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (model.text_or("type", "BPE") != "BPE") refuse_component(model);
  if (model.has("dropout") && model.at("dropout") != 0) refuse_component(model, "dropout");
  for (std::string_view const affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text_or(affix, "").empty()) refuse_component(model, affix);
  if (!model.at("vocab").is_object()) model.refuse("vocab", "an object");
  read_tokens_and_merges(parts, model.at("vocab"), model.array("merges"), parts.added.size());
  parts.whole = model.either("ignore_merges", whole_pieces::merged, whole_pieces::taken);
  read_unknown(parts, model);
}

inline bpe_parts parts_of_json(json const& file) {
  json_entries const entries{file, ""};
  entries.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
                "decoder", "model"});
  for (std::string_view const changes_ids : {"truncation", "padding"})
    if (entries.has(changes_ids)) refuse_component(entries, changes_ids);
  bpe_parts parts;
  if (entries.has("added_tokens"))
    for (json const& token : entries.array("added_tokens")) {
      json_entries const read{token, message("added_tokens[", parts.added.size(), ']')};
      read.only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
      parts.added.push_back(added_token_of(read, read.id("id")));
    }
  auto const component = [&](std::string_view name) { return entries.has(name) ? entries.at(name) : json{}; };
  parts.form = normal_form_of(component("normalizer"));
  parts.split = pre_tokenizer_reader::read(component("pre_tokenizer"));
  parts.frame = frame_of(component("post_processor"));
  each_part(component("decoder"), "decoder", "decoders", [](json_entries const& decoder) {
    if (decoder.text("type") != "ByteLevel") refuse_component(decoder);
  });
  read_model(parts, entries.section("model"));
  return parts;
}

}  // namespace detail

/// The tokenizer that the text of a tokenizer.json describes; `name` is how messages name it.
///
/// Throws    file_error: no JSON, a key twice, an entry that breaks its rule, a merge of an unknown token, a token or
///           an id twice, ids with holes; unsupported_error: a component that is not known
/// Cost      a second for 10 MB
inline byte_level_bpe parse_tokenizer_json(std::string_view text, std::string_view name) {
  return detail::reading("tokenizer.json", name, [&] {
    return byte_level_bpe{detail::parts_of_json(detail::parse_json<nlohmann::json>(text, "text", 16))};
  });
}

/// The tokenizer of a tokenizer.json file.
inline byte_level_bpe read_tokenizer_json(std::filesystem::path const& path) {
  return parse_tokenizer_json(detail::text_of_file(path), path.string());
}

}  // namespace basin::lm
