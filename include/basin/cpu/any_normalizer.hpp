// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A normalizer that is chosen at run time, for every head on its own if wanted. Engines are compiled once for all of
// them; each adds what happens to the rows of a query tile, called through a pointer once a tile and step.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "basin/concepts/parameters.hpp"
#include "basin/cpu/detail/row_gradients.hpp"
#include "basin/observe/unobserved.hpp"

namespace basin::cpu {

namespace detail {

/// The rows of a panel without its keys, mask and scores: what a normalizer needs of a panel.
template <class T, int Vectors, class Normalizer>
struct rows_alone {
  using value_type = T;
  using batch = simd<T>;
  using normalizer_type = Normalizer;
  using watch_type = observation<unobserved>;
  using states_type = typename watch_type::template rows<batch>[Vectors];
  static constexpr int vectors = Vectors;
  static constexpr index_t width = Vectors * lanes<T>;

  struct {
    Normalizer const& normalize;
  } use;
  panel_at at;
  row_context<batch> const* contexts;                            // [Vectors]
  watch_type watch{unobserved{}};

  row_context<batch> context(int v) const { return contexts[v]; }
  row_context<T> context_of_lane(index_t lane) const {
    auto const& of = contexts[lane / lanes<T>];
    alignas(64) T query[lanes<T>], visible[lanes<T>];
    of.query.store_aligned(query);
    of.visible.store_aligned(visible);
    return {of.batch, of.head, query[lane % lanes<T>], visible[lane % lanes<T>]};
  }
};

/// Memory for the rows of a panel, of any normalizer.
struct row_memory {
  alignas(64) std::byte bytes[8 << 10];
};

/// What a normalizer does with the rows of a panel: scores -> unnormalised weights, and gradients of weights -> of
/// scores.
template <class T>
struct panel_steps {
  using contexts = row_context<simd<T>> const*;
  void (*weigh)(void const* normalizer, panel_at at, contexts rows, panel_scores<T> const& of, row_memory& state,
                simd<T>* factor) = nullptr;
  void (*through)(void const* normalizer, panel_at at, contexts rows, std::span<key_block const> blocks,
                  pair_numbers<T> const& pairs, index_t part, row_memory const& state) = nullptr;
};

template <class T, int Vectors, class N>
constexpr panel_steps<T> make_panel_steps() {
  using panel_type = rows_alone<T, Vectors, N>;
  using fit_type = typename rows_of_panel<panel_type>::type;
  static_assert(sizeof(fit_type) <= sizeof(row_memory) && std::is_trivially_copyable_v<fit_type>,
                "basin: the rows of a normalizer that is chosen at run time must be trivially copyable, and those of a "
                "query tile fit 8 KiB");
  panel_steps<T> steps;
  steps.weigh = [](void const* n, panel_at at, row_context<simd<T>> const* rows, panel_scores<T> const& of,
                   row_memory& state, simd<T>* factor) {
    panel_type const tile{{*static_cast<N const*>(n)}, at, rows};
    auto& fit = *new (state.bytes) fit_type;
    typename panel_type::states_type states{};
    fit.weigh(tile, of, states);
    std::copy_n(fit.factor, Vectors, factor);
  };
  if constexpr (has_jacobian<N>)
    steps.through = [](void const* n, panel_at at, row_context<simd<T>> const* rows, std::span<key_block const> blocks,
                       pair_numbers<T> const& pairs, index_t part, row_memory const& state) {
      panel_type const tile{{*static_cast<N const*>(n)}, at, rows};
      through_rows(tile, blocks, *std::launder(reinterpret_cast<fit_type const*>(state.bytes)), pairs, part);
    };
  return steps;
}

/// Those for panels of one vector and of panel_vectors<T>.
template <class T>
struct engine_steps {
  panel_steps<T> narrow, wide;

  template <int Vectors>
  panel_steps<T> const& of() const {
    if constexpr (Vectors == 1) return narrow;
    else return wide;
  }
  template <class N>
  static constexpr engine_steps make() {
    return {make_panel_steps<T, 1, N>(), make_panel_steps<T, panel_vectors<T>, N>()};
  }
};

inline constexpr std::size_t most_ranks = 2;
inline constexpr int most_parameters = 4;

/// Memory for a row in double, of any normalizer.
struct scalar_row {
  alignas(16) std::byte bytes[512] = {};

