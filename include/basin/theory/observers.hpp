// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The quantities of theory/ as observers: they compute them for every row of a forward pass and store no attention
// matrix. The results are views of [figure, ..., batch, heads, queries]; an enum names the figures.

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "basin/concepts/observer.hpp"
#include "basin/theory/row_limits.hpp"
#include "basin/theory/sensitivity.hpp"

namespace basin::theory {

namespace detail {

/// Checks that the first axes of a view are `first` and its last three [batch, heads, queries] of the call.
template <class View>
void require_figures(char const* function, View const& v, std::initializer_list<index_t> first, problem const& p) {
  std::vector<index_t> wanted(first);
  wanted.insert(wanted.end(), {p.batch, p.heads, p.queries});
  bool same = v.data_handle() != nullptr;
  for (std::size_t r = 0; r < wanted.size(); ++r) same = same && v.extent(static_cast<int>(r)) == wanted[r];
  if (same) return basin::detail::require_own_elements(function, "figures", v);
  std::string has, needs;
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    has += message(r ? ", " : "", v.extent(static_cast<int>(r)));
    needs += message(r ? ", " : "", wanted[r]);
  }
  throw shape_error(message(function, ": figures are ", v.data_handle() ? "" : "no memory of ", "[", has,
                            "] but this call needs [", needs, "]: figures and lists, batch, heads, queries"));
}

template <class G>
void require_text(char const* function, view<G const, 3> gram, problem const& p) {
  if (gram.data_handle() == nullptr || gram.extent(0) != p.batch || gram.extent(1) != p.keys ||
      gram.extent(2) != p.keys)
    throw shape_error(message(function, ": the Gram matrices are [", gram.extent(0), ", ", gram.extent(1), ", ",
                              gram.extent(2), "] but the call has [batch, keys, keys] = [", p.batch, ", ", p.keys, ", ",
                              p.keys, "]; for one text in all of the batch, use a stride of 0"));
}

/// The Gram matrix of one text of a batch.
template <class G>
view<G const, 2> text_of(view<G const, 3> gram, int batch) {
  return strided(gram.data_handle() + batch * gram.stride(0), std::array<index_t, 2>{gram.extent(1), gram.extent(2)},
                 std::array<index_t, 2>{gram.stride(1), gram.stride(2)});
}

}  // namespace detail

enum class distance_figure { mass, a, b, c, bound, expected, printed, excess, upper, count };

/// The distances of theorem 1 for every row and every N of a list; see row_distances.
///
/// Models    whole_row_observer
/// Shapes    gram [batch, keys, keys], with a stride of 0 if the batch shares a text; counts [N], increasing;
///           figures [distance_figure::count, N, batch, heads, queries]; overwritten by every call
/// Edges     a row with fewer than N visible keys: NaN
/// Cost      as row_distances: O(keys^2) a row
/// Errors    shape_error, value_error from validate()
template <class G>
struct distances {
  view<G const, 3> gram{};
  std::span<index_t const> counts{};
  view<double, 5> figures{};

  void sees_whole_row(row_at at, whole_row const& row) const {
    auto const seen = visible_of(row.weights, row.scores);
    std::vector<row_distance> of(counts.size(), row_distance{nan, nan, nan, nan, nan, {nan, nan, nan, nan}});
    if (!seen.weights.empty())
      row_distances(std::span<double const>(seen.weights), seen.seen(detail::text_of(gram, at.batch)), counts,
                    std::span<row_distance>(of));
    for (std::size_t n = 0; n < of.size(); ++n) {
      auto const& e = of[n].expected;
      double const values[] = {of[n].mass,  of[n].a,   of[n].b,  of[n].c, of[n].bound,
                               e.formula, e.printed, e.excess, e.upper};
      for (index_t f = 0; f < static_cast<index_t>(distance_figure::count); ++f)
        figures(f, static_cast<index_t>(n), at.batch, at.head, at.query) = values[f];
    }
  }

  template <class F>
  void views(F&& f) const {
    f("basin::theory::distances", "gram", gram);
    f("basin::theory::distances", "figures", figures);
  }
  void validate(problem const& p) const {
    detail::require_text("basin::theory::distances", gram, p);
    detail::require_counts("basin::theory::distances", counts, counts.size());
    detail::require_figures("basin::theory::distances", figures,
                            {static_cast<index_t>(distance_figure::count), static_cast<index_t>(counts.size())}, p);
  }

 private:
  static constexpr double nan = std::numeric_limits<double>::quiet_NaN();
};

enum class apart_figure { share, radius, lower, lower_count, upper, upper_range, upper_tight, count };

/// N_s / N and the bounds of theorem 2 for every row and every N of a list; see row_tell_apart.
///
/// Models    whole_row_observer
/// Shapes    gram [batch, keys, keys] of embeddings on the sphere `on`; counts [N], increasing;
///           figures [apart_figure::count, N, batch, heads, queries]; overwritten by every call
/// Edges     a row with at most N visible keys: NaN
/// Cost      as row_tell_apart: O(keys N) a row
/// Errors    shape_error, value_error from validate()
template <class G>
struct told_apart_shares {
  view<G const, 3> gram{};
  std::span<index_t const> counts{};
  sphere on{};
  view<double, 5> figures{};

