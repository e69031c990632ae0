// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What an attention call is asked to do, and the checks that every engine makes before it touches anything.

#include <cstdint>
#include <string>
#include <string_view>
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
void require_extents(std::string_view who, char const* name, View const& v) {
  char const* const axis[] = {"batch", "heads", "length", "dim"};
  for (int r = 0; r < 4; ++r)
    if (v.extent(r) < 1)
      throw shape_error(message(who, ": ", name, " has ", axis[r], " ", v.extent(r), "; every extent must be at least 1"));
  if (v.data_handle() == nullptr)
    throw shape_error(message(who, ": ", name, " points to no memory; pass a view of ", v.extent(0) * v.extent(1) * v.extent(2) * v.extent(3), " elements"));
}

/// What is written, by several threads, must have an address of its own for every element.
template <class View>
void require_own_elements(std::string_view who, char const* name, View const& v) {
  constexpr int rank = static_cast<int>(View::rank());
  int order[rank];
  for (int i = 0; i < rank; ++i) {
    order[i] = i;
    for (int j = i; j > 0 && v.stride(order[j]) < v.stride(order[j - 1]); --j) std::swap(order[j], order[j - 1]);
  }
  index_t reach = 0;                                             // the furthest element of the axes already looked at
  for (int const r : order) {
    if (v.extent(r) == 1) continue;
    if (v.stride(r) <= 0)
      throw shape_error(message(who, ": output ", name, " has stride ", v.stride(r), " on axis ", r, "; strides of an output must be positive"));
    if (v.stride(r) <= reach)
      throw shape_error(message(who, ": output ", name, " has stride ", v.stride(r), " on axis ", r, ", but its inner axes reach over ", reach + 1,
                                " elements; elements of an output must not share memory"));
    reach += v.stride(r) * (v.extent(r) - 1);
  }
}

template <class View>
void require_writable(std::string_view who, char const* name, View const& v) {
  require_extents(who, name, v);
  require_own_elements(who, name, v);
}

template <class View>
std::pair<std::intptr_t, std::intptr_t> bytes_of(View const& v) {
  index_t low = 0, high = 0;
  for (int r = 0; r < 4; ++r) (v.stride(r) < 0 ? low : high) += v.stride(r) * (v.extent(r) - 1);
  auto const base = reinterpret_cast<std::intptr_t>(v.data_handle());
  auto const size = static_cast<index_t>(sizeof(*v.data_handle()));
  return {base + low * size, base + (high + 1) * size};
}

/// Whether two views that reach over the same addresses interleave and never meet, seen along axis r of both: counted modulo
/// one step of that axis, each stays within its own part of the step (q, k, v and o in one packed buffer).
template <class A, class B>
auto interleave(A const& a, B const& b, int r, std::intptr_t gap) {
  index_t const step = a.stride(r);
  if (step <= 0 || b.stride(r) != step) return false;
  auto const reach = [&](auto const& v) {                        // what the axes inside one step reach over; 0: no such reading
    index_t inner = 1;
    for (int s = 0; s < 4; ++s) {
      if (s == r || v.extent(s) == 1) continue;
      if (v.stride(s) < 0) return index_t{0};
      if (v.stride(s) < step) inner += v.stride(s) * (v.extent(s) - 1);
      else if (v.stride(s) % step != 0) return index_t{0};
    }
    return inner;
  };
  index_t const inner_a = reach(a), inner_b = reach(b), from_b_to_a = static_cast<index_t>((gap % step + step) % step);
  return inner_a > 0 && inner_b > 0 && from_b_to_a >= inner_b && from_b_to_a + inner_a <= step;
}

/// An output may share no memory with anything that is read, nor with another output.
template <class Out, class In>
void require_apart(std::string_view who, char const* out_name, Out const& out, char const* in_name, In const& in) {
  auto const [a0, a1] = bytes_of(out);
  auto const [b0, b1] = bytes_of(in);
  if (a1 <= b0 || b1 <= a0) return;
  constexpr auto size = static_cast<std::intptr_t>(sizeof(*out.data_handle()));
  auto const gap = reinterpret_cast<std::intptr_t>(out.data_handle()) - reinterpret_cast<std::intptr_t>(in.data_handle());
  if (size == sizeof(*in.data_handle()) && gap % size == 0)
    for (int r = 0; r < 3; ++r)
      if (interleave(out, in, r, gap / size)) return;
  throw shape_error(message(who, ": output ", out_name, " overlaps ", in_name, "; give the output memory of its own"));
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

/// Checks that none of the outputs, given as name, view, name, view, ..., shares memory with `in`.
template <class In>
void check_apart(std::string_view, char const*, In const&) {}
template <class In, class Out, class... Rest>
void check_apart(std::string_view who, char const* in_name, In const& in, char const* out_name, Out const& out, Rest const&... rest) {
  detail::require_apart(who, out_name, out, in_name, in);
  check_apart(who, in_name, in, rest...);
}

/// All that a forward call must satisfy.
template <class Q, class K, class V, class Out>
problem check_forward(std::string_view who, Q const& q, K const& k, V const& v, Out const& out) {
  problem const p = check_inputs(who, q, k, v);
  check_output(who, "out", out, p.batch, p.heads, p.queries, p.value_dim);
  check_apart(who, "q", q, "out", out);
  check_apart(who, "k", k, "out", out);
  check_apart(who, "v", v, "out", out);
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
  check_apart(who, "q", q, "dq", dq, "dk", dk, "dv", dv);
  check_apart(who, "k", k, "dq", dq, "dk", dk, "dv", dv);
  check_apart(who, "v", v, "dq", dq, "dk", dk, "dv", dv);
  check_apart(who, "dout", dout, "dq", dq, "dk", dk, "dv", dv);
  check_apart(who, "dq", dq, "dk", dk, "dv", dv);
  check_apart(who, "dk", dk, "dv", dv);
  return p;
}

}  // namespace basin
