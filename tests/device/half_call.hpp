// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "device/host_engine.hpp"
#include "support/halves.hpp"

namespace basin_test {

/// One call in 16-bit numbers, and the same numbers in double.
template <class S>
struct half_call {
  call<double> exact;
  std::vector<S> q, k, v, dout;
  tensor<float> out, dq, dk, dv;

  explicit half_call(shape const& s)
      : exact(s),
        q(rounded<S>(exact.q)),
        k(rounded<S>(exact.k)),
        v(rounded<S>(exact.v)),
        dout(rounded<S>(exact.dout)),
        out({s.batch, s.heads, s.queries, s.value_dim}),
        dq({s.batch, s.heads, s.queries, s.dim}),
        dk({s.batch, s.kv_heads, s.keys, s.dim}),
        dv({s.batch, s.kv_heads, s.keys, s.value_dim}) {}
  basin::view<S const, 4> view_of(std::vector<S> const& memory, tensor<double> const& like) const {
    return basin::contiguous(memory.data(), like.v.extent(0), like.v.extent(1), like.v.extent(2), like.v.extent(3));
  }
  template <class Selector, class Attention>
  void run(Attention const& use) {
    host_forward<Selector>(use, view_of(q, exact.q), view_of(k, exact.k), view_of(v, exact.v), out.v);
    basin::reference::forward(use, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  }
  template <class Selector, class Attention>
  void run_backward(Attention const& use) {
    host_backward<Selector>(use, view_of(q, exact.q), view_of(k, exact.k), view_of(v, exact.v),
                            view_of(dout, exact.dout), dq.v, dk.v, dv.v);
    basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  }
};

}  // namespace basin_test