  void sees_whole_row(row_at at, whole_row const& row) const {
    auto const seen = visible_of(row.weights, row.scores);
    double const nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<row_told_apart> of(counts.size(), row_told_apart{nan, nan, {nan, nan, nan, nan, nan}});
    if (!seen.weights.empty())
      row_tell_apart(std::span<double const>(seen.weights), seen.seen(detail::text_of(gram, at.batch)), counts, on,
                     std::span<row_told_apart>(of));
    for (std::size_t n = 0; n < of.size(); ++n) {
      auto const& b = of[n].bounds;
      double const values[] = {of[n].share, of[n].radius,  b.lower,      b.lower_count,
                               b.upper,     b.upper_range, b.upper_tight};
      for (index_t f = 0; f < static_cast<index_t>(apart_figure::count); ++f)
        figures(f, static_cast<index_t>(n), at.batch, at.head, at.query) = values[f];
    }
  }

  template <class F>
  void views(F&& f) const {
    f("basin::theory::told_apart_shares", "gram", gram);
    f("basin::theory::told_apart_shares", "figures", figures);
  }
  void validate(problem const& p) const {
    on.validate();
    detail::require_text("basin::theory::told_apart_shares", gram, p);
    detail::require_counts("basin::theory::told_apart_shares", counts, counts.size());
    detail::require_figures("basin::theory::told_apart_shares", figures,
                            {static_cast<index_t>(apart_figure::count), static_cast<index_t>(counts.size())}, p);
  }
};

enum class extreme_figure { score_range, least, most, count };

/// The quantities of lemma 1 for every row: the largest |score|, and the least and largest weight times the number of
/// visible keys. The latter lie in [C1, C2] for any number of keys.
///
/// Models    whole_row_observer
/// Shapes    figures [extreme_figure::count, batch, heads, queries]; overwritten by every call
/// Edges     a row without a visible key: NaN
/// Errors    shape_error from validate()
struct extremes {
  view<double, 4> figures{};

  void sees_whole_row(row_at at, whole_row const& row) const {
    double const nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    double score_range = 0, least = infinity, most = -infinity, visible = 0;
    for (std::size_t j = 0; j < row.weights.size(); ++j) {
      if (row.scores[j] == -infinity) continue;
      visible += 1;
      score_range = std::max(score_range, std::abs(row.scores[j]));
      least = std::min(least, row.weights[j]);
      most = std::max(most, row.weights[j]);
    }
    double const values[] = {visible > 0 ? score_range : nan, visible > 0 ? least * visible : nan,
                             visible > 0 ? most * visible : nan};
    for (index_t f = 0; f < static_cast<index_t>(extreme_figure::count); ++f)
      figures(f, at.batch, at.head, at.query) = values[f];
  }

  template <class F>
  void views(F&& f) const { f("basin::theory::extremes", "figures", figures); }
  void validate(problem const& p) const {
    detail::require_figures("basin::theory::extremes", figures, {static_cast<index_t>(extreme_figure::count)}, p);
  }
};

/// g(T, eps) of algorithm 5 on the scores of every row, for any normalizer (which may differ from that of the call).
///
/// Models    whole_row_observer
/// Shapes    temperatures [T], steps [eps], figures [T, eps, batch, heads, queries]; overwritten by every call
/// Edges     a row without a visible key gives 0
/// Determinism the direction of a row depends only on the seed and on the position of the row in the call
/// Cost      as gains
/// Errors    shape_error, value_error from validate()
template <normalizer N>
struct sensitivity {
  BASIN_EMPTY N normalize{};
  std::span<double const> temperatures{}, steps{};
  std::uint64_t seed = 1;
  view<double, 5> figures{};

  void sees_whole_row(row_at at, whole_row const& row) const {
    auto const seen = visible_of(row.weights, row.scores);
    index_t const queries = figures.extent(4), keys = static_cast<index_t>(row.weights.size());
    index_t const place = (at.batch * figures.extent(3) + at.head) * queries + at.query;
    row_context<double> const context{at.batch, at.head, static_cast<double>(at.query + keys - queries),
                                      static_cast<double>(seen.scores.size())};
    auto const out = strided(&figures(0, 0, at.batch, at.head, at.query),
                             std::array<index_t, 2>{figures.extent(0), figures.extent(1)},
                             std::array<index_t, 2>{figures.stride(0), figures.stride(1)});
    auto const direction = random_direction(seen.scores.size(), seed, static_cast<std::uint64_t>(place));
    gains(normalize, std::span<double const>(seen.scores), std::span<double const>(direction), temperatures, steps,
          context, out);
  }

  template <class F>
  void views(F&& f) const { f("basin::theory::sensitivity", "figures", figures); }
  void validate(problem const& p) const {
    basin::validate(normalize);
    for (double const t : temperatures) detail::require_positive("basin::theory::sensitivity", "temperature", t);
    for (double const e : steps) detail::require_positive("basin::theory::sensitivity", "step", e);
    detail::require_figures("basin::theory::sensitivity", figures,
                            {static_cast<index_t>(temperatures.size()), static_cast<index_t>(steps.size())}, p);
  }
};

}  // namespace basin::theory
