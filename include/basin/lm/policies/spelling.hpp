// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How policies are spelled on a command line and in a configuration:
//
//   top_k:k=16                                                     a name and numbers
//   sink_logit:learned                                             numbers that are learned, one a head
//   entmax15*asentmax:learned                                      a normalizer, and the law that scales its scores
//   softmax; layers 2-3: entmax15; layer 0 heads 0,1: top_k:k=8    one for all, and others for some layers and heads

#include <charconv>
#include <cstddef>
#include <limits>
#include <optional>
#include <algorithm>
#include <tuple>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"

namespace basin::lm {

/// One policy as it was spelled: top_k:k=16 has the name top_k and the number k.
struct spelled_policy {
  std::string name;
  std::vector<std::pair<std::string, double>> numbers;
  bool learned = false;

  friend bool operator==(spelled_policy const&, spelled_policy const&) = default;
};

/// A normalizer and, after `*`, the law that scales its scores.
struct spelled_normalizer {
  spelled_policy normalizer;
  std::optional<spelled_policy> law;

  friend bool operator==(spelled_normalizer const&, spelled_normalizer const&) = default;
};

/// Inclusive ranges of whole numbers; none stands for all.
struct index_set {
  std::vector<std::pair<int, int>> ranges;

  bool is_all() const { return ranges.empty(); }
  bool holds(int n) const {
    for (auto const& [first, last] : ranges)
      if (first <= n && n <= last) return true;
    return is_all();
  }
  int largest() const {
    int most = -1;
    for (auto const& range : ranges) most = std::max(most, range.second);
    return most;
  }
  friend bool operator==(index_set const&, index_set const&) = default;
};

/// What the heads of some layers use.
struct assignment {
  index_set layers, heads;
  spelled_normalizer policy;

  /// How closely it names its heads: 0 for all, 1 for layers or heads, 2 for heads of layers.
  int closeness() const { return (layers.is_all() ? 0 : 1) + (heads.is_all() ? 0 : 1); }
};

namespace detail {

/// Reads a text from left to right; every error quotes the text and says where.
class spelling_reader {
 public:
  explicit spelling_reader(std::string_view whole) : text(whole), rest(whole) {}

