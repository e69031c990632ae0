// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "device/host_engine.hpp"

namespace basin_test {

/// One call in numbers of 16 bits, and the same numbers in double.
template <class S>
struct half_call {
  call<double> exact;
  std::vector<S> q, k, v, dout;
  tensor<float> out, dq, dk, dv;

  explicit half_call(shape const& s)
      : exact(s),
        q(rounded(exact.q)),
        k(rounded(exact.k)),
        v(rounded(exact.v)),
        dout(rounded(exact.dout)),
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
    host_backward<Selector>(use, view_of(q, exact.q), view_of(k, exact.k), view_of(v, exact.v), view_of(dout, exact.dout), dq.v, dk.v, dv.v);
    basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  }

 private:
  static std::vector<S> rounded(tensor<double>& t) {
    std::vector<S> all;
    t.each([&](double& x, auto...) {
      all.push_back(S(static_cast<float>(x)));
      x = static_cast<double>(static_cast<float>(all.back()));
    });
    return all;
  }
};

template <class S>
constexpr double half_step() {
  return std::is_same_v<S, basin::bfloat16> ? 0x1p-8 : 0x1p-11;
}

}  // namespace basin_test
