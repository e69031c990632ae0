// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Short word problems with one numeric answer, drawn from a seed, so that a small model can be right or wrong exactly:
//
//     Ann has 3 figs, buys 4, eats 2. Left?   |3+4=7 7-2=5 #5..........
//     prompt, 40 bytes, padded with ' '       |answer, 24 bytes: the steps, '#', the result, padded with '.'
//
// A problem belongs to training or to test by a hash of its prompt, so no test problem is ever trained on, whatever the seeds.

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
#include "models/text.hpp"

namespace basin::models {

inline constexpr index prompt_length = 40, answer_length = 24, problem_length = prompt_length + answer_length;
inline constexpr char prompt_padding = ' ', answer_padding = '.', result_mark = '#';

enum class split { training, test };

struct problem {
  std::string prompt, answer;  // without padding
  int result = 0;
};

/// The part a prompt belongs to: one in ten is for test.
inline split split_of(std::string_view prompt) {
  return (fingerprint(bytes_of(prompt)) >> 32) % 10 == 0 ? split::test : split::training;
}

namespace detail {

inline constexpr std::array<std::string_view, 8> people{"Ann", "Bob", "Cleo", "Dan", "Eva", "Finn", "Gus", "Ivy"};
inline constexpr std::array<std::string_view, 8> things{"figs", "nuts", "pens", "hats", "eggs", "pins", "cups", "keys"};
inline constexpr std::array<std::string_view, 4> gains{"gets", "wins", "buys", "finds"};
inline constexpr std::array<std::string_view, 4> losses{"gives", "sells", "loses", "drops"};
inline constexpr std::array<std::string_view, 3> holders{"bags", "jars", "sets"};

// What happens, one letter each: '*' opens with groups of equal size, '+' gains, '-' loses.
inline constexpr std::array<std::string_view, 7> stories{"+", "-", "+-", "-+", "*", "*-", "+-+"};
inline constexpr int largest_result = 40;

template <std::size_t N>
std::string_view choose(philox& rng, std::array<std::string_view, N> const& words) {
  return words[below(rng, static_cast<std::uint32_t>(N))];
}

inline int between(philox& rng, int least, int most) {
  return least + static_cast<int>(below(rng, static_cast<std::uint32_t>(most - least + 1)));
}

/// A story being told: the prompt and the worked steps grow together.
struct telling {
  std::string prompt, steps;
  int value = 0;

  void open(philox& rng, std::string_view story) {
    prompt = message(choose(rng, people), " has ");
    if (story.front() != '*') {
      value = between(rng, 1, story.size() < 3 ? 20 : 9);  // three steps must fit the answer
      prompt += message(value, ' ', choose(rng, things));
      return;
    }
    int const groups = between(rng, 2, 5), each = between(rng, 2, 5);
    value = groups * each;
    prompt += message(groups, ' ', choose(rng, holders), " of ", each, ' ', choose(rng, things));
    steps += message(groups, '*', each, '=', value, ' ');
  }

  void happen(philox& rng, char what) {
    int const amount = between(rng, 1, 9), next = what == '+' ? value + amount : value - amount;
    prompt += message(", ", choose(rng, what == '+' ? gains : losses), ' ', amount);
    steps += message(value, what, amount, '=', next, ' ');
    value = next;
  }

  void ask(std::string_view story) {
    prompt += story.size() == 3 ? "." : story == "*" ? ". In all?" : story.back() == '-' ? ". Left?" : ". Now?";
    steps += message(result_mark, value);
  }
};

/// One story, or nothing when a number leaves its range or a text its room.
inline std::optional<problem> tell(philox& rng) {
  std::string_view const story = choose(rng, stories);
  telling now;
  now.open(rng, story);
  for (char const what : story) {
    if (what != '*') now.happen(rng, what);
    if (now.value < 0 || now.value > largest_result) return std::nullopt;
  }
  now.ask(story);
  if (now.prompt.size() > prompt_length || now.steps.size() > answer_length) return std::nullopt;
  return problem{now.prompt, now.steps, now.value};
}

}  // namespace detail

/// The next problem of one part.
///
/// State     the generator's; the same seed and position give the same problem on every machine
/// Edges     results 0 to 40; one to three operations of + - *; every number in the worked steps is >= 0
inline problem make_problem(philox& rng, split part) {
  for (;;) {
    auto const told = detail::tell(rng);
    if (told && split_of(told->prompt) == part) return *told;
  }
}

/// The 64 ids of a problem: prompt and answer, each padded to its room.
///
/// Throws    value_error: a text longer than its room
inline std::vector<int> encode(problem const& p) {
  if (p.prompt.size() > prompt_length || p.answer.size() > answer_length)
    throw value_error{message("basin: the problem '", p.prompt, "' with the answer '", p.answer, "' is too long; a prompt has room for ",
                              prompt_length, " bytes, an answer for ", answer_length)};
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

}  // namespace basin::models
