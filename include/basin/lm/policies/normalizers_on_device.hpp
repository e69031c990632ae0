// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Normalizers by name on a device. Kernels are compiled for static types: a device lists the normalizers that it has
// kernels for, and a layer calls those of each head through a pointer.

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/devices/memory.hpp"
#include "basin/lm/devices/shared_vector.hpp"
#include "basin/lm/policies/described.hpp"
#include "basin/lm/policies/device_attention.hpp"
#include "basin/lm/policies/model_normalizers.hpp"
#include "basin/lm/views.hpp"
#include "basin/nn/device/copy.hpp"

namespace basin::lm {

/// The attention of a device with one normalizer, of which the caller has a pointer; `others` has the other policies of
/// the call.
template <class Device>
struct device_normalizer {
  using in = view<float const, 4>;
  using out = view<float, 4>;

  std::string name;
  std::type_info const* type;
  void (*forward)(Device& on, void const* normalizer, device_attention<softmax> const& others, in q, in k, in v, out o);
  void (*observed_forward)(Device& on, void const* normalizer, observed_device_attention<softmax> const& others, in q,
                           in k, in v, out o);
  void (*backward)(Device& on, void const* normalizer, device_attention<softmax> const& others, in q, in k, in v,
                   in dout, out dq, out dk, out dv);
};

namespace detail {

template <class N>
struct name_on_device {
  static std::string get() { return std::string(described<N>::name); }
};
template <class N>
struct name_on_device<scaled_by_length<N>> {
  static std::string get() { return name_on_device<N>::get() + " with a law"; }
};

template <class Device, normalizer N>
device_normalizer<Device> device_normalizer_of() {
  using in = view<float const, 4>;
  using out = view<float, 4>;
  auto const forward = [](Device& on, void const* n, auto const& others, in q, in k, in v, out o) {
    on.forward(others.replace(*static_cast<N const*>(n)), q, k, v, o);
  };
  return {name_on_device<N>::get(), &typeid(N), forward, forward,
          [](Device& on, void const* n, device_attention<softmax> const& others, in q, in k, in v, in dout, out dq,
             out dk, out dv) {
            on.backward(others.replace(*static_cast<N const*>(n)), q, k, v, dout, dq, dk, dv);
          }};
}

// The policies of a call for heads [first, first + count) alone.
inline any_scorer policy_of_heads(any_scorer const& s, index_t first, index_t count) {
  auto const* const biased = cuda::std::get_if<alibi<scaled>>(&s.which);
  if (biased == nullptr) return s;
  return {alibi<scaled>{part_of<0>(biased->slopes, first, count), biased->inner}};
}
inline keep_all policy_of_heads(keep_all p, index_t, index_t) { return p; }
inline unobserved policy_of_heads(unobserved p, index_t, index_t) { return p; }
inline drop_keys policy_of_heads(drop_keys const& p, index_t first, index_t count) {
  return {part_of<1>(p.dropped, first, count)};
}
inline received_attention policy_of_heads(received_attention const& p, index_t first, index_t count) {
  return {part_of<1>(p.sums, first, count)};
}

}  // namespace detail

/// The kernels of a device for the normalizers Ns, some of them scaled_by_length<...>: what normalizers() of a device
/// returns.
///
/// Requires  every N is described (described.hpp); forward() of the device takes device_attention<N> and
///           observed_device_attention<N>, and backward() takes device_attention<N>
template <class Device, normalizer... Ns>
std::span<device_normalizer<Device> const> device_normalizers() {
  static device_normalizer<Device> const all[] = {detail::device_normalizer_of<Device, Ns>()...};
  return all;
}

/// The normalizers of the heads of one layer on a device: a call computes neighbouring heads with the same normalizer
/// at once.
///
/// Requires  Device::normalizers(), static: device_normalizers<Device, ...>()
/// State     as layer_normalizers; learned numbers and slopes lie in the shared_memory() of the device
/// Cost      one call of the device where all heads share a normalizer. Where query heads of one key head differ, the
///           gradients of that key head are computed once a normalizer and added
/// Errors    unsupported_error from the constructor: a normalizer that the device has no kernels for
template <class Device>
class normalizers_on_device : public layer_normalizers {
  using in = view<float const, 4>;
  using out = view<float, 4>;

 public:
  normalizers_on_device(layer_normalizers from) : layer_normalizers(std::move(from)) {
    keep_numbers_in(Device::shared_memory());
    for (std::size_t h = 0; h < heads(); ++h) kernels.push_back(&kernels_of(h));
  }

  /// The scorer with its slopes where the device reads them.
  any_scorer keep(any_scorer s) {
    if (auto* const biased = cuda::std::get_if<alibi<scaled>>(&s.which)) {
      auto const there = std::make_shared<shared_vector<float>>(shared_allocator<float>(Device::shared_memory()));
      for (index_t h = 0; h < biased->slopes.extent(0); ++h) there->push_back(biased->slopes(h));
      biased->slopes = contiguous(std::as_const(*there).data(), std::ssize(*there));
      slopes = there;
    }
    return s;
  }

