// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Normalizers by name. A registry holds one recipe a name: what numbers it has, which of them can be learned, and how a
// normalizer is made of its spelling. Recipes are static code behind one pointer; what they make runs in the CPU engine
// through any_normalizer.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "basin/cpu/any_normalizer.hpp"
#include "basin/lm/policies/any_law.hpp"
#include "basin/lm/policies/described.hpp"
#include "basin/lm/policies/spelling.hpp"

namespace basin::lm {

/// A number of a normalizer that is learned, one value a head.
struct learned_number {
  std::string policy, name;                                      // sink_logit, logit
  double initial;
  per_head::range allowed;
  int row = 0;                                                   // of learned_memory::gradients
};

/// Where the learned numbers of a normalizer lie, and where rows of a backward pass leave what they add to the
/// gradients.
struct learned_memory {
  std::vector<view<float const, 1>> values{};                    // one a number, each [heads]
  view<double, 4> gradients{};  // [any_normalizer::parameters, batch, heads, queries]; may be empty
};

/// A normalizer with its numbers, ready to be made.
class recipe {
 public:
  virtual ~recipe() = default;
  /// As it was spelled, all numbers that are not learned with their values.
  virtual spelled_normalizer spelled() const = 0;
  virtual std::vector<learned_number> const& learned() const = 0;
  /// The type of the normalizer.
  virtual std::type_info const& type() const = 0;
  /// The normalizer over memory of its learned numbers, where it has any.
  virtual cpu::held_normalizer make(learned_memory const& memory) const = 0;
};

namespace detail {

template <class Number>
inline constexpr bool is_per_head = std::is_same_v<std::remove_cvref_t<Number>, per_head>;

inline std::string joined(std::vector<std::string> const& names) {
  std::string all;
  for (auto const& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

template <class P>
std::vector<std::string> names_of_numbers() {
  std::vector<std::string> names;
  P p{};
  described<P>::numbers(p, [&](char const* name, auto const&, auto const&...) { names.emplace_back(name); });
  return names;
}

/// Sets one number from what was spelled.
template <class Number>
void set_number(std::string_view policy, char const* name, Number& number, double value) {
  if constexpr (is_per_head<Number>) {
    number.value = value;
  } else if constexpr (std::is_floating_point_v<Number>) {
    number = static_cast<Number>(value);
  } else {
    constexpr double most = 1e9;
    if (!(value == std::floor(value) && std::fabs(value) <= most))
      throw value_error(
          message("basin: ", policy, ":", name, " is ", value, "; it must be a whole number from -1e9 to 1e9"));
    number = static_cast<Number>(value);
  }
}

/// A policy with the numbers that were spelled, checked; those that are learned join `learned`, their gradients from
/// row `first_row` on.
template <class P>
P policy_of(spelled_policy const& from, std::vector<learned_number>& learned, int first_row = 0) {
  constexpr std::string_view name = described<P>::name;
  auto const names = names_of_numbers<P>();
  for (auto const& [key, value] : from.numbers)
    if (std::find(names.begin(), names.end(), key) == names.end())
      throw value_error(message("basin: ", name, " has no number '", key, "'; ",
                                names.empty() ? std::string("it has none") : "it has: " + joined(names)));
  P p{};
  bool can_learn = false;
  int row = first_row;
  described<P>::numbers(p, [&](char const* number, auto& value, auto const&... range) {
    for (auto const& [key, given] : from.numbers)
      if (key == number) set_number(name, number, value, given);
    if constexpr (sizeof...(range) > 0) {
      can_learn = true;
      if (from.learned) (learned.push_back({std::string(name), number, value.value, range, row}), ...);
      ++row;
    }
  });
  if (from.learned && !can_learn)
    throw value_error(message("basin: ", name, " has nothing to learn; sink_logit, entmax, ssmax and asentmax have"));
  basin::validate(p);
  return p;
}

/// Every number of a policy, as it would be spelled.
template <class P>
spelled_policy spelling_of(P const& p, spelled_policy const& from) {
  spelled_policy all{std::string(described<P>::name), {}, from.learned};
  described<P>::numbers(p, [&](char const* name, auto const& value, auto const&...) {
    if constexpr (is_per_head<decltype(value)>) all.numbers.emplace_back(name, value.value);
    else all.numbers.emplace_back(name, static_cast<double>(value));
  });
  return all;
}

/// Points the learned numbers of a policy to memory, from number `next` on.
template <class P>
void bind(P& p, learned_memory const& memory, std::size_t& next) {
  described<P>::numbers(p, [&](char const*, auto& value, auto const&... range) {
    if constexpr (sizeof...(range) > 0) {
      value.values = memory.values.at(next++);
    }
  });
}

/// Rows [first, first + parameters) of the memory for gradients.
template <class P>
void bind_gradients(P& p, view<double, 4> const& rows, int first) {
  if constexpr (requires { p.gradients; })
    if (rows.data_handle() != nullptr)
      p.gradients.rows = strided(
          &rows(first, 0, 0, 0), std::array<index_t, 4>{P::parameters, rows.extent(1), rows.extent(2), rows.extent(3)},
          std::array<index_t, 4>{rows.stride(0), rows.stride(1), rows.stride(2), rows.stride(3)});
}

/// The laws by name; ssmax:learned is learned_ssmax.
inline any_law law_of(spelled_policy const& from, std::vector<learned_number>& learned, int first_row) {
  auto const is = [&](auto const& law) { return from.name == described<std::remove_cvref_t<decltype(law)>>::name; };
  auto const made = [&](auto const& law) {
    return any_law{policy_of<std::remove_cvref_t<decltype(law)>>(from, learned, first_row)};
  };
  if (is(learned_ssmax{}) || (is(ssmax{}) && from.learned)) {
    spelled_policy as = from;
    as.learned = true;
    return any_law{policy_of<learned_ssmax>(as, learned, first_row)};
  }
  if (is(ssmax{})) return made(ssmax{});
  if (is(log_n{})) return made(log_n{});
  if (is(su_log_n{})) return made(su_log_n{});
  if (is(yarn{})) return made(yarn{});
  if (is(position_steps{})) return made(position_steps{});
  if (is(asentmax{})) return made(asentmax{});
  throw value_error(message("basin: there is no law '", from.name,
                            "' of length; there are: ssmax, log_n, su_log_n, yarn, position_steps, asentmax"));
}

template <class N, class... Ts>
class recipe_of final : public recipe {
 public:
  explicit recipe_of(spelled_normalizer const& from) : text(from), plain(policy_of<N>(from.normalizer, numbers)) {
    text.normalizer = spelling_of(plain, from.normalizer);
    if (!from.law) return;
    law = law_of(*from.law, numbers, parameters_of<N>);
    text.law = cuda::std::visit([&](auto const& one) { return spelling_of(one, *from.law); }, law.which);
  }
  spelled_normalizer spelled() const override { return text; }
  std::vector<learned_number> const& learned() const override { return numbers; }
  std::type_info const& type() const override {
    return text.law ? typeid(length_scaled<N, any_law>) : typeid(N);
  }
  cpu::held_normalizer make(learned_memory const& memory) const override {
    N n = plain;
    std::size_t next = 0;
    if (text.normalizer.learned) bind(n, memory, next), bind_gradients(n, memory.gradients, 0);
    if (!text.law) return cpu::hold<Ts...>(n);
    any_law scaling = law;
    cuda::std::visit(
        [&](auto& one) {
          if (text.law->learned) bind(one, memory, next), bind_gradients(one, memory.gradients, parameters_of<N>);
        },
        scaling.which);
    return cpu::hold<Ts...>(length_scaled<N, any_law>{n, scaling});
  }

 private:
  spelled_normalizer text;
  std::vector<learned_number> numbers;                           // before `plain`, which adds to it
  N plain;
  any_law law{};
};

}  // namespace detail

/// Recipes by name.
///
/// Example   docs/how-to/normalizers-by-name.md
class registry {
 public:
  /// Adds a normalizer that is described (described.hpp), for calls of the value types Ts.
  ///
  /// Errors    value_error: the name is taken
  template <class N, class... Ts>
  void add() {
    static_assert(
        normalizer<N> && has_description<N>,
        "basin: a registry takes a normalizer with a basin::lm::described of its own (lm/policies/described.hpp)");
    static_assert(sizeof...(Ts) > 0, "basin: name the value types of the calls: add<my_normalizer, float>()");
    std::string const name(described<N>::name);
    if (!entries.emplace(name, entry{&make_recipe<N, Ts...>, detail::names_of_numbers<N>()}).second)
      throw value_error(message("basin: a normalizer '", name, "' is there already; give yours another name"));
  }

  /// The names, in order of the alphabet.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, one] : entries) all.push_back(name);
    return all;
  }
  std::vector<std::string> const& numbers_of(std::string const& name) const { return found(name).numbers; }

  /// The recipe of what was spelled. A law alone scales softmax, and asentmax alone entmax15.
  ///
  /// Throws    value_error: a name that does not exist, a number that it does not have or that is out of range, nothing
  ///           to learn
  std::shared_ptr<recipe const> find(spelled_normalizer spelled) const {
    static constexpr std::string_view laws[] = {"ssmax", "learned_ssmax",  "log_n",   "su_log_n",
                                                "yarn",  "position_steps", "asentmax"};
    if (!spelled.law && std::find(std::begin(laws), std::end(laws), spelled.normalizer.name) != std::end(laws)) {
      spelled.law = spelled.normalizer;
      spelled.normalizer = {spelled.law->name == "asentmax" ? "entmax15" : "softmax", {}, false};
    }
    return found(spelled.normalizer.name).make(spelled);
  }
  std::shared_ptr<recipe const> find(std::string_view text) const { return find(parse_normalizer(text)); }

 private:
  struct entry {
    std::shared_ptr<recipe const> (*make)(spelled_normalizer const&);
    std::vector<std::string> numbers;
  };

  template <class N, class... Ts>
  static std::shared_ptr<recipe const> make_recipe(spelled_normalizer const& from) {
    return std::make_shared<detail::recipe_of<N, Ts...>>(from);
  }
  entry const& found(std::string const& name) const {
    auto const at = entries.find(name);
    if (at == entries.end())
      throw value_error(
          message("basin: there is no normalizer '", name, "'; there are: ", detail::joined(names()),
                  "; and, scaling scores by their number: ssmax, log_n, su_log_n, yarn, position_steps, asentmax"));
    return at->second;
  }

  std::map<std::string, entry> entries;
};

/// A spelling that parse_normalizer() reads back, with every number.
inline std::string to_text(spelled_normalizer const& n) {
  auto const text_of = [](spelled_policy const& p) {
    std::string text = p.name;
    char sign = ':';
    if (p.learned) text += ":learned", sign = ',';
    for (auto const& [name, value] : p.numbers) {
      std::array<char, 32> digits{};
      auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
      text += sign + name + '=' + std::string(digits.data(), end);
      sign = ',';
    }
    return text;
  };
  return n.law ? text_of(n.normalizer) + "*" + text_of(*n.law) : text_of(n.normalizer);
}

}  // namespace basin::lm
