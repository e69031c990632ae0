// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "limits/comma_list.hpp"
#include "programs/command_line.hpp"

namespace basin::limits {

/// What x_i is: the embedding of token i, what the layer reads at place i, or the value of the head at place i.
enum class embedding { token, hidden, value };

/// Whether the critical N is searched for.
enum class critical_search { off, on };

/// Everything that decides the figures.
struct limits_options {
  enum class answer { figures, list } wanted = answer::figures;
  std::filesystem::path model = BASIN_CHECKPOINTS "/ar";
  std::vector<int> random_model;                                 // layers, heads, dim; empty: the checkpoint
  std::string text;                                              // a file; empty: word problems joined end to end
  index_t offset = 0;                                            // of the text's first byte
  std::uint64_t problems = 11;                                   // seed of the word problems
  std::vector<std::string> normalizers;                          // empty: all
  std::vector<index_t> lengths{32, 64, 128, 256, 512, 1024};
  std::vector<index_t> top{1, 5, 10, 20, 100};                   // N of figure 2b
  index_t fixed_top = 5;                                         // N of figure 2a
  std::vector<index_t> selected{1, 2, 4, 8, 16, 32, 64, 128, 256};  // N of figure 3
  std::vector<double> temperatures{0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.178, 0.316, 0.562, 1, 1.78, 3.16, 5.62, 10};
  std::vector<double> epsilons{1e-3, 1e-1, 10};
  embedding of = embedding::token;
  index_t every = 2;                                             // every n-th row is measured
  index_t exact_rows = 8, exact_draws = 32;  // rows of a head with exact expectations, and their draws
  index_t sensitivity_rows = 32;                                 // rows of a head in figure 4
  critical_search critical = critical_search::off;
  index_t critical_rows = 32;                                    // rows of a head in the search
  std::uint64_t seed = 1;
  int threads = 0;                                               // 0: as OpenMP decides
  std::filesystem::path out = "limits-report";
  std::filesystem::path plotly = BASIN_PLOTLY;

  index_t longest() const { return *std::ranges::max_element(lengths); }
};

/// One number of the command line: where it is kept, what it may be, what --help says of it.
template <class T>
struct number_option {
  char const* name;
  T limits_options::*value;
  lm::interval<T> allowed;
  char const* what;
};

/// A list of numbers that rise, each of them in the interval.
template <class T>
struct list_option {
  char const* name;
  std::vector<T> limits_options::*values;
  lm::interval<T> allowed;
  char const* what;
};

inline constexpr index_t longest_length = 1 << 15, most_draws = 1 << 20, largest_offset = index_t{1} << 40;

inline constexpr number_option<index_t> count_options[] = {
    {"--offset", &limits_options::offset, {0, largest_offset}, "first byte of the text"},
    {"--fixed-top", &limits_options::fixed_top, {1, longest_length}, "number N of selected tokens in figure 2a"},
    {"--every", &limits_options::every, {1, longest_length}, "measure every n-th row"},
    {"--exact-rows",
     &limits_options::exact_rows,
     {0, longest_length},
     "rows of a head whose expectation is also drawn; 0: none"},
    {"--exact-draws", &limits_options::exact_draws, {2, most_draws}, "draws for each of them"},
    {"--sensitivity-rows", &limits_options::sensitivity_rows, {1, longest_length}, "rows of a head in figure 4"},
    {"--critical-rows",
     &limits_options::critical_rows,
     {1, longest_length},
     "rows of a head and length in the search of --ks"}};

inline constexpr list_option<index_t> length_options[] = {
    {"--lengths",
     &limits_options::lengths,
     {2, longest_length},
     "lengths L of figures 2a and 2c; the longest one is that of the other figures"},
    {"--top", &limits_options::top, {1, longest_length}, "numbers N of selected tokens in figure 2b"},
    {"--selected", &limits_options::selected, {1, longest_length}, "numbers N of selected tokens in figure 3"}};

inline constexpr list_option<double> real_options[] = {
    {"--temperatures",
     &limits_options::temperatures,
     {1e-4, 1e4},
     "T of figure 4: it divides the scores before the normalizer"},
    {"--epsilons", &limits_options::epsilons, {1e-9, 1e6}, "lengths of the step in figure 4"}};

inline constexpr lm::interval<int> thread_counts{0, 4096}, random_sizes{1, 1 << 14};

namespace detail {

template <class T>
void require(char const* name, T value, lm::interval<T> const& allowed) {
  if (!allowed.has(value)) throw value_error{message("basin: ", name, " is ", value, "; it must be ", allowed.rule())};
}

template <class T>
void require_ascending(char const* name, std::vector<T> const& list, lm::interval<T> const& allowed) {
  if (list.empty()) throw value_error{message("basin: ", name, " is empty; give at least one number")};
  for (std::size_t i = 0; i < list.size(); ++i) {
    require(name, list[i], allowed);
    if (i > 0 && !(list[i] > list[i - 1]))
      throw value_error{message("basin: ", name, " has ", list[i], " after ", list[i - 1], "; its numbers must rise")};
  }
}

/// The bytes of a random model: its weights, and as many gradients.
inline double bytes_of_random_model(std::vector<int> const& sizes) {
  double const layers = sizes[0], dim = sizes[2];
  return 2 * sizeof(float) * (2.0 * lm::vocabulary_size * dim + 16 * layers * dim * dim);
}

inline void require_random_model(std::vector<int> const& sizes) {
  if (sizes.empty()) return;
  std::string const given = "basin: --random-model is " + comma_text(sizes);
  if (sizes.size() != 3) throw value_error{message(given, "; it must have three numbers: layers,heads,dim")};
  for (int const n : sizes) require("--random-model", n, random_sizes);
  if (sizes[2] % (2 * sizes[1]) != 0)
    throw value_error{message(given, "; its dim, ", sizes[2], ", must be a multiple of 2 x heads = ", 2 * sizes[1])};
  double const gigabyte = 1e9, needed = bytes_of_random_model(sizes) / gigabyte;
  double const there =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / gigabyte;
  if (needed > there)
    throw value_error{message(given, ", which needs ", needed, " GB; this machine has ", there,
                              " GB of memory: choose smaller sizes")};
}

}  // namespace detail

/// Throws value_error for what makes no figures.
inline void validate(limits_options const& o) {
  for (auto const& c : count_options) detail::require(c.name, o.*c.value, c.allowed);
  for (auto const& l : length_options) detail::require_ascending(l.name, o.*l.values, l.allowed);
  for (auto const& l : real_options) detail::require_ascending(l.name, o.*l.values, l.allowed);
  detail::require("--threads", o.threads, thread_counts);
  detail::require_random_model(o.random_model);
  if (o.fixed_top >= o.longest())
    throw value_error{message("basin: --fixed-top is ", o.fixed_top, "; it must be below ", o.longest(),
                              ", the longest of --lengths, so that a token is left outside the selection")};
}

}  // namespace basin::limits