  /// The attention `use` of a call with the normalizers of the last bind(), in place of its own.
  template <class Attention>
  void forward(Device& on, Attention const& use, in q, in k, in v, out o) {
    for (part const& p : parts_of(q.extent(1), k.extent(1))) {
      auto const normalizer = bound_to(p.head, p.heads);
      auto const others = others_of(use, p);
      auto const& of = *kernels[static_cast<std::size_t>(p.head)];
      constexpr bool is_plain = std::is_same_v<decltype(others), device_attention<softmax> const>;
      static_assert(is_plain || std::is_same_v<decltype(others), observed_device_attention<softmax> const>,
                    "basin: on a device, an Adapt of a model by name may add drop_keys and received_attention, both of "
                    "them; build a model with one attention<...> to use other pruners and observers there");
      auto const call = [&](auto const& compiled) {
        compiled(on, normalizer->value, others, p.queries(q), p.keys(k), p.keys(v), p.queries(o));
      };
      if constexpr (is_plain) call(of.forward);
      else call(of.observed_forward);
    }
  }
  /// Its gradients, written.
  template <class Attention>
  void backward(Device& on, Attention const& use, in q, in k, in v, in dout, out dq, out dk, out dv) {
    for (part const& p : parts_of(q.extent(1), k.extent(1))) {
      auto const normalizer = bound_to(p.head, p.heads);
      auto const& of = *kernels[static_cast<std::size_t>(p.head)];
      out const to_dk = p.keys(dk), to_dv = p.keys(dv);
      out const mine_dk = p.shares_key_head ? like(to_dk, dk_of_part) : to_dk;
      out const mine_dv = p.shares_key_head ? like(to_dv, dv_of_part) : to_dv;
      of.backward(on, normalizer->value, others_of(use, p), p.queries(q), p.keys(k), p.keys(v), p.queries(dout),
                  p.queries(dq), mine_dk, mine_dv);
      if (!p.shares_key_head) continue;
      nn::add(on, nn::const_view<float, 4>(mine_dk), to_dk);
      nn::add(on, nn::const_view<float, 4>(mine_dv), to_dv);
    }
  }

 private:
  /// Neighbouring query heads with one normalizer, and the key heads that they read: whole groups, or some query heads
  /// of one group.
  struct part {
    index_t head, heads, key_head, key_heads;
    bool shares_key_head;  // with the part before

    template <class View>
    View queries(View const& of) const { return part_of<1>(of, head, heads); }
    template <class View>
    View keys(View const& of) const { return part_of<1>(of, key_head, key_heads); }
  };

  std::vector<part> parts_of(index_t head_count, index_t key_heads) const {
    index_t const together = head_count / key_heads;
    std::vector<part> all;
    for (index_t first = 0, end = 0; first < head_count; first = end) {
      for (end = first + 1; end < head_count && share(first, end);) ++end;
      index_t const next_group = (first / together + 1) * together;
      end = first % together == 0 && end >= next_group ? end - end % together : std::min(end, next_group);
      all.push_back({first, end - first, first / together, (end - 1) / together + 1 - first / together,
                     first % together != 0});
    }
    return all;
  }

  template <class Attention>
  static auto others_of(Attention const& use, part const& p) {
    return use.replace(softmax{})
        .replace(detail::policy_of_heads(use.prune, p.head, p.heads))
        .replace(detail::policy_of_heads(use.observe, p.head, p.heads))
        .replace(detail::policy_of_heads(use.score, p.head, p.heads));
  }
  static out like(out v, buffer<float, Device>& memory) {
    index_t const count = v.extent(0) * v.extent(1) * v.extent(2) * v.extent(3);
    return contiguous(memory.take(count), v.extent(0), v.extent(1), v.extent(2), v.extent(3));
  }

  device_normalizer<Device> const& kernels_of(std::size_t head) const {
    auto const all = Device::normalizers();
    auto const found = std::ranges::find_if(all, [&](auto const& one) { return *one.type == type_of(head); });
    if (found != all.end()) return *found;
    std::vector<std::string> names;
    for (auto const& one : all) names.push_back(one.name);
    throw unsupported_error(message("basin: head ", head, " of a layer has the normalizer ", to_text(spelled(head)),
                                    ", for which the device has no kernels; it has: ", detail::joined(names),
                                    "; choose one of these, run the model on the host, or build the program with its "
                                    "kernels (docs/how-to/train-on-a-gpu.md)"));
  }

  std::vector<device_normalizer<Device> const*> kernels;         // [heads]
  std::shared_ptr<shared_vector<float> const> slopes;
  buffer<float, Device> dk_of_part, dv_of_part;
};

}  // namespace basin::lm
