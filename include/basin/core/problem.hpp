// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What an attention call is asked to do, and the checks that every engine makes before it touches anything.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin {

/// The sizes of one attention call. Query heads are a multiple of key heads (grouped-query attention).
struct problem {
  index_t batch = 0, heads = 0, kv_heads = 0;
  index_t queries = 0, keys = 0;
  index_t dim = 0, value_dim = 0;

  /// The key head that query head `head` reads.
  BASIN_HD constexpr index_t kv_head(index_t head) const { return head / (heads / kv_heads); }
  /// The logical position of query row `row`: the last query stands at the last key.
  BASIN_HD constexpr index_t position(index_t row) const { return row + keys - queries; }
};

namespace detail {

inline void require_equal(std::string_view who, char const* a, index_t x, char const* b, index_t y) {
  if (x != y) throw shape_error(message(who, ": ", a, " is ", x, " but ", b, " is ", y, "; they must be equal"));
}

template <class View>
void require_aligned(std::string_view who, char const* name, View const& v) {
  using T = typename View::element_type;
  if (auto const past = reinterpret_cast<std::uintptr_t>(v.data_handle()) % alignof(T); past != 0)
    throw shape_error(message(who, ": ", name, " begins ", past, " bytes past a multiple of ", alignof(T), ", where its elements cannot lie; copy it to aligned memory"));
}

template <class View>
void require_extents(std::string_view who, char const* name, View const& v) {
  char const* const axis[] = {"batch", "heads", "length", "dim"};
  for (int r = 0; r < 4; ++r)
    if (v.extent(r) < 1)
      throw shape_error(message(who, ": ", name, " has ", axis[r], " ", v.extent(r), "; every extent must be at least 1"));
  if (v.data_handle() == nullptr)
    throw shape_error(message(who, ": ", name, " points to no memory; pass a view of ", v.extent(0) * v.extent(1) * v.extent(2) * v.extent(3), " elements"));
  require_aligned(who, name, v);
}

/// The memory that a view spans: which bytes, and how its axes step through them. Not a template, so that checks of memory are compiled
/// once, whatever the views.
struct footprint {
  static constexpr int most_axes = 6;

  std::intptr_t base = 0;
  index_t size = 0;                                              // bytes of an element
  int rank = 0;
  index_t extent[most_axes] = {}, stride[most_axes] = {};        // in elements

