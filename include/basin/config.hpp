// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The compiler conditionals of the library; those on instruction sets are in core/detail/x86.hpp.

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error "basin: needs C++20; compile with -std=c++20 (nvcc: -std=c++20 as well)"
#endif

// Hidden keys are scores of -infinity, a NaN in q, k or v must reach the rows to which it is visible, and exponentials
// round by adding and subtracting a large number. Flags that let a compiler assume otherwise silently give wrong
// results.
#if !defined(BASIN_ALLOW_FAST_MATH) && \
    ((defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__) || defined(__FAST_MATH__))
#error "basin: compiled with -ffast-math, -ffinite-math-only or -fassociative-math, under which hidden keys \
(-infinity), NaN and exponentials are not dependable; remove the flag for units that include basin \
(add -fno-finite-math-only -fno-associative-math, or use -fno-fast-math), or accept this by defining \
BASIN_ALLOW_FAST_MATH"
#endif

// A function that also runs on a GPU.
#if defined(__CUDACC__)
#define BASIN_HD __host__ __device__
#else
#define BASIN_HD
#endif

// Before a BASIN_HD function that calls a function argument: it may run wherever the argument may run.
#if defined(__CUDACC__)
#define BASIN_WHERE_ITS_ARGUMENTS_DO _Pragma("nv_exec_check_disable")
#else
#define BASIN_WHERE_ITS_ARGUMENTS_DO
#endif

// The body of a kernel: it runs on a GPU, or on the host where the host's machine runs it (cuda/machine.hpp).
#if defined(__CUDACC__)
#define BASIN_DEVICE __device__ __forceinline__
#else
#define BASIN_DEVICE
#endif

// An OpenMP directive for the next loop; empty without OpenMP, so that no unknown pragma is reported.
#if defined(_OPENMP)
#define BASIN_DIRECTIVE(text) _Pragma(#text)
#define BASIN_OMP(...) BASIN_DIRECTIVE(omp __VA_ARGS__)
#else
#define BASIN_OMP(...)
#endif

// A member that occupies no memory when it is empty.
#define BASIN_EMPTY [[no_unique_address]]

// A function whose inlining decides whether the registers of a kernel stay registers.
#if defined(__GNUC__)
#define BASIN_INLINE inline __attribute__((always_inline))
#else
#define BASIN_INLINE inline
#endif

// Unrolls the next loop of a kernel `times` times; 1 prevents unrolling.
#if defined(__CUDACC__)
#define BASIN_PRAGMA(text) _Pragma(#text)
#define BASIN_UNROLL_BY(times) BASIN_PRAGMA(unroll times)
#else
#define BASIN_UNROLL_BY(times)
#endif

// The next loop has a small constant trip count and indexes registers: it must be unrolled, at any optimisation level.
#if defined(__clang__) || defined(__CUDACC__)
#define BASIN_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define BASIN_UNROLL _Pragma("GCC unroll 16")
#else
#define BASIN_UNROLL
#endif

// Prefetches a cache line that will be read soon: into L1 with 3, into L2 with 2.
#if defined(__GNUC__)
#define BASIN_PREFETCH(address, where) __builtin_prefetch(address, 0, where)
#else
#define BASIN_PREFETCH(address, where) (void)(address)
#endif
