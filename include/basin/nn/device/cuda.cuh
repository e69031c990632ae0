// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A GPU as a device for layers: grids become kernels, cuBLASLt computes products.

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include <cublasLt.h>

#include "basin/cuda/device.cuh"
#include "basin/cuda/error.cuh"
#include "basin/nn/detail/blas_layout.hpp"
#include "basin/nn/device/grids.hpp"

namespace basin::nn {
namespace detail {

template <class Grid>
__global__ void __launch_bounds__(Grid::threads) run_grid(Grid grid) {
  grid(basin::gpu::device{});
}

inline void require_cublas(char const* what, cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw cuda_error(message("basin::nn::multiply: ", what, " failed: ", cublasLtGetStatusName(status), ", ",
                             cublasLtGetStatusString(status)));
}

/// Owns a cuBLASLt handle and destroys it.
template <class Handle, cublasStatus_t (*Destroy)(Handle)>
struct cublas_owner {
  struct destroy {
    using pointer = Handle;
    void operator()(Handle h) const { Destroy(h); }
  };
  using type = std::unique_ptr<std::remove_pointer_t<Handle>, destroy>;
};
using cublas_handle = cublas_owner<cublasLtHandle_t, cublasLtDestroy>::type;
using cublas_product = cublas_owner<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>::type;
using cublas_matrix = cublas_owner<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>::type;
using cublas_preference = cublas_owner<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>::type;

/// The largest power of two up to 256 that divides an address; cuBLASLt may assume this alignment.
inline std::uint32_t alignment_of(void const* pointer) {
  auto const address = reinterpret_cast<std::uintptr_t>(pointer) | 256;
  return std::uint32_t{1} << std::countr_zero(address);
}

/// Everything on which the choice of an algorithm depends.
struct product_key {
  index_t m, n, k, lda, ldb, ldc;
  char a, b;                                                     // 'N' or 'T' (blas_layout)
  std::uint32_t align_a, align_b, align_c;