  /// The first byte, and the one behind the last.
  std::pair<std::intptr_t, std::intptr_t> bytes() const {
    index_t low = 0, high = 0;
    for (int r = 0; r < rank; ++r) (stride[r] < 0 ? low : high) += stride[r] * (extent[r] - 1);
    return {base + low * size, base + (high + 1) * size};
  }
};

template <class View>
footprint footprint_of(View const& v) {
  constexpr int rank = static_cast<int>(View::rank());
  static_assert(rank <= footprint::most_axes);
  footprint at{reinterpret_cast<std::intptr_t>(v.data_handle()), static_cast<index_t>(sizeof(typename View::element_type)), rank};
  for (int r = 0; r < rank; ++r) at.extent[r] = v.extent(r), at.stride[r] = v.stride(r);
  return at;
}

/// What is written, by several threads, must have an address of its own for every element.
inline void require_own_elements(std::string_view who, char const* name, footprint const& at) {
  int order[footprint::most_axes];
  for (int i = 0; i < at.rank; ++i) {
    order[i] = i;
    for (int j = i; j > 0 && at.stride[order[j]] < at.stride[order[j - 1]]; --j) std::swap(order[j], order[j - 1]);
  }
  index_t reach = 0;                                             // the furthest element of the axes already looked at
  for (int i = 0; i < at.rank; ++i) {
    int const r = order[i];
    if (at.extent[r] == 1) continue;
    if (at.stride[r] <= 0)
      throw shape_error(message(who, ": output ", name, " has stride ", at.stride[r], " on axis ", r, "; strides of an output must be positive"));
    if (at.stride[r] <= reach)
      throw shape_error(message(who, ": output ", name, " has stride ", at.stride[r], " on axis ", r, ", but its inner axes reach over ", reach + 1,
                                " elements; elements of an output must not share memory"));
    reach += at.stride[r] * (at.extent[r] - 1);
  }
}
template <class View>
void require_own_elements(std::string_view who, char const* name, View const& v) {
  require_own_elements(who, name, footprint_of(v));
}

template <class View>
void require_writable(std::string_view who, char const* name, View const& v) {
  require_extents(who, name, v);
  require_own_elements(who, name, v);
}

/// How many elements the axes inside one step of axis r reach over; 0: they cannot be read so.
inline index_t reach_within_a_step(footprint const& at, int r, index_t step) {
  index_t inner = 1;
  for (int s = 0; s < at.rank; ++s) {
    if (s == r || at.extent[s] == 1) continue;
    if (at.stride[s] < 0) return 0;
    if (at.stride[s] < step) inner += at.stride[s] * (at.extent[s] - 1);
    else if (at.stride[s] % step != 0) return 0;
  }
  return inner;
}

/// Whether two views over the same addresses interleave without a common element along axis r of both: counted modulo one step of
/// that axis, each stays within its own part of the step (q, k, v and o in one packed buffer). `gap`: from b to a, in elements.
inline bool interleave(footprint const& a, footprint const& b, int r, std::intptr_t gap) {
  index_t const step = a.stride[r];
  if (step <= 0 || b.stride[r] != step) return false;
  index_t const inner_a = reach_within_a_step(a, r, step), inner_b = reach_within_a_step(b, r, step);
  index_t const from_b_to_a = static_cast<index_t>((gap % step + step) % step);
  return inner_a > 0 && inner_b > 0 && from_b_to_a >= inner_b && from_b_to_a + inner_a <= step;
}

inline bool overlap(footprint const& a, footprint const& b) {
  auto const [a0, a1] = a.bytes();
  auto const [b0, b1] = b.bytes();
  if (a1 <= b0 || b1 <= a0) return false;
  auto const gap = a.base - b.base;
  if (a.size == b.size && a.rank == b.rank && gap % a.size == 0)
    for (int r = 0; r < a.rank; ++r)
      if (interleave(a, b, r, gap / a.size)) return false;
  return true;
}

/// Memory of a call with its name for messages: of a tensor, or of what a policy points to.
struct operand {
  std::string_view owner;                                        // the policy; empty for tensors
  char const* name;
  footprint at;
  bool written;

  std::string spelled() const { return owner.empty() ? std::string(name) : message(name, " of ", owner); }
};

template <class View>
operand operand_of(std::string_view owner, char const* name, View const& v, bool written) {
  if constexpr (requires { v.pages; }) return {owner, name, footprint_of(v.pages), written};
  else return {owner, name, footprint_of(v), written};
}
template <class View>
operand reading(char const* name, View const& v) {
  return operand_of({}, name, v, false);
}
template <class View>
operand writing(char const* name, View const& v) {
  return operand_of({}, name, v, true);
}

/// An output shares no memory with anything that is read, nor with another output.
inline void require_apart(std::string_view who, operand const& a, operand const& b) {
  if ((!a.written && !b.written) || !overlap(a.at, b.at)) return;
  operand const &output = b.written ? b : a, &other = b.written ? a : b;
  throw shape_error(message(who, ": output ", output.spelled(), " overlaps ", other.spelled(), "; give the output memory of its own"));
}

}  // namespace detail

