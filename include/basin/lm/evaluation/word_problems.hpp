// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Short word problems with one numeric answer, drawn from a seed, so that a small model can be right or wrong exactly:
//
//     Ann had 13 figs,got 4,ate 2. Left?      |13 +4=17 -2=#15.........
//     prompt, 40 bytes, padded with ' '       |answer, 24 bytes: running total, '#' before the result, padded with '.'
//
// What happens takes six bytes in both, and totals have two digits: a step of the answer stands at one distance from
// the words it comes from. So what is hard is the arithmetic, not the counting of bytes, and rotary positions alone
// (which tell distances, and nothing else to a token that is masked) learn it in minutes, with 0.8 million weights.
//
// A problem belongs to training or to test by a hash of its prompt, so no test problem is ever trained on, whatever the
// seeds.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/io/text_corpus.hpp"
#include "basin/lm/tokenizers/bytes.hpp"

namespace basin::lm {

inline constexpr index_t prompt_length = 40, answer_length = 24, problem_length = prompt_length + answer_length;
inline constexpr char prompt_padding = ' ', answer_padding = '.', result_mark = '#';

enum class split { training, test };

struct word_problem {
  std::string prompt, answer;  // without padding
  int result = 0;
};

/// The part a prompt belongs to: one in ten is for test.
inline split split_of(std::string_view prompt) {
  return (fingerprint(bytes_of(prompt)) >> 32) % 10 == 0 ? split::test : split::training;
}

namespace detail {

inline constexpr std::array<std::string_view, 8> people{"Ann", "Bob", "Dan", "Eva", "Gus", "Ivy", "Kim", "Tom"};
inline constexpr std::array<std::string_view, 8> things{"figs", "nuts", "eggs", "peas", "pies", "buns", "yams", "oats"};
inline constexpr std::array<std::string_view, 4> groupings{"bags", "jars", "rows", "sets"};
inline constexpr std::array<std::string_view, 3> gains{"got", "won", "dug"};
inline constexpr std::array<std::string_view, 3> losses{"ate", "fed", "hid"};

// What happens, one letter each: '*' opens with groups of equal size, '+' gains, '-' loses.
inline constexpr std::array<std::string_view, 9> stories{"+", "-", "+-", "-+", "*", "*+", "*-", "+-+", "-+-"};
inline constexpr int least_total = 10, largest_total = 29, largest_amount = 5;

template <std::size_t N>
std::string_view choose(philox& rng, std::array<std::string_view, N> const& words) {
  return words[below(rng, static_cast<std::uint32_t>(N))];
}

inline int between(philox& rng, int least, int most) {
  return least + static_cast<int>(below(rng, static_cast<std::uint32_t>(most - least + 1)));
}

/// A story being told: the prompt and the running total grow together.
struct telling {
  std::string prompt, tape;
  int total = 0;

  void open(philox& rng, std::string_view story) {
    prompt = message(choose(rng, people), " had ");
    if (story.front() != '*') {
      total = between(rng, least_total, largest_total);
      prompt += message(total, ' ', choose(rng, things));
      tape = message(total);
      return;
    }
    int const groups = between(rng, 2, 6), each = between(rng, 2, 6);
    total = groups * each;
    prompt += message(groups, ' ', choose(rng, groupings), " of ", each);
    tape = message(groups, '*', each, '=', total);
  }

  void happen(philox& rng, char what) {
    int const amount = between(rng, 1, largest_amount);
    total += what == '+' ? amount : -amount;
    prompt += message(',', choose(rng, what == '+' ? gains : losses), ' ', amount);
    tape += message(' ', what, amount, '=', total);
  }

  void ask(std::string_view story) {
    prompt += story.size() == 3 ? "." : story == "*" ? ". In all?" : story.back() == '-' ? ". Left?" : ". Now?";
    tape.insert(tape.size() - 2, 1, result_mark);  // totals have two digits
  }
};

/// One story, or nothing when a total leaves its range or a text its room.
inline std::optional<word_problem> tell(philox& rng) {
  std::string_view const story = choose(rng, stories);
  telling now;
  now.open(rng, story);
  for (char const what : story) {
    if (what != '*') now.happen(rng, what);
    if (now.total < least_total || now.total > largest_total) return std::nullopt;
  }
  now.ask(story);
  if (now.prompt.size() > prompt_length || now.tape.size() > answer_length) return std::nullopt;
  return word_problem{now.prompt, now.tape, now.total};
}

}  // namespace detail

/// The next problem of one part.
///
/// State     the generator's; the same seed and position give the same problem on every machine
/// Edges     one to three operations of + - *; every total on the way is from 10 to 29
inline word_problem make_problem(philox& rng, split part) {
  for (;;) {
    auto const told = detail::tell(rng);
    if (told && split_of(told->prompt) == part) return *told;
  }
}

/// The 64 ids of a problem: prompt and answer, each padded to its room.
///
/// Throws    value_error: a text longer than its room
inline std::vector<int> encode(word_problem const& p) {
  if (p.prompt.size() > prompt_length || p.answer.size() > answer_length)
    throw value_error{message("basin: the problem '", p.prompt, "' with the answer '", p.answer,
                              "' is too long; a prompt has room for ", prompt_length, " bytes, an answer for ",
                              answer_length)};
  std::vector<int> ids(problem_length, answer_padding);
  std::fill_n(ids.begin(), prompt_length, static_cast<int>(prompt_padding));
  std::copy(p.prompt.begin(), p.prompt.end(), ids.begin());
  std::copy(p.answer.begin(), p.answer.end(), ids.begin() + prompt_length);
  return ids;
}

/// The number after the last '#', when nothing but padding follows it; no number otherwise.
inline std::optional<int> read_answer(std::span<int const> ids) {
  std::string const text = text_of_ids(ids);
  std::size_t const mark = text.rfind(result_mark);
  if (mark == std::string::npos) return std::nullopt;
  std::size_t const end = std::min(text.find_first_not_of("0123456789", mark + 1), text.size());
  bool const padded = text.find_first_not_of(answer_padding, end) == std::string::npos;
  if (!padded || end == mark + 1 || end > mark + 4) return std::nullopt;
  return std::stoi(text.substr(mark + 1, end - mark - 1));
}

}  // namespace basin::lm
