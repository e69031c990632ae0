// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The GPU as the device of a model, for units that a plain C++ compiler compiles. What its members do stands in
// cuda_device.cuh and cuda_attention.cuh, which units of a program that nvcc compiles include.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <span>
#include <utility>

#include "basin/lm/devices/host.hpp"
#include "basin/nn/rows.hpp"

struct CUstream_st;

namespace basin::lm {

template <class Device>
struct device_normalizer;

namespace detail {

void* allocate_on_gpu(std::size_t bytes);  // zeros
void free_on_gpu(void* memory) noexcept;
void copy_on_gpu(void* to, void const* from, std::size_t bytes);

}  // namespace detail

/// A vector in the memory of the GPU.
///
/// Errors    cuda_error: no memory is left
template <class T>
class cuda_memory {
 public:
  using value_type = T;

  cuda_memory() = default;
  explicit cuda_memory(std::size_t n)
      : begin(n > 0 ? static_cast<T*>(detail::allocate_on_gpu(n * sizeof(T))) : nullptr), count(n) {}
  cuda_memory(cuda_memory const& from) : cuda_memory(from.count) {
    detail::copy_on_gpu(begin, from.begin, count * sizeof(T));
  }
  cuda_memory(cuda_memory&& from) noexcept { swap(from); }
  cuda_memory& operator=(cuda_memory from) noexcept { return swap(from), *this; }
  ~cuda_memory() { detail::free_on_gpu(begin); }

  T* data() { return begin; }
  T const* data() const { return begin; }
  std::size_t size() const { return count; }
  /// Keeps what there was; what is new are zeros.
  void resize(std::size_t n) {
    cuda_memory next(n);
    detail::copy_on_gpu(next.begin, begin, std::min(n, count) * sizeof(T));
    swap(next);
  }

 private:
  void swap(cuda_memory& other) noexcept { std::swap(begin, other.begin), std::swap(count, other.count); }

  T* begin = nullptr;
  std::size_t count = 0;
};

/// A stream of the GPU with its memory, its products and its attention.
///
/// Models    a device of models (devices/host.hpp)
/// Errors    cuda_error; unsupported_error for heads of more than 64 numbers
class cuda_device {
 public:
  template <class T>
  using memory = cuda_memory<T>;

  cuda_device();
  cuda_device(cuda_device&&) noexcept;
  cuda_device& operator=(cuda_device&&) noexcept;
  ~cuda_device();

  template <class Grid>
  void launch(char const* caller, Grid const& grid);
  void multiply(view<float const, 2> a, view<float const, 2> b, view<float, 2> c, nn::update how);
  double read(double const* number);
  template <class T>
  void put(std::span<T const> from, T* to) { put_bytes(from.data(), to, from.size_bytes()); }
  template <class T>
  void get(T const* from, std::span<T> to) { get_bytes(from, to.data(), to.size_bytes()); }
  /// The normalizers that the program has kernels for, which defines it: device_normalizers<cuda_device, ...>()
  /// (policies/normalizers_on_device.hpp).
  static std::span<device_normalizer<cuda_device> const> normalizers();
  /// Pinned memory of the host, which the GPU reads and writes where it lies.
  static std::pmr::memory_resource* shared_memory();

  template <class Attention>
  void forward(Attention const& use, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v,
               view<float, 4> out);
  template <class Attention>
  void backward(Attention const& use, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v,
                view<float const, 4> dout, view<float, 4> dq, view<float, 4> dk, view<float, 4> dv);
  template <class Attention>
  void decode(Attention const& use, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v,
              view<float, 4> out);

 private:
  void put_bytes(void const* from, void* to, std::size_t bytes);
  void get_bytes(void const* from, void* to, std::size_t bytes);
  std::span<std::byte> workspace_of(std::size_t bytes);
  CUstream_st* stream() const;

  struct state;
  std::unique_ptr<state> at;
};

/// Throws    unsupported_error where no GPU answers, or one that is too old
void require_gpu();

}  // namespace basin::lm
