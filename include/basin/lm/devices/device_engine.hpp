// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A device as an engine of a transformer (basin/lm/devices/host_engine.hpp), in fp32: numbers stay in its memory, tokens go there and
// logits come back. What the members do stands in detail/device_engine_calls.hpp, which only the unit that knows the
// device's kernels includes.

#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

#include "basin/lm/devices/host_storage.hpp"
#include "basin/nn/adamw.hpp"
#include "basin/nn/device/grids.hpp"
#include "basin/nn/device/rope.hpp"

namespace basin::lm {

/// An engine on a device.
///
/// Device    models nn::device and has: memory<T>, a vector of its memory whose new elements are zeros; put(from, to),
///           get(from, to) to and from the host, where get waits; shared_memory(), memory of both; forward(use, q, k, v, out)
///           and backward(use, q, k, v, dout, dq, dk, dv). One is basin/lm/devices/cuda_side.hpp, another runs on the host in
///           tests
/// State     memory is taken where a call is larger than any before, and used again; a step of training waits for the
///           loss and for the norm of the gradient, and where put() waits
/// Determinism  run_to_run, as the device
template <class Device>
class device_engine {
  template <class T>
  using memory = typename Device::template memory<T>;
  template <int Rank>
  using in = view<float const, Rank>;
  template <int Rank>
  using out = view<float, Rank>;

 public:
  using storage = memory<float>;

  /// Numbers of the device, with a copy on the host as of the last send() or fetch().
  class tensors {
   public:
    explicit tensors(std::size_t count) : there(count), copy(count) {}
    std::span<float> here() { return {there.data(), there.size()}; }
    std::span<float> on_host() { return copy; }

   private:
    storage there;
    host_storage<float> copy;
  };
  /// The angles of rotary positions. // [positions, dim / 2]
  struct rope_table {
    storage cosine, sine;
    index_t positions, half;

    nn::device_rope_table<float> on_device() const {
      return {contiguous(cosine.data(), positions, half), contiguous(sine.data(), positions, half)};
    }
  };
  struct moments {
    std::int64_t steps = 0;
    storage first, second;
  };

  void send(tensors& t);
  void fetch(tensors& t);
  std::span<float const> to_host(out<2> rows);
  std::span<float const> from_host(std::span<float const> numbers);
  template <class F, class... Views>
  void show(F const& f, Views const&... views) {
    f(copied_view<Views>(on, views).seen...);
  }
  static std::pmr::memory_resource* shared_memory() { return Device::shared_memory(); }

  rope_table make_rope(index_t positions, index_t dim, double base);
  nn::adamw_state<float> to_host(moments const& m);
  moments from_host(nn::adamw_state<float> const& m);

  void zero(std::span<float> x);
  void copy(std::span<float const> from, std::span<float> to);
  void copy(in<4> from, out<4> to);
  void embedding_forward(std::span<int const> tokens, in<2> table, out<2> y);
  void embedding_backward(std::span<int const> tokens, in<2> dy, out<2> dtable);
  void linear_forward(in<2> x, in<2> weight, out<2> y, nn::update how = nn::update::replace);
  void linear_backward_input(in<2> dy, in<2> weight, out<2> dx);
  void linear_backward_weight(in<2> x, in<2> dy, out<2> dweight);
  void rms_norm_forward(in<2> x, std::span<float const> weight, double epsilon, out<2> y, std::span<float> inverse_rms);
  void rms_norm_backward(in<2> x, std::span<float const> weight, std::span<float const> inverse_rms, in<2> dy,
                         out<2> dx, std::span<float> dweight);
  void rope_forward(out<4> x, rope_table const& table, index_t first = 0);
  void rope_backward(out<4> dx, rope_table const& table);
  void swiglu_forward(in<2> gate, in<2> up, out<2> y);
  void swiglu_backward(in<2> gate, in<2> up, in<2> dy, out<2> dgate, out<2> dup);
  template <class Attention>
  void attention_forward(Attention const& use, in<4> q, in<4> k, in<4> v, out<4> o) {
    on.forward(use, q, k, v, o);
  }
  template <class Attention>
  void attention_backward(Attention const& use, in<4> q, in<4> k, in<4> v, in<4> dout, out<4> dq, out<4> dk,
                          out<4> dv) {
    on.backward(use, q, k, v, dout, dq, dk, dv);
  }
  /// As attention_forward: the contexts of these models are short.
  template <class Attention>
  void attention_decode(Attention const& use, in<4> q, in<4> k, in<4> v, out<4> o) {
    on.forward(use, q, k, v, o);
  }
  void cross_entropy(out<2> logits, std::span<int const> targets, std::span<float const> weights);
  double loss();
  double adamw(std::span<nn::parameter<float> const> parameters, moments& m, double rate,
               nn::adamw_options const& options);

private:
  /// A view of the device's memory as the host sees it: the memory between its first and its last element, copied.
  template <class View>
  struct copied_view {
    std::vector<float> copy;
    View seen;

    copied_view(Device& from, View const& v) : copy(static_cast<std::size_t>(v.mapping().required_span_size())) {
      from.get(v.data_handle(), std::span(copy));
      seen = View(copy.data(), v.mapping());
    }
  };
  /// The numbers of a call, put where the device reads them, in memory that grows.
  template <class T>
  std::span<T const> put(std::span<T const> from, memory<T>& room);
  template <class T>
  static std::span<T> take(memory<T>& room, std::size_t count);

  Device on;
  memory<int> tokens_there;
  memory<float> numbers_there, losses;
  memory<double> total, work;
  host_storage<float> shown;
};

}  // namespace basin::lm
