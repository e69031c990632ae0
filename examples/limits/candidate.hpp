// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A normalizer as the program sees it: a name, and two functions behind which its type is hidden. So each normalizer
// instantiates the engine once, in the unit that lists it, and what is measured is compiled once for all of them.

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::limits {

/// Who reads the finished rows; called for different rows at the same time.
struct row_reader {
  virtual void read(row_at at, whole_row const& row) const = 0;

 protected:
  ~row_reader() = default;
};

/// Hands every row to a reader.
///
/// Models    whole_row_observer
struct shown_to {
  row_reader const* reader = nullptr;

  void sees_whole_row(row_at at, whole_row const& row) const { reader->read(at, row); }
};

static_assert(whole_row_observer<shown_to>);

/// theory::gains of a normalizer: gains [temperatures, steps].
using gains_function = std::function<void(std::span<double const> scores, std::span<double const> direction,
                                          std::span<double const> temperatures, std::span<double const> steps,
                                          row_context<double> at, view<double, 2> gains)>;

/// A normalizer with its name.
struct candidate {
  std::string name;
  std::function<void(view<float const, 4> q, view<float const, 4> k, row_reader const& reader)>
      attend;                                                    // causal, on the CPU engine
  gains_function gains;                                          // how fast the weights of one row follow its scores
};

/// What a value may depend on.
struct surroundings {
  double trained = 512;                                          // context the model was trained with
};

/// The list that is filled by the units below, in the order in which they are called.
class candidates {
 public:
  explicit candidates(surroundings of) : model(of) {}

  /// One normalizer; defined in add.hpp, for the units that list them.
  template <normalizer N>
  void add(std::string name, N normalize);

  surroundings const& about() const { return model; }
  std::vector<candidate> take() && { return std::move(list); }

 private:
  surroundings model;
  std::vector<candidate> list;
};

// One unit each, so that they compile side by side.
void add_softmax_family(candidates& to);
void add_threshold_family(candidates& to);
void add_pointwise_family(candidates& to);
void add_your_own(candidates& to);

/// All of them.
inline std::vector<candidate> all_candidates(surroundings of) {
  candidates to(of);
  add_softmax_family(to);
  add_threshold_family(to);
  add_pointwise_family(to);
  add_your_own(to);
  return std::move(to).take();
}

/// Those with these names, in this order; all where no name is given.
///
/// Throws    value_error: a name that is not in the list, or there twice
inline std::vector<candidate> chosen_of(std::vector<candidate> all, std::vector<std::string> const& names) {
  if (names.empty()) return all;
  std::vector<candidate> chosen;
  for (auto const& name : names) {
    auto const same = [&](candidate const& c) { return c.name == name; };
    if (std::ranges::any_of(chosen, same))
      throw value_error{message("basin: --normalizers has '", name, "' twice; name each once")};
    auto const found = std::ranges::find_if(all, same);
    if (found == all.end()) {
      std::string known;
      for (auto const& c : all) known += (known.empty() ? "" : ", ") + c.name;
      throw value_error{message("basin: --normalizers has '", name, "', which is not in the list; there are: ", known)};
    }
    chosen.push_back(*found);
  }
  return chosen;
}

}  // namespace basin::limits