/// Checks q [B, H, Nq, D], k [B, Hk, Nk, D], v [B, Hk, Nk, Dv] and gives the problem they pose.
///
/// Errors    shape_error: unequal batch, lengths or dims, an extent of zero, heads no multiple of key heads, null data
template <class Q, class K, class V>
problem check_inputs(std::string_view who, Q const& q, K const& k, V const& v) {
  detail::require_extents(who, "q", q);
  detail::require_extents(who, "k", k);
  detail::require_extents(who, "v", v);
  detail::require_equal(who, "the batch of k", k.extent(0), "the batch of q", q.extent(0));
  detail::require_equal(who, "the batch of v", v.extent(0), "the batch of q", q.extent(0));
  detail::require_equal(who, "the number of heads of v", v.extent(1), "that of k", k.extent(1));
  detail::require_equal(who, "the number of values (length of v)", v.extent(2), "the number of keys (length of k)", k.extent(2));
  detail::require_equal(who, "the dim of k", k.extent(3), "the dim of q", q.extent(3));
  if (q.extent(1) % k.extent(1) != 0)
    throw shape_error(message(who, ": q has ", q.extent(1), " heads and k has ", k.extent(1),
                              "; query heads must be a multiple of key heads"));
  return {q.extent(0), q.extent(1), k.extent(1), q.extent(2), k.extent(2), q.extent(3), v.extent(3)};
}

/// Checks that `out` has the extents [batch, heads, length, dim] and may be written.
template <class Out>
void check_output(std::string_view who, char const* name, Out const& out, index_t batch, index_t heads, index_t length, index_t dim) {
  detail::require_writable(who, name, out);
  detail::require_equal(who, message("the batch of ", name).c_str(), out.extent(0), "that of the problem", batch);
  detail::require_equal(who, message("the number of heads of ", name).c_str(), out.extent(1), "that of the problem", heads);
  detail::require_equal(who, message("the length of ", name).c_str(), out.extent(2), "that of the problem", length);
  detail::require_equal(who, message("the dim of ", name).c_str(), out.extent(3), "that of the problem", dim);
}

/// Checks that no tensor that is written shares memory with another one of the call.
inline void check_apart(std::string_view who, std::span<detail::operand const> tensors) {
  for (std::size_t n = 1; n < tensors.size(); ++n)
    for (detail::operand const& before : tensors.first(n)) detail::require_apart(who, before, tensors[n]);
}

/// The memory of a call's tensors, with the names of messages.
template <class Q, class K, class V, class Out>
std::array<detail::operand, 4> operands_of_forward(Q const& q, K const& k, V const& v, Out const& out) {
  using detail::reading, detail::writing;
  return {reading("q", q), reading("k", k), reading("v", v), writing("out", out)};
}
template <class Q, class K, class V, class DOut, class DQ, class DK, class DV>
std::array<detail::operand, 7> operands_of_backward(Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq, DK const& dk, DV const& dv) {
  using detail::reading, detail::writing;
  return {reading("q", q), reading("k", k), reading("v", v), reading("dout", dout), writing("dq", dq), writing("dk", dk), writing("dv", dv)};
}

/// All that a forward call must satisfy.
template <class Q, class K, class V, class Out>
problem check_forward(std::string_view who, Q const& q, K const& k, V const& v, Out const& out) {
  problem const p = check_inputs(who, q, k, v);
  check_output(who, "out", out, p.batch, p.heads, p.queries, p.value_dim);
  check_apart(who, operands_of_forward(q, k, v, out));
  return p;
}

/// Checks what a call reads beside q, k and v, of the shape of its output.
template <class In>
void check_like_output(std::string_view who, char const* name, In const& in, problem const& p) {
  detail::require_extents(who, name, in);
  index_t const out_extents[] = {p.batch, p.heads, p.queries, p.value_dim};
  for (int r = 0; r < 4; ++r) detail::require_equal(who, message("extent ", r, " of ", name).c_str(), in.extent(r), "that of the output", out_extents[r]);
}

/// All that a backward call must satisfy.
template <class Q, class K, class V, class DOut, class DQ, class DK, class DV>
problem check_backward(std::string_view who, Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq, DK const& dk, DV const& dv) {
  problem const p = check_inputs(who, q, k, v);
  check_like_output(who, "dout", dout, p);
  check_output(who, "dq", dq, p.batch, p.heads, p.queries, p.dim);
  check_output(who, "dk", dk, p.batch, p.kv_heads, p.keys, p.dim);
  check_output(who, "dv", dv, p.batch, p.kv_heads, p.keys, p.value_dim);
  check_apart(who, operands_of_backward(q, k, v, dout, dq, dk, dv));
  return p;
}

}  // namespace basin
