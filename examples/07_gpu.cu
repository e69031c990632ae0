// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The same attention value on a GPU: a forward that keeps its rows, a backward that uses them, and received attention,
// compared with the reference.
//
//   nvcc -std=c++20 -gencode=arch=compute_90a,code=sm_90a -Iinclude -isystem <CCCL> examples/07_gpu.cu -o gpu

#include <cmath>
#include <cstdio>
#include <vector>

#include "basin/basin.cuh"
#include "basin/basin.hpp"

namespace {

/// Kernels for heads of up to 64 only, which compile faster than those for 64, 128 and 256.
struct forward_tuning : basin::gpu::default_tuning {
  static constexpr int dims[] = {64};
};
struct backward_tuning : basin::gpu::default_backward_tuning {
  static constexpr int dims[] = {64};
};

/// Owns memory of the device.
template <class T>
struct on_device {
  T* data = nullptr;
  std::size_t count;

  explicit on_device(std::size_t n) : count(n) { check(cudaMalloc(&data, n * sizeof(T))); }
  explicit on_device(std::vector<T> const& from) : on_device(from.size()) {
    check(cudaMemcpy(data, from.data(), count * sizeof(T), cudaMemcpyHostToDevice));
  }
  on_device(on_device const&) = delete;
  ~on_device() { cudaFree(data); }

  std::vector<T> copied() const {
    std::vector<T> to(count);
    check(cudaMemcpy(to.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
    return to;
  }
  static void check(cudaError_t status) { basin::gpu::detail::require("07_gpu", "a call of the CUDA runtime", status); }
};

}  // namespace

int main() try {
  using half = basin::bfloat16;
  int const batch = 2, heads = 8, kv_heads = 2, length = 500, dim = 64;
  std::size_t const of_q = std::size_t(batch) * heads * length * dim, of_k = of_q / heads * kv_heads;
  std::size_t const of_keys = std::size_t(batch) * heads * length;
  basin::philox random(7);
  std::vector<half> q(of_q), k(of_k), v(of_k), dout(of_q);
  for (auto* tensor : {&q, &k, &v, &dout})
    for (half& x : *tensor) x = half(static_cast<float>(basin::normal(random)));

  on_device<half> const q_there(q), k_there(k), v_there(v), dout_there(dout), out(of_q);
  on_device<float> const dq(of_q), dk(of_k), dv(of_k);
  on_device<double> const received(of_keys);
  auto const rows = [&](auto* data, int count) { return basin::contiguous(data, batch, count, length, dim); };
  auto const read = [&](on_device<half> const& t, int count) { return rows(static_cast<half const*>(t.data), count); };

  // The same policies as on the host. The observer writes to memory of the device.
  auto const use = basin::attention<>{}
                       .with(basin::causal{})
                       .with(basin::received_attention{basin::contiguous(received.data, batch, heads, length)});
  basin::problem const p{batch, heads, kv_heads, length, length, dim, dim};
  on_device<std::byte> const workspace(basin::backward_workspace(use, p)), saved(basin::saved_rows_bytes(use, p));

  // These two calls allocate nothing and do not wait for the device, so a CUDA graph can capture them.
  cudaStream_t const stream = nullptr;
  basin::forward<forward_tuning>(use, read(q_there, heads), read(k_there, kv_heads), read(v_there, kv_heads),
                                 rows(out.data, heads), stream, {}, {saved.data, saved.count});
  basin::backward<backward_tuning>(use, read(q_there, heads), read(k_there, kv_heads), read(v_there, kv_heads),
                                   read(out, heads), read(dout_there, heads), rows(dq.data, heads),
                                   rows(dk.data, kv_heads), rows(dv.data, kv_heads), stream,
                                   {workspace.data, workspace.count}, {saved.data, saved.count});
  on_device<half>::check(cudaStreamSynchronize(stream));

  std::vector<double> expected(of_q), keys(of_keys), wide(of_q + 2 * of_k);
  for (std::size_t i = 0; i < of_q; ++i) wide[i] = static_cast<float>(q[i]);
  for (std::size_t i = 0; i < of_k; ++i) {
    wide[of_q + i] = static_cast<float>(k[i]);
    wide[of_q + of_k + i] = static_cast<float>(v[i]);
  }
  auto const on_host = basin::attention<>{}
                           .with(basin::causal{})
                           .with(basin::received_attention{basin::contiguous(keys.data(), batch, heads, length)});
  double const* const from = wide.data();
  basin::reference::forward(on_host, rows(from, heads), rows(from + of_q, kv_heads), rows(from + of_q + of_k, kv_heads),
                            rows(expected.data(), heads));
  double worst = 0, worst_key = 0;
  auto const made = out.copied();
  auto const there = received.copied();
  for (std::size_t i = 0; i < of_q; ++i)
    worst = std::max(worst, std::abs(static_cast<double>(static_cast<float>(made[i])) - expected[i]));
  for (std::size_t i = 0; i < of_keys; ++i) worst_key = std::max(worst_key, std::abs(there[i] - keys[i]));
  std::printf("outputs in bf16 agree with the reference to %.1e, received attention to %.1e\n", worst, worst_key);
  return worst < 2e-2 && worst_key < 1e-2 ? 0 : 1;
} catch (basin::error const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