  template <class Row>
  static scalar_row of(Row const& row) {
    static_assert(
        sizeof(Row) <= sizeof(scalar_row) && std::is_trivially_copyable_v<Row>,
        "basin: a row of a normalizer that is chosen at run time must be trivially copyable and fit 512 bytes");
    scalar_row held;
    std::memcpy(held.bytes, &row, sizeof row);
    return held;
  }
  template <class Row>
  Row as() const {
    Row row;
    std::memcpy(&row, bytes, sizeof row);
    return row;
  }
};

/// A normalizer whose type is forgotten: what engines and the reference do with it.
struct normalizer_base {
  using jacobian_type = low_rank_jacobian<double, most_ranks>;
  using gradients_type = cuda::std::array<double, most_parameters>;

  void const* value = nullptr;
  engine_steps<float> in_float;
  engine_steps<double> in_double;                                // may be absent

  virtual ~normalizer_base() = default;
  virtual scalar_row fit(std::span<double const> scores, row_context<double> context) const = 0;
  virtual double weight(scalar_row const& row, double score) const = 0;
  virtual jacobian_type jacobian(scalar_row const& row, double score, double weight) const = 0;
  virtual gradients_type parameter_gradient(scalar_row const& row, double score, double weight, double dweight,
                                            double dscore) const = 0;
  virtual void sees_parameter_gradient(row_at at, int which, double gradient) const = 0;
  virtual void validate(problem const& call) const = 0;
  virtual void require_jacobian() const = 0;

  template <class T, int Vectors>
  panel_steps<T> const& steps() const {
    if constexpr (std::is_same_v<T, double>) return in_double.of<Vectors>();
    else return in_float.of<Vectors>();
  }
};

template <class N>
struct normalizer_held final : normalizer_base {
  N n;

  explicit normalizer_held(N const& of) : n(of) { value = &n; }
  scalar_row fit(std::span<double const> scores, row_context<double> context) const override {
    return scalar_row::of(fit_row(n, scores, context));
  }
  double weight(scalar_row const& row, double score) const override { return weigh(n, row.as<row_of<N>>(), score); }
  jacobian_type jacobian(scalar_row const& row, double score, double weight) const override {
    jacobian_type all{};
    if constexpr (has_jacobian<N>) {
      auto const j = as_low_rank(n.jacobian(row.as<row_of<N>>(), score, weight));
      static_assert(
          j.rank <= most_ranks,
          "basin: the Jacobian of a normalizer that is chosen at run time is a diagonal minus rank 2 at most");
      all.diag = j.diag;
      std::copy(j.outer.begin(), j.outer.end(), all.outer.begin());
      std::copy(j.carry.begin(), j.carry.end(), all.carry.begin());
    }
    return all;
  }
  gradients_type parameter_gradient(scalar_row const& row, double score, double weight, double dweight,
                                    double dscore) const override {
    gradients_type all{};
    if constexpr (has_parameters<N>) {
      static_assert(N::parameters <= most_parameters,
                    "basin: a normalizer that is chosen at run time has 4 learned numbers at most");
      auto const given = n.parameter_gradient(row.as<row_of<N>>(), score, weight, dweight, dscore);
      std::copy(given.begin(), given.end(), all.begin());
    }
    return all;
  }
  void sees_parameter_gradient(row_at at, int which, double gradient) const override {
    if constexpr (has_parameters<N>)
      if (which < N::parameters) n.sees_parameter_gradient(at, which, gradient);
  }
  void validate(problem const& call) const override { basin::validate_on_host(n, call); }
  void require_jacobian() const override {
    if constexpr (!has_jacobian<N>)
      throw unsupported_error("basin::cpu::any_normalizer: gradients need a normalizer with jacobian(row, score, "
                              "weight); this one has none");
  }
};

}  // namespace detail

/// A normalizer with its type forgotten; any_normalizer refers to it.
using held_normalizer = std::shared_ptr<detail::normalizer_base const>;

/// Holds a normalizer for any_normalizer, in calls of the value types Ts: float, double or both.
///
/// Requires  rows that are trivially copyable, a Jacobian of rank 2 at most, 4 learned numbers at most
/// Cost      a second or two of compile time for each type and value type
template <class... Ts, normalizer N>
held_normalizer hold(N const& n) {
  auto held = std::make_shared<detail::normalizer_held<N>>(n);
  if constexpr ((std::is_same_v<Ts, float> || ...)) held->in_float = detail::engine_steps<float>::template make<N>();
  if constexpr ((std::is_same_v<Ts, double> || ...)) held->in_double = detail::engine_steps<double>::template make<N>();
  return held;
}

/// A normalizer that is chosen at run time: one for all heads, or one a head. It refers to normalizers that hold()
/// made, which must outlive it.
///
/// Models    whole_row_normalizer, has_parameters; the CPU engine computes a query tile at a time, in SIMD lanes
/// Precision that of the normalizer it refers to
/// Cost      that of the normalizer it refers to, where scores are kept: an online one does not stream here, so a tile
///           holds Nk scores a query. decode() is forward()
/// Errors    value_error: no normalizer, or fewer than the call has heads; those of the normalizers; unsupported_error:
///           a value type that hold() was not asked for
/// Example   docs/how-to/normalizers-by-name.md
struct any_normalizer {
  static constexpr int parameters = detail::most_parameters;
  using in_query_tiles = std::true_type;

