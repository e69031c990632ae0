// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Products of four warps on Hopper (PTX ISA, wgmma.mma_async): one instruction for each pair of a type and a width.
// Each accumulator is an operand of the instruction, so all of them are listed here.

#include <cuda/std/array>

#include "basin/cuda/group_machine.hpp"

// Accumulators as text of the instruction and as its operands.
#define BASIN_TEXT_32 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15" \
  ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define BASIN_TEXT_64 \
  BASIN_TEXT_32 \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define BASIN_TEXT_128 \
  BASIN_TEXT_64 \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79" \
  ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95" \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
  ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define BASIN_SUMS_4(n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define BASIN_SUMS_16(n) BASIN_SUMS_4(n), BASIN_SUMS_4(n + 1), BASIN_SUMS_4(n + 2), BASIN_SUMS_4(n + 3)
#define BASIN_SUMS_32 BASIN_SUMS_16(0), BASIN_SUMS_16(4)
#define BASIN_SUMS_64 BASIN_SUMS_32, BASIN_SUMS_16(8), BASIN_SUMS_16(12)
#define BASIN_SUMS_128 BASIN_SUMS_64, BASIN_SUMS_16(16), BASIN_SUMS_16(20), BASIN_SUMS_16(24), BASIN_SUMS_16(28)

// BASIN_MULTIPLY: both operands in shared memory, row-major. BASIN_MIX: A in registers, B transposed. `count` is N / 2,
// the number of accumulators; the strings are the numbers of the operands after them.
#define BASIN_MULTIPLY(type, n, count, first, second, add, upper) \
  asm volatile("{.reg .pred p; .reg .b64 a, b; setp.ne.b32 p, " add ", 0; " \
               "mov.b64 a, {" first ", " upper "}; mov.b64 b, {" second ", " upper "}; " \
               "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type \
               " {" BASIN_TEXT_##count "}, a, b, p, 1, 1, 0, 0;}" \
               : BASIN_SUMS_##count \
               : "r"(left.low), "r"(right.low), "r"(static_cast<int>(more)), "n"(shared_matrix::high))
#define BASIN_MIX(type, n, count, a0, a1, a2, a3, second, upper) \
  asm volatile("{.reg .b64 b; mov.b64 b, {" second ", " upper "}; " \
               "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type \
               " {" BASIN_TEXT_##count "}, {" a0 ", " a1 ", " a2 ", " a3 "}, b, 1, 1, 1, 1;}" \
               : BASIN_SUMS_##count \
               : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right.low), "n"(shared_matrix::high))

namespace basin::gpu::detail {

/// c (+)= A B^T: [64, 16] by [N, 16]; `more`: whether to add to c or to overwrite it.
template <class E, int N>
__device__ __forceinline__ void multiply_group(cuda::std::array<float, 4> (&c)[N / 8], shared_matrix left,
                                               shared_matrix right, bool more) {
  static_assert(N == 64 || N == 128 || N == 256, "basin: products of four warps have 64, 128 or 256 columns");
  constexpr bool brain = std::is_same_v<E, bfloat16>;
  if constexpr (brain && N == 64) BASIN_MULTIPLY("bf16", 64, 32, "%32", "%33", "%34", "%35");
  else if constexpr (brain && N == 128) BASIN_MULTIPLY("bf16", 128, 64, "%64", "%65", "%66", "%67");
  else if constexpr (brain) BASIN_MULTIPLY("bf16", 256, 128, "%128", "%129", "%130", "%131");
  else if constexpr (N == 64) BASIN_MULTIPLY("f16", 64, 32, "%32", "%33", "%34", "%35");
  else if constexpr (N == 128) BASIN_MULTIPLY("f16", 128, 64, "%64", "%65", "%66", "%67");
  else BASIN_MULTIPLY("f16", 256, 128, "%128", "%129", "%130", "%131");
}

/// c += A B: [64, 16] in registers by [16, N].
template <class E, int N>
__device__ __forceinline__ void mix_group(cuda::std::array<float, 4> (&c)[N / 8], words4 const& left,
                                          shared_matrix right) {
  static_assert(N == 64 || N == 128 || N == 256, "basin: products of four warps have 64, 128 or 256 columns");
  constexpr bool brain = std::is_same_v<E, bfloat16>;
  if constexpr (brain && N == 64) BASIN_MIX("bf16", 64, 32, "%32", "%33", "%34", "%35", "%36", "%37");
  else if constexpr (brain && N == 128) BASIN_MIX("bf16", 128, 64, "%64", "%65", "%66", "%67", "%68", "%69");
  else if constexpr (brain) BASIN_MIX("bf16", 256, 128, "%128", "%129", "%130", "%131", "%132", "%133");
  else if constexpr (N == 64) BASIN_MIX("f16", 64, 32, "%32", "%33", "%34", "%35", "%36", "%37");
  else if constexpr (N == 128) BASIN_MIX("f16", 128, 64, "%64", "%65", "%66", "%67", "%68", "%69");
  else BASIN_MIX("f16", 256, 128, "%128", "%129", "%130", "%131", "%132", "%133");
}

}  // namespace basin::gpu::detail

#undef BASIN_MIX
#undef BASIN_MULTIPLY
#undef BASIN_SUMS_128
#undef BASIN_SUMS_64
#undef BASIN_SUMS_32
#undef BASIN_SUMS_16
#undef BASIN_SUMS_4
#undef BASIN_TEXT_128
#undef BASIN_TEXT_64
#undef BASIN_TEXT_32
