// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

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
  index_t exact_rows = 8, exact_draws = 32;                      // rows of a head with exact expectations, and their draws
  index_t sensitivity_rows = 32;                                 // rows of a head in figure 4
  critical_search critical = critical_search::off;
  index_t critical_rows = 32;                                    // rows of a head in the search
  std::uint64_t seed = 1;
  int threads = 0;                                               // 0: as OpenMP decides
  std::filesystem::path out = "limits-report";
  std::filesystem::path plotly = BASIN_PLOTLY;

  index_t longest() const { return *std::ranges::max_element(lengths); }
};

namespace detail {

template <class T>
void require_ascending(char const* name, std::vector<T> const& list, T least) {
  if (list.empty()) throw value_error{message("basin: --", name, " is empty; give at least one number")};
  for (std::size_t i = 0; i < list.size(); ++i)
    if (!(list[i] >= least) || (i > 0 && !(list[i] > list[i - 1])))
      throw value_error{message("basin: --", name, " has ", list[i], " at place ", i, "; numbers must rise, from ", least, " on")};
}

}  // namespace detail

/// Throws value_error for what makes no figures.
inline void validate(limits_options const& o) {
  auto const require = [](bool holds, char const* name, auto value, char const* rule) {
    if (!holds) throw value_error{message("basin: --", name, " is ", value, "; it must be ", rule)};
  };
  detail::require_ascending<index_t>("lengths", o.lengths, 2);
  detail::require_ascending<index_t>("top", o.top, 1);
  detail::require_ascending<index_t>("selected", o.selected, 1);
  detail::require_ascending<double>("temperatures", o.temperatures, 1e-4);
  detail::require_ascending<double>("epsilons", o.epsilons, 1e-9);
  require(o.longest() <= 1 << 15, "lengths", o.longest(), "at most 32768");
  require(o.temperatures.back() <= 1e4, "temperatures", o.temperatures.back(), "at most 1e4");
  require(o.epsilons.back() <= 1e6, "epsilons", o.epsilons.back(), "at most 1e6");
  require(o.fixed_top >= 1, "fixed-top", o.fixed_top, "at least 1");
  require(o.fixed_top < o.longest(), "fixed-top", o.fixed_top, "below the longest length: else nothing is left outside");
  require(o.random_model.empty() || o.random_model.size() == 3, "random-model", o.random_model.size(), "three numbers: layers,heads,dim");
  for (int const n : o.random_model) require(n >= 1 && n <= 1 << 14, "random-model", n, "made of numbers from 1 to 16384");
  require(o.offset >= 0, "offset", o.offset, "0 or a number of bytes");
  require(o.every >= 1, "every", o.every, "at least 1: 1 measures every row");
  require(o.exact_rows >= 0, "exact-rows", o.exact_rows, "0 (none) or a number of rows");
  require(o.exact_draws >= 2 && o.exact_draws <= 1 << 20, "exact-draws", o.exact_draws, "from 2 to 1048576");
  require(o.sensitivity_rows >= 1, "sensitivity-rows", o.sensitivity_rows, "at least 1");
  require(o.critical_rows >= 1, "critical-rows", o.critical_rows, "at least 1");
  require(o.threads >= 0 && o.threads <= 4096, "threads", o.threads, "0 (as OpenMP decides) or the number of threads");
}

}  // namespace basin::limits
