// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The sizes of an attention call, and the checks that every engine makes before it writes anything.

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
  /// The logical position of query row `row`: the last query has the position of the last key.
  BASIN_HD constexpr index_t position(index_t row) const { return row + keys - queries; }
};

namespace detail {

inline void require_equal(std::string_view caller, char const* a, index_t x, char const* b, index_t y) {
  if (x != y) throw shape_error(message(caller, ": ", a, " is ", x, " but ", b, " is ", y, "; they must be equal"));
}

template <class View>
void require_aligned(std::string_view caller, char const* name, View const& v) {
  using T = typename View::element_type;
  if (auto const past = reinterpret_cast<std::uintptr_t>(v.data_handle()) % alignof(T); past != 0)
    throw shape_error(message(caller, ": ", name, " begins ", past, " bytes past a multiple of ", alignof(T),
                              ", where its elements cannot lie; copy it to aligned memory"));
}

template <class View>
void require_extents(std::string_view caller, char const* name, View const& v) {
  char const* const axis[] = {"batch", "heads", "length", "dim"};
  for (int r = 0; r < 4; ++r)
    if (v.extent(r) < 1)
      throw shape_error(message(caller, ": ", name, " has ", axis[r], " ", v.extent(r),
                                "; every extent must be at least 1"));
  if (v.data_handle() == nullptr)
    throw shape_error(message(caller, ": ", name, " points to no memory; pass a view of ",
                              v.extent(0) * v.extent(1) * v.extent(2) * v.extent(3), " elements"));
  require_aligned(caller, name, v);
}

/// The memory that a view spans: its first address, extents and strides. It is not a template, so that checks of memory
/// are compiled once for all types of views.
struct footprint {
  static constexpr int most_axes = 6;

  std::intptr_t base = 0;
  index_t size = 0;                                              // bytes of an element
  int rank = 0;
  index_t extent[most_axes] = {}, stride[most_axes] = {};        // in elements

  /// The address of the first byte, and that after the last byte.
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
  footprint memory{reinterpret_cast<std::intptr_t>(v.data_handle()),
                   static_cast<index_t>(sizeof(typename View::element_type)), rank};
  for (int r = 0; r < rank; ++r) memory.extent[r] = v.extent(r), memory.stride[r] = v.stride(r);
  return memory;
}

/// Several threads write an output at once, so each of its elements must have an address of its own.
inline void require_own_elements(std::string_view caller, char const* name, footprint const& memory) {
  int order[footprint::most_axes];
  for (int i = 0; i < memory.rank; ++i) {
    order[i] = i;
    for (int j = i; j > 0 && memory.stride[order[j]] < memory.stride[order[j - 1]]; --j)
      std::swap(order[j], order[j - 1]);
  }
  index_t last = 0;                                              // offset of the last element over the axes so far
  for (int i = 0; i < memory.rank; ++i) {
    int const r = order[i];
    if (memory.extent[r] == 1) continue;
    if (memory.stride[r] <= 0)
      throw shape_error(message(caller, ": output ", name, " has stride ", memory.stride[r], " on axis ", r,
                                "; strides of an output must be positive"));
    if (memory.stride[r] <= last)
      throw shape_error(message(caller, ": output ", name, " has stride ", memory.stride[r], " on axis ", r,
                                ", but its inner axes span ", last + 1,
                                " elements; elements of an output must not share memory"));
    last += memory.stride[r] * (memory.extent[r] - 1);
  }
}
template <class View>
void require_own_elements(std::string_view caller, char const* name, View const& v) {
  require_own_elements(caller, name, footprint_of(v));
}

template <class View>
void require_writable(std::string_view caller, char const* name, View const& v) {
  require_extents(caller, name, v);
  require_own_elements(caller, name, v);
}

/// The number of elements that the axes other than r with strides below `step` span; 0 if another axis has a negative
/// stride, or one above `step` that is no multiple of it.
inline index_t reach_within_a_step(footprint const& memory, int r, index_t step) {
  index_t inner = 1;
  for (int s = 0; s < memory.rank; ++s) {
    if (s == r || memory.extent[s] == 1) continue;
    if (memory.stride[s] < 0) return 0;
    if (memory.stride[s] < step) inner += memory.stride[s] * (memory.extent[s] - 1);
    else if (memory.stride[s] % step != 0) return 0;
  }
  return inner;
}

/// Whether two views over the same addresses interleave along axis r without a common element: modulo one step of that
/// axis, each view stays within its own part of the step (q, k, v and o in one packed buffer). `gap`: from b to a, in
/// elements.
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

/// Memory of a call, with its name for messages: a tensor, or memory that a policy points to.
struct operand {
  std::string_view owner;                                        // the policy; empty for tensors
  char const* name;
  footprint at;
  bool written;

  std::string spelled() const { return owner.empty() ? std::string(name) : message(name, " of ", owner); }
};

/// Whether a call reads or writes an operand.
enum class access { reads, writes };

template <class View>
operand operand_of(std::string_view owner, char const* name, View const& v, access how) {
  if constexpr (requires { v.pages; }) return {owner, name, footprint_of(v.pages), how == access::writes};
  else return {owner, name, footprint_of(v), how == access::writes};
}
template <class View>
operand reading(char const* name, View const& v) {
  return operand_of({}, name, v, access::reads);
}
template <class View>
operand writing(char const* name, View const& v) {
  return operand_of({}, name, v, access::writes);
}

/// An output shares no memory with an input or another output.
inline void require_apart(std::string_view caller, operand const& a, operand const& b) {
  if ((!a.written && !b.written) || !overlap(a.at, b.at)) return;
  operand const &output = b.written ? b : a, &other = b.written ? a : b;
  throw shape_error(message(caller, ": output ", output.spelled(), " overlaps ", other.spelled(),
                            "; give the output memory of its own"));
}

}  // namespace detail

