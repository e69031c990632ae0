// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A normalizer with its type erased: a name and two functions. Each normalizer instantiates the engine once, in the
// unit that lists it; the measures are compiled once for all of them.

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

/// Receives the finished rows. read() is called concurrently for different rows.
struct row_reader {
  virtual void read(row_at at, whole_row const& row) const = 0;

protected:
  ~row_reader() = default;
};

/// Passes every row to a reader.
///
/// Models    whole_row_observer
struct pass_rows_to {
  row_reader const* reader = nullptr;

  void sees_whole_row(row_at at, whole_row const& row) const { reader->read(at, row); }
};

static_assert(whole_row_observer<pass_rows_to>);

/// theory::gains of a normalizer: gains [temperatures, steps].
using gains_function = std::function<void(std::span<double const> scores, std::span<double const> direction,
                                          std::span<double const> temperatures, std::span<double const> steps,
                                          row_context<double> context, view<double, 2> gains)>;

/// Whether a normalizer is one of the library or one of list_your_own.cpp.
enum class candidate_origin { library, user };

/// A normalizer with its name.
struct candidate {
  std::string name;
  std::function<void(view<float const, 4> q, view<float const, 4> k, row_reader const& reader)>
      attend;            // causal, on the CPU engine
  gains_function gains;  // slope of the weights of one row
  candidate_origin origin = candidate_origin::library;
  std::function<candidate(int layer)> of_layer{};  // where layers differ; else empty
};

/// Properties of the model that a listed normalizer may use as its parameters.
struct candidate_settings {
  double trained = 512;  // context length in training
};

/// The list that the functions below fill, in the order of their calls.
class candidates {
public:
  explicit candidates(candidate_settings of) : model(of) {}

  /// One normalizer; defined in add.hpp, for the units that list them.
  template <normalizer N> void add(std::string name, N normalize);

  candidate_settings const& about() const { return model; }
  /// Candidates that are added later are the user's.
  void begin_user_list() { origin = candidate_origin::user; }
  std::vector<candidate> take() && { return std::move(list); }

private:
  candidate_settings model;
  candidate_origin origin = candidate_origin::library;
  std::vector<candidate> list;
};

// One unit each, so that they compile side by side.
void add_softmax_family(candidates& to);
void add_threshold_family(candidates& to);
void add_pointwise_family(candidates& to);
void add_your_own(candidates& to);

/// All of them.
inline std::vector<candidate> all_candidates(candidate_settings of) {
  candidates to(of);
  add_softmax_family(to);
  add_threshold_family(to);
  add_pointwise_family(to);
  to.begin_user_list();
  add_your_own(to);
  return std::move(to).take();
}

/// The name of what each head of the model was trained with.
inline constexpr char const* own_name = "own";

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
