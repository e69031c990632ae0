// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Where a transformer computes. An engine has memory, the layers, attention and an optimizer, all by the names of nn/;
// this one is the host. basin/lm/devices/device_engine.hpp is the same on a device, whose memory the host cannot read: hence
// tensors that can be fetched.

#include <algorithm>
#include <memory_resource>
#include <span>
#include <vector>

#include "basin/cpu/backward.hpp"
#include "basin/cpu/decode.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/lm/devices/host_storage.hpp"
#include "basin/nn/adamw.hpp"
#include "basin/nn/cross_entropy.hpp"
#include "basin/nn/embedding.hpp"
#include "basin/nn/linear.hpp"
#include "basin/nn/rms_norm.hpp"
#include "basin/nn/rope.hpp"
#include "basin/nn/swiglu.hpp"

namespace basin::lm {

/// The host as an engine: layers are those of nn/, attention is that of cpu/.
template <class T>
class host_engine {
 public:
  using storage = host_storage<T>;
  using rope_table = nn::rope_table<T>;
  using moments = nn::adamw_state<T>;

  /// Numbers where the engine has them, and where the host reads and writes them: here, in one place.
  class tensors {
   public:
    explicit tensors(std::size_t count) : memory(count) {}
    std::span<T> here() { return memory; }
    std::span<T> on_host() { return memory; }

   private:
    storage memory;
  };
  void send(tensors&) {}
  void fetch(tensors&) {}
  std::span<T const> to_host(view<T, 2> rows) {
    return {rows.data_handle(), static_cast<std::size_t>(rows.extent(0) * rows.extent(1))};
  }
  std::span<T const> from_host(std::span<T const> numbers) { return numbers; }
  /// f(views...), which the host may read.
  template <class F, class... Views>
  void show(F const& f, Views const&... views) {
    f(views...);
  }
  /// Memory that the host and the engine both reach: what policies point to lies there.
  static std::pmr::memory_resource* shared_memory() { return std::pmr::new_delete_resource(); }

  rope_table make_rope(index_t positions, index_t dim, double base) { return {positions, dim, base}; }
  moments to_host(moments const& m) const { return m; }
  moments from_host(nn::adamw_state<T> const& m) const { return m; }

  void zero(std::span<T> x) { std::ranges::fill(x, T(0)); }
  void copy(std::span<T const> from, std::span<T> to) { std::ranges::copy(from, to.begin()); }
  void copy(view<T const, 4> from, view<T, 4> to) {
    for (index_t b = 0; b < from.extent(0); ++b)
      for (index_t h = 0; h < from.extent(1); ++h)
        for (index_t i = 0; i < from.extent(2); ++i) std::copy_n(&from(b, h, i, 0), from.extent(3), &to(b, h, i, 0));
  }

  void embedding_forward(std::span<int const> tokens, view<T const, 2> table, view<T, 2> y) {
    nn::embedding_forward(nn::host{}, tokens, table, y);
  }
  void embedding_backward(std::span<int const> tokens, view<T const, 2> dy, view<T, 2> dtable) {
    nn::embedding_backward(nn::host{}, tokens, dy, dtable);
  }
  void linear_forward(view<T const, 2> x, view<T const, 2> weight, view<T, 2> y, nn::update how = nn::update::replace) {
    nn::linear_forward(nn::host{}, x, weight, y, how);
  }
  void linear_backward_input(view<T const, 2> dy, view<T const, 2> weight, view<T, 2> dx) {
    nn::linear_backward_input(nn::host{}, dy, weight, dx);
  }
  void linear_backward_weight(view<T const, 2> x, view<T const, 2> dy, view<T, 2> dweight) {
    nn::linear_backward_weight(nn::host{}, x, dy, dweight);
  }
  void rms_norm_forward(view<T const, 2> x, std::span<T const> weight, double epsilon, view<T, 2> y,
                        std::span<T> inverse_rms) {
    nn::rms_norm_forward(nn::host{}, x, weight, epsilon, y, inverse_rms);
  }
  void rms_norm_backward(view<T const, 2> x, std::span<T const> weight, std::span<T const> inverse_rms,
                         view<T const, 2> dy, view<T, 2> dx, std::span<T> dweight) {
    nn::rms_norm_backward(nn::host{}, x, weight, inverse_rms, dy, dx, dweight);
  }
  void rope_forward(view<T, 4> x, rope_table const& table, index_t first = 0) { nn::rope_forward(nn::host{}, x, table, first); }
  void rope_backward(view<T, 4> dx, rope_table const& table) { nn::rope_backward(nn::host{}, dx, table); }
  void swiglu_forward(view<T const, 2> gate, view<T const, 2> up, view<T, 2> y) { nn::swiglu_forward(nn::host{}, gate, up, y); }
  void swiglu_backward(view<T const, 2> gate, view<T const, 2> up, view<T const, 2> dy, view<T, 2> dgate,
                       view<T, 2> dup) {
    nn::swiglu_backward(nn::host{}, gate, up, dy, dgate, dup);
  }

  template <class Attention>
  void attention_forward(Attention const& use, view<T const, 4> q, view<T const, 4> k, view<T const, 4> v,
                         view<T, 4> out) {
    cpu::forward(use, q, k, v, out);
  }
  template <class Attention>
  void attention_backward(Attention const& use, view<T const, 4> q, view<T const, 4> k, view<T const, 4> v,
                          view<T const, 4> dout, view<T, 4> dq, view<T, 4> dk, view<T, 4> dv) {
    cpu::backward(use, q, k, v, dout, dq, dk, dv);
  }
  /// attention_forward for the last few queries of a sequence.
  template <class Attention>
  void attention_decode(Attention const& use, view<T const, 4> q, view<T const, 4> k, view<T const, 4> v,
                        view<T, 4> out) {
    cpu::decode(use, q, k, v, out);
  }

  /// Turns logits into the gradients of their weighted cross entropy; loss() has the loss.
  void cross_entropy(view<T, 2> logits, std::span<int const> targets, std::span<T const> weights) {
    losses.resize(targets.size());
    last_loss = nn::cross_entropy_forward(nn::host{}, logits, targets, weights, std::span(losses));
    nn::cross_entropy_backward(nn::host{}, logits, targets, weights, logits);
  }
  double loss() { return last_loss; }

  double adamw(std::span<nn::parameter<T> const> parameters, moments& m, double rate,
               nn::adamw_options const& options) {
    return nn::adamw<T>(nn::host{}, parameters, m, rate, options);
  }

 private:
  std::vector<T> losses;
  double last_loss = 0;
};

}  // namespace basin::lm
