// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Chats as the text that instructed models were trained on. Sources: the chat templates in the tokenizer files of
// LLaDA-8B-Instruct, Meta-Llama-3-8B-Instruct, Qwen2.5, Dream-v0-Instruct-7B and SmolLM2-Instruct.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/added_tokens.hpp"
#include "basin/lm/tokenizers/tokenizer.hpp"

namespace basin::lm {

struct chat_message {
  std::string role;  ///< "system", "user" or "assistant"; models know other ones, too
  std::string content;
};

/// Whether a chat ends with the header of the assistant's next message.
enum class reply { begun, none };

/// How white space around a message is treated.
enum class message_ends { kept, trimmed };

/// A chat format: what stands before the first message, and what around each role and content.
struct chat_template {
  std::string_view name;
  std::string_view begin;           ///< a special token, or nothing
  std::string_view before_role;     ///< a special token
  std::string_view after_role;      ///< a special token, or nothing
  std::string_view before_content;  ///< a text
  std::string_view after_content;   ///< a special token
  std::string_view after_message;   ///< a text, or nothing
  message_ends ends;
  std::string_view default_system{};  ///< put in front of a chat without a system message; nothing if empty
};

namespace chats {

/// LLaDA's files begin a reply after every chat: render it with reply::begun.
inline constexpr chat_template llada{.name = "llada", .begin = "<|startoftext|>",
    .before_role = "<|start_header_id|>", .after_role = "<|end_header_id|>",
    .before_content = "\n\n", .after_content = "<|eot_id|>", .after_message = "", .ends = message_ends::trimmed};
inline constexpr chat_template llama3{.name = "llama-3", .begin = "<|begin_of_text|>",
    .before_role = "<|start_header_id|>", .after_role = "<|end_header_id|>",
    .before_content = "\n\n", .after_content = "<|eot_id|>", .after_message = "", .ends = message_ends::trimmed};
inline constexpr chat_template chatml{.name = "chatml", .begin = "",
    .before_role = "<|im_start|>", .after_role = "",
    .before_content = "\n", .after_content = "<|im_end|>", .after_message = "\n", .ends = message_ends::kept};

constexpr chat_template chatml_with(std::string_view name, std::string_view system) {
  chat_template format = chatml;
  format.name = name;
  format.default_system = system;
  return format;
}

inline constexpr chat_template dream = chatml_with("dream", "You are a helpful assistant.");
inline constexpr chat_template qwen2 = chatml_with("qwen2.5",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
inline constexpr chat_template smollm2 = chatml_with("smollm2",
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face");

inline constexpr std::array<chat_template, 6> all{llada, llama3, chatml, dream, qwen2, smollm2};

}  // namespace chats

/// A chat format by name.
///
/// Throws    value_error: an unknown name
inline chat_template const& chat_template_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (chat_template const& format : chats::all) {
    if (format.name == name) return format;
    names.push_back(format.name);
  }
  throw value_error{
      message("basin: there is no chat template ", quotation(name), "; there are ", alternatives(names))};
}

/// A rendered chat. Only the parts that the template wrote are special tokens: a message cannot contain one.
struct chat_text {
  struct part {
    std::size_t begin, end;
  };
  std::string text;
  std::vector<part> special;  ///< where the special tokens are in the text, from left to right
};

namespace detail {

class chat_writer {
 public:
  explicit chat_writer(chat_template const& with) : format(with) { special(format.begin); }

  void header(std::string_view role) {
    special(format.before_role);
    out.text += role;
    special(format.after_role);
    out.text += format.before_content;
  }

  void write(std::string_view role, std::string_view content) {
    header(role);
    if (format.ends == message_ends::trimmed) {
      content.remove_prefix(space_at_start(content));
      content.remove_suffix(space_at_end(content));
    }
    out.text += content;
    special(format.after_content);
    out.text += format.after_message;
  }

  chat_text out;

 private:
  void special(std::string_view token) {
    if (token.empty()) return;
    out.special.push_back({out.text.size(), out.text.size() + token.size()});
    out.text += token;
  }

  chat_template const& format;
};

}  // namespace detail

/// The text of a chat.
///
/// Throws    value_error: a message without a role
inline chat_text render(chat_template const& format, std::span<chat_message const> messages,
                        reply next = reply::begun) {
  detail::chat_writer writer{format};
  if (!format.default_system.empty() && (messages.empty() || messages.front().role != "system"))
    writer.write("system", format.default_system);
  for (chat_message const& m : messages) {
    if (m.role.empty())
      throw value_error{message("basin: the message ", quotation(m.content), " has no role; give 'user', for example")};
    writer.write(m.role, m.content);
  }
  if (next == reply::begun) writer.header("assistant");
  return std::move(writer.out);
}

/// The ids of a rendered chat.
///
/// Throws    value_error: the vocabulary lacks a special token of the template
inline std::vector<int> encode_chat(tokenizer const& words, chat_text const& chat) {
  std::string_view const text = chat.text;
  std::vector<int> ids;
  std::size_t done = 0;
  auto const encode_until = [&](std::size_t end) {
    auto const part = words.encode(text.substr(done, end - done), special_tokens::as_text);
    ids.insert(ids.end(), part.begin(), part.end());
  };
  for (auto const& [begin, end] : chat.special) {
    encode_until(begin);
    ids.push_back(words.id_of(text.substr(begin, end - begin)));
    done = end;
  }
  encode_until(text.size());
  return ids;
}

}  // namespace basin::lm