  bool is_at_end() { return skip_blanks(), rest.empty(); }
  bool takes(char c) {
    skip_blanks();
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  bool takes_word(std::string_view word) {
    skip_blanks();
    if (!rest.starts_with(word) || (rest.size() > word.size() && is_of_a_name(rest[word.size()]))) return false;
    rest.remove_prefix(word.size());
    return true;
  }
  std::string name(char const* what) {
    skip_blanks();
    std::size_t n = 0;
    while (n < rest.size() && is_of_a_name(rest[n])) ++n;
    if (n == 0) throw refused(message("expected ", what));
    std::string const found(rest.substr(0, n));
    rest.remove_prefix(n);
    return found;
  }
  template <class Number>
  Number number(char const* what) {
    skip_blanks();
    Number value{};
    auto const [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc{}) throw refused(message("expected ", what));
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return value;
  }
  value_error refused(std::string const& why) const {
    std::size_t const at = text.size() - rest.size();
    return value_error(message("basin: '", text, "' is no policy: ", why,
                               at < text.size() ? message(" at '", rest, "'") : " at its end"));
  }

 private:
   static bool is_of_a_name(char c) {
     return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
   }
  void skip_blanks() {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
  }

  std::string_view text, rest;
};

inline spelled_policy read_policy(spelling_reader& from) {
  spelled_policy read{from.name("the name of a policy"), {}, false};
  if (!from.takes(':')) return read;
  do {
    std::string const key = from.name("the name of a number, or 'learned'");
    for (auto const& [known, value] : read.numbers)
      if (known == key) throw from.refused(message("'", key, "' is given twice"));
    if (key == "learned" && !read.learned) read.learned = true;
    else if (from.takes('=')) read.numbers.emplace_back(key, from.number<double>("a number"));
    else throw from.refused(message("expected '=' after '", key, "'"));
  } while (from.takes(','));
  return read;
}

inline spelled_normalizer read_normalizer(spelling_reader& from) {
  spelled_normalizer read{read_policy(from), {}};
  if (from.takes('*')) read.law = read_policy(from);
  return read;
}

inline index_set read_indices(spelling_reader& from) {
  index_set read;
  do {
    int const first = from.number<int>("a whole number");
    int const last = from.takes('-') ? from.number<int>("a whole number") : first;
    if (first < 0 || last < first)
      throw from.refused(message("the range ", first, "-", last, " must run upwards from 0 or more"));
    read.ranges.emplace_back(first, last);
  } while (from.takes(','));
  return read;
}

}  // namespace detail

/// top_k:k=16 or entmax15*log_n:trained=64.
///
/// Throws    value_error: where the text breaks the grammar. Whether the names exist is for the registry to say
inline spelled_normalizer parse_normalizer(std::string_view text) {
  detail::spelling_reader from(text);
  auto read = detail::read_normalizer(from);
  if (!from.is_at_end()) throw from.refused("expected nothing more");
  return read;
}

/// A policy for all layers and heads, and others for some of them.
///
/// Throws    value_error: where the text breaks the grammar
inline std::vector<assignment> parse_assignments(std::string_view text) {
  detail::spelling_reader from(text);
  std::vector<assignment> read;
  do {
    assignment one;
    if (from.takes_word("layers") || from.takes_word("layer")) one.layers = detail::read_indices(from);
    if (from.takes_word("heads") || from.takes_word("head")) one.heads = detail::read_indices(from);
    if (one.closeness() > 0 && !from.takes(':'))
      throw from.refused("expected ':' between the layers or heads and their policy");
    one.policy = detail::read_normalizer(from);
    read.push_back(std::move(one));
  } while (from.takes(';') && !from.is_at_end());
  if (!from.is_at_end()) throw from.refused("expected ';' or nothing more");
  return read;
}

/// The assignment of every head: [layer][head], as places in the list. A closer one wins: heads of layers, then layers
/// or heads, then all.
///
/// Throws    value_error: a layer or head that the model does not have, two equally close assignments for one head, a
///           head without one
inline std::vector<std::vector<std::size_t>> resolve(std::vector<assignment> const& all, int layers, int heads) {
  for (auto const& [what, of, count] :
       {std::tuple{"layer", &assignment::layers, layers}, {"head", &assignment::heads, heads}})
    for (assignment const& one : all)
      if ((one.*of).largest() >= count)
        throw value_error(message("basin: ", what, " ", (one.*of).largest(), " is given ", one.policy.normalizer.name,
                                  ", but the model has ", count, " ", what, "s, numbered from 0 to ", count - 1));
  std::vector<std::vector<std::size_t>> chosen(static_cast<std::size_t>(layers),
                                               std::vector<std::size_t>(static_cast<std::size_t>(heads)));
  for (int layer = 0; layer < layers; ++layer)
    for (int head = 0; head < heads; ++head) {
      std::optional<std::size_t> best;
      for (std::size_t n = 0; n < all.size(); ++n) {
        if (!all[n].layers.holds(layer) || !all[n].heads.holds(head)) continue;
        if (best && all[*best].closeness() == all[n].closeness())
          throw value_error(message("basin: head ", head, " of layer ", layer, " is given both ",
                                    all[*best].policy.normalizer.name, " and ", all[n].policy.normalizer.name,
                                    "; give it one"));
        if (!best || all[*best].closeness() < all[n].closeness()) best = n;
      }
      if (!best)
        throw value_error(message("basin: head ", head, " of layer ", layer,
                                  " is given no policy; begin with one for all, such as 'softmax; ...'"));
      chosen[static_cast<std::size_t>(layer)][static_cast<std::size_t>(head)] = *best;
    }
  return chosen;
}

}  // namespace basin::lm