  friend auto operator<=>(product_key const&, product_key const&) = default;
};

struct product_plan {
  cublas_product what;
  cublas_matrix a, b, c;
  cublasLtMatmulAlgo_t algorithm;
};

/// An fp32 matrix for cuBLASLt, which stores matrices by columns.
inline cublas_matrix matrix_of(index_t rows, index_t columns, index_t leading) {
  cublasLtMatrixLayout_t made = nullptr;
  require_cublas("cublasLtMatrixLayoutCreate",
                 cublasLtMatrixLayoutCreate(&made, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                            static_cast<std::uint64_t>(columns), leading));
  return cublas_matrix(made);
}

/// Row-major c is c^T by columns, and c^T = b^T a^T; so b is the first operand.
inline product_plan describe_product(product_key const& p) {
  cublasLtMatmulDesc_t made = nullptr;
  require_cublas("cublasLtMatmulDescCreate", cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  product_plan plan{cublas_product(made), {}, {}, matrix_of(p.n, p.m, p.ldc), {}};
  plan.a = p.a == 'N' ? matrix_of(p.k, p.m, p.lda) : matrix_of(p.m, p.k, p.lda);
  plan.b = p.b == 'N' ? matrix_of(p.n, p.k, p.ldb) : matrix_of(p.k, p.n, p.ldb);
  cublasOperation_t const first = p.b == 'N' ? CUBLAS_OP_N : CUBLAS_OP_T;
  cublasOperation_t const second = p.a == 'N' ? CUBLAS_OP_N : CUBLAS_OP_T;
  require_cublas("cublasLtMatmulDescSetAttribute",
                 cublasLtMatmulDescSetAttribute(made, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
  require_cublas("cublasLtMatmulDescSetAttribute",
                 cublasLtMatmulDescSetAttribute(made, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
  return plan;
}

/// Limits on the choice of an algorithm: its workspace, the alignment of the operands, and a fixed order of sums.
inline cublas_preference preference_of(product_key const& p, std::size_t workspace) {
  cublasLtMatmulPreference_t made = nullptr;
  require_cublas("cublasLtMatmulPreferenceCreate", cublasLtMatmulPreferenceCreate(&made));
  cublas_preference owned(made);
  auto const set = [&](cublasLtMatmulPreferenceAttributes_t which, auto const& value) {
    require_cublas("cublasLtMatmulPreferenceSetAttribute",
                   cublasLtMatmulPreferenceSetAttribute(made, which, &value, sizeof value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace});
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,                // parts of a sum are added in the workspace, in order
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.align_b);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.align_a);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.align_c);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.align_c);
  return owned;
}

}  // namespace detail

/// A stream of a GPU, for layers.
///
/// Models    nn::device
/// Precision products in fp32 with sums in fp32, without TF32
/// State     cuBLASLt's choice of an algorithm for every shape of a product; the first call of a shape makes it, on the
///           host
/// Errors    cuda_error
/// Determinism run_to_run on one model of GPU and one version of cuBLASLt
class cuda_device {
 public:
  /// `workspace`: device memory for cuBLASLt, aligned to 256 bytes; it must outlive this object. NVIDIA
  /// recommends 4 MiB (32 MiB on Hopper).
  cuda_device(cudaStream_t on, std::span<std::byte> workspace) : stream_(on), workspace_(workspace) {
    cublasLtHandle_t made = nullptr;
    detail::require_cublas("cublasLtCreate", cublasLtCreate(&made));
    handle.reset(made);
  }

  cudaStream_t stream() const { return stream_; }

  template <class Grid>
  void launch(char const* function, Grid const& grid) {
    if (grid.blocks() == 0) return;
    cudaLaunchConfig_t config{};
    config.gridDim = static_cast<unsigned>(grid.blocks());
    config.blockDim = Grid::threads;
    config.dynamicSmemBytes = Grid::shared_bytes;
    config.stream = stream_;
    basin::gpu::detail::require(function, "cudaLaunchKernelEx",
                                cudaLaunchKernelEx(&config, &detail::run_grid<Grid>, grid));
  }

  /// c = a b or c += a b; shapes as in nn/matmul.hpp.
  void multiply(view<float const, 2> a, view<float const, 2> b, view<float, 2> c, update how) {
    if (c.extent(0) == 0 || c.extent(1) == 0) return;
    if (a.extent(1) == 0) return how == update::add ? void() : clear(c);  // an empty sum
    auto const la = detail::layout_of("a", a), lb = detail::layout_of("b", b);
    index_t const ldc = c.extent(0) > 1 ? c.stride(0) : c.extent(1);
    auto const& plan = plan_of({c.extent(0), c.extent(1), a.extent(1), la.leading, lb.leading, ldc, la.orientation,
                                lb.orientation, detail::alignment_of(a.data_handle()),
                                detail::alignment_of(b.data_handle()), detail::alignment_of(c.data_handle())});
    float const one = 1, keep = how == update::add ? 1 : 0;
    detail::require_cublas("cublasLtMatmul",
                           cublasLtMatmul(handle.get(), plan.what.get(), &one, b.data_handle(), plan.b.get(),
                                          a.data_handle(), plan.a.get(), &keep, c.data_handle(), plan.c.get(),
                                          c.data_handle(), plan.c.get(), &plan.algorithm, workspace_.data(),
                                          workspace_.size(), stream_));
  }

  template <class T>
  T read(T const* number) {
    T out{};
    basin::gpu::detail::require("basin::nn::read", "cudaMemcpyAsync",
                                cudaMemcpyAsync(&out, number, sizeof(T), cudaMemcpyDeviceToHost, stream_));
    basin::gpu::detail::require("basin::nn::read", "cudaStreamSynchronize", cudaStreamSynchronize(stream_));
    return out;
  }

 private:
  void clear(view<float, 2> c) {
    auto const rows = static_cast<std::size_t>(c.extent(0));
    auto const row = static_cast<std::size_t>(c.extent(1)) * sizeof(float);
    auto const pitch = static_cast<std::size_t>(c.extent(0) > 1 ? c.stride(0) : c.extent(1)) * sizeof(float);
    basin::gpu::detail::require("basin::nn::multiply", "cudaMemset2DAsync",
                                cudaMemset2DAsync(c.data_handle(), pitch, 0, row, rows, stream_));
  }

  detail::product_plan const& plan_of(detail::product_key const& key) {
    if (auto const found = plans.find(key); found != plans.end()) return found->second;
    auto plan = detail::describe_product(key);
    auto const preference = detail::preference_of(key, workspace_.size());
    cublasLtMatmulHeuristicResult_t best{};
    int count = 0;
    detail::require_cublas("cublasLtMatmulAlgoGetHeuristic",
                           cublasLtMatmulAlgoGetHeuristic(handle.get(), plan.what.get(), plan.b.get(), plan.a.get(),
                                                          plan.c.get(), plan.c.get(), preference.get(), 1, &best,
                                                          &count));
    if (count == 0)
      throw unsupported_error(message("basin::nn::multiply: cuBLASLt has no algorithm for [", key.m, ", ", key.k,
                                      "] times [", key.k, ", ", key.n, "]"));
    plan.algorithm = best.algo;
    return plans.emplace(key, std::move(plan)).first->second;
  }

  cudaStream_t stream_;
  std::span<std::byte> workspace_;
  detail::cublas_handle handle;
  std::map<detail::product_key, detail::product_plan> plans;
};

static_assert(device<cuda_device>);

}  // namespace basin::nn
