// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Numbers of a device and of the host: memory that grows, and copies where the host cannot read what a device has.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/view.hpp"
#include "basin/lm/devices/host.hpp"
#include "basin/lm/devices/outline.hpp"

namespace basin::lm {

/// Memory of a device that grows to what was asked for and is used again: a call takes what it took before as long as
/// it asks for the same.
template <class T, class Device>
class buffer {
 public:
  T* take(index_t count) {
    if (static_cast<index_t>(memory.size()) < count) memory.resize(static_cast<std::size_t>(count));
    return memory.data();
  }
  view<T, 2> take(index_t rows, index_t columns) { return contiguous(take(rows * columns), rows, columns); }
  std::span<T> vector(index_t count) { return {take(count), static_cast<std::size_t>(count)}; }

 private:
  typename Device::template memory<T> memory;
};

/// Numbers of a device with a copy on the host, as of the last send() or fetch(). On the host there is one place.
template <class T, class Device>
class mirrored {
 public:
  mirrored() = default;
  explicit mirrored(std::size_t count) : there(count) {
    if constexpr (!is_host<Device> && has_memory<Device>) copy.resize(count);
  }

  std::span<T> on_device() { return {there.data(), there.size()}; }
  std::span<T> on_host() {
    if constexpr (is_host<Device>) return on_device();
    else return copy;
  }
  void send(Device& on) {
    if constexpr (!is_host<Device>) on.put(std::span<T const>(copy), there.data());
  }
  void fetch(Device& on) {
    if constexpr (!is_host<Device>) on.get(there.data(), std::span<T>(copy));
  }

 private:
  typename Device::template memory<T> there;
  host_storage<T> copy;
};

/// Numbers of the host where a device reads them, until the next call.
template <class T, class Device>
class sent {
 public:
  std::span<T const> put(Device& on, std::span<T const> from) {
    if constexpr (is_host<Device>) return from;
    else {
      T* const to = memory.take(std::ssize(from));
      on.put(from, to);
      return {to, from.size()};
    }
  }

 private:
  buffer<T, Device> memory;
};

/// Rows of a device where the host reads them, until the next call; they follow one another without a gap.
template <class T, class Device>
class fetched {
 public:
  std::span<T const> get(Device& on, view<T const, 2> rows) {
    std::size_t const count = static_cast<std::size_t>(rows.extent(0) * rows.extent(1));
    if constexpr (is_host<Device>) return {rows.data_handle(), count};
    else {
      copy.resize(count);
      on.get(rows.data_handle(), std::span<T>(copy));
      return copy;
    }
  }

 private:
  host_storage<T> copy;
};

namespace detail {

/// A view of a device's memory as the host sees it: the memory between its first and its last element, copied.
template <class T, class View>
struct copied_view {
  std::vector<T> copy;
  View seen;

  template <class Device>
  copied_view(Device& from, View const& v) : copy(static_cast<std::size_t>(v.mapping().required_span_size())) {
    from.get(v.data_handle(), std::span(copy));
    seen = View(copy.data(), v.mapping());
  }
};

}  // namespace detail

/// f(views...), which the host may read.
template <class Device, class F, class... Views>
void show(Device& on, F const& f, Views const&... views) {
  if constexpr (is_host<Device>) f(views...);
  else f(detail::copied_view<typename Views::value_type, Views>(on, views).seen...);
}

}  // namespace basin::lm