/// Checks q [B, H, Nq, D], k [B, Hk, Nk, D], v [B, Hk, Nk, Dv] and returns the sizes of the call.
///
/// Errors    shape_error: unequal batch, lengths or dims, an extent of zero, heads no multiple of key heads, null data
template <class Q, class K, class V>
problem check_inputs(std::string_view caller, Q const& q, K const& k, V const& v) {
  detail::require_extents(caller, "q", q);
  detail::require_extents(caller, "k", k);
  detail::require_extents(caller, "v", v);
  detail::require_equal(caller, "the batch of k", k.extent(0), "the batch of q", q.extent(0));
  detail::require_equal(caller, "the batch of v", v.extent(0), "the batch of q", q.extent(0));
  detail::require_equal(caller, "the number of heads of v", v.extent(1), "that of k", k.extent(1));
  detail::require_equal(caller, "the number of values (length of v)", v.extent(2), "the number of keys (length of k)",
                        k.extent(2));
  detail::require_equal(caller, "the dim of k", k.extent(3), "the dim of q", q.extent(3));
  if (q.extent(1) % k.extent(1) != 0)
    throw shape_error(message(caller, ": q has ", q.extent(1), " heads and k has ", k.extent(1),
                              "; query heads must be a multiple of key heads"));
  return {q.extent(0), q.extent(1), k.extent(1), q.extent(2), k.extent(2), q.extent(3), v.extent(3)};
}

/// Checks that `out` has the extents [batch, heads, length, dim] and that its elements do not share memory.
template <class Out>
void check_output(std::string_view caller, char const* name, Out const& out, index_t batch, index_t heads,
                  index_t length, index_t dim) {
  detail::require_writable(caller, name, out);
  detail::require_equal(caller, message("the batch of ", name).c_str(), out.extent(0), "that of the problem", batch);
  detail::require_equal(caller, message("the number of heads of ", name).c_str(), out.extent(1), "that of the problem",
                        heads);
  detail::require_equal(caller, message("the length of ", name).c_str(), out.extent(2), "that of the problem", length);
  detail::require_equal(caller, message("the dim of ", name).c_str(), out.extent(3), "that of the problem", dim);
}

/// Checks that no output shares memory with another tensor of the call.
inline void check_apart(std::string_view caller, std::span<detail::operand const> tensors) {
  for (std::size_t n = 1; n < tensors.size(); ++n)
    for (detail::operand const& before : tensors.first(n)) detail::require_apart(caller, before, tensors[n]);
}

/// The memory of a call's tensors, with their names for messages.
template <class Q, class K, class V, class Out>
std::array<detail::operand, 4> operands_of_forward(Q const& q, K const& k, V const& v, Out const& out) {
  using detail::reading, detail::writing;
  return {reading("q", q), reading("k", k), reading("v", v), writing("out", out)};
}
template <class Q, class K, class V, class DOut, class DQ, class DK, class DV>
std::array<detail::operand, 7> operands_of_backward(Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq,
                                                    DK const& dk, DV const& dv) {
  using detail::reading, detail::writing;
  return {reading("q", q),   reading("k", k),   reading("v", v),  reading("dout", dout),
          writing("dq", dq), writing("dk", dk), writing("dv", dv)};
}

/// Checks the tensors of a forward call.
template <class Q, class K, class V, class Out>
problem check_forward(std::string_view caller, Q const& q, K const& k, V const& v, Out const& out) {
  problem const p = check_inputs(caller, q, k, v);
  check_output(caller, "out", out, p.batch, p.heads, p.queries, p.value_dim);
  check_apart(caller, operands_of_forward(q, k, v, out));
  return p;
}

/// Checks an input, beside q, k and v, that has the shape of the output.
template <class In>
void check_like_output(std::string_view caller, char const* name, In const& in, problem const& p) {
  detail::require_extents(caller, name, in);
  index_t const out_extents[] = {p.batch, p.heads, p.queries, p.value_dim};
  for (int r = 0; r < 4; ++r)
    detail::require_equal(caller, message("extent ", r, " of ", name).c_str(), in.extent(r), "that of the output",
                          out_extents[r]);
}

/// Checks the tensors of a backward call.
template <class Q, class K, class V, class DOut, class DQ, class DK, class DV>
problem check_backward(std::string_view caller, Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq,
                       DK const& dk, DV const& dv) {
  problem const p = check_inputs(caller, q, k, v);
  check_like_output(caller, "dout", dout, p);
  check_output(caller, "dq", dq, p.batch, p.heads, p.queries, p.dim);
  check_output(caller, "dk", dk, p.batch, p.kv_heads, p.keys, p.dim);
  check_output(caller, "dv", dv, p.batch, p.kv_heads, p.keys, p.value_dim);
  check_apart(caller, operands_of_backward(q, k, v, dout, dq, dk, dv));
  return p;
}

}  // namespace basin