  detail::normalizer_base const* const* of_heads = nullptr;      // [count]
  index_t count = 0;                                             // 1: shared by all heads

  template <class T>
  struct row {
    detail::normalizer_base const* of = nullptr;
    detail::scalar_row state{};
  };

  detail::normalizer_base const& at(index_t head) const { return *of_heads[count == 1 ? 0 : head]; }

  row<double> fit(std::span<double const> scores, row_context<double> context) const {
    return {&at(context.head), at(context.head).fit(scores, context)};
  }
  double weight(row<double> const& r, double score) const { return r.of->weight(r.state, score); }
  auto jacobian(row<double> const& r, double score, double weight) const {
    return r.of->jacobian(r.state, score, weight);
  }
  auto parameter_gradient(row<double> const& r, double score, double weight, double dweight, double dscore) const {
    return r.of->parameter_gradient(r.state, score, weight, dweight, dscore);
  }
  void sees_parameter_gradient(row_at where, int which, double gradient) const {
    at(where.head).sees_parameter_gradient(where, which, gradient);
  }

  void validate(problem const& call) const {
    if (count != 1 && count != call.heads)
      throw value_error(message("basin::cpu::any_normalizer: there are ", count, " normalizers for ", call.heads,
                                " heads; give one, or one a head"));
    for (index_t n = 0; n < count; ++n)
      if (of_heads[n] == nullptr)
        throw value_error(message("basin::cpu::any_normalizer: head ", n, " has no normalizer; give it one by hold()"));
    for (index_t n = 0; n < count; ++n) of_heads[n]->validate(call);
  }
};

static_assert(whole_row_normalizer<any_normalizer> && has_parameters<any_normalizer>);

namespace detail {

/// The rows of a panel whose normalizer is chosen at run time. Observers of rows are given the weights.
template <class Panel>
struct rows_by_pointer {
  using T = typename Panel::value_type;
  using batch = simd<T>;
  static constexpr int Vectors = Panel::vectors;
  static constexpr auto raised_on_the_way = false;

  batch factor[Vectors];
  normalizer_base const* of = nullptr;
  row_context<batch> contexts[Vectors];
  row_memory state;

  template <class States>
  void weigh(Panel const& tile, panel_scores<T> const& scores, States& states, rows_start = rows_start::fresh) {
    of = &tile.use.normalize.at(tile.at.head);
    for (int v = 0; v < Vectors; ++v) contexts[v] = tile.context(v);
    auto const& steps = of->template steps<T, Vectors>();
    if (steps.weigh == nullptr)
      throw unsupported_error(message("basin::cpu::any_normalizer: a normalizer is not held for calls in ",
                                      sizeof(T) == 8 ? "double" : "float", "; name the type in hold<float, double>()"));
    steps.weigh(of->value, tile.at, contexts, scores, state, factor);
    if constexpr (Panel::watch_type::row_values > 0) observe_rows(tile, scores, states);
  }
  batch log_sum(Panel const&, int) const {
    static_assert(!Panel::watch_type::needs_log_sum,
                  "basin: the observer log_sum_exp needs a normalizer that is known when the program is compiled");
    return batch(T(0));
  }
  template <class State>
  term_totals<batch> totals(Panel const&, int, State const& seen) const { return seen.added; }
};

template <class Panel>
  requires std::is_same_v<typename Panel::normalizer_type, any_normalizer>
struct rows_of_panel<Panel> {
  using type = rows_by_pointer<Panel>;
};

template <class Panel, class T>
void through_rows(Panel const& tile, std::span<key_block const> blocks, rows_by_pointer<Panel> const& fit,
                  pair_numbers<T> const& pairs, index_t part) {
  fit.of->require_jacobian();
  fit.of->template steps<T, Panel::vectors>().through(fit.of->value, tile.at, fit.contexts, blocks, pairs, part,
                                                      fit.state);
}

}  // namespace detail

}  // namespace basin::cpu
