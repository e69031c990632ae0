// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// x86 code that xsimd does not provide: conversions of 16-bit numbers, and operations on square matrices. `has_halves`
// and `has_squares` are false where the compiler's target lacks the instructions; core/simd.hpp then uses portable
// code. (The masked AVX-512 intrinsics avoid a g++ 12 warning about the undefined register inside the unmasked ones.)

#include "basin/core/half.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace basin::detail::x86 {

// Functions that a target lacks are never called there, but their names must be declared.
template <class... X>
void scaled(X...) = delete;
template <class... X>
int sums(X const&...) = delete;

#if defined(__AVX512F__)

inline constexpr bool has_halves = true, has_squares = true;

BASIN_INLINE __m512 load(bfloat16 const* from) {
  __m512i const wide = _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(from)));
  return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, wide, 16));
}
BASIN_INLINE __m512 load(float16 const* from) {
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(from)));
}

/// Rounds as the constructors of core/half.hpp do.
BASIN_INLINE void store(__m512 x, bfloat16* to) {
  constexpr __mmask16 all = 0xffff;
  __m512i const u = _mm512_castps_si512(x);
  __m512i const odd = _mm512_and_si512(_mm512_maskz_srli_epi32(all, u, 16), _mm512_set1_epi32(1));
  __m512i const rounded = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
  __m512i const quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
  __m512i const chosen = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), rounded, quiet);
  __m256i const halves = _mm512_maskz_cvtepi32_epi16(all, _mm512_maskz_srli_epi32(all, chosen, 16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves);
}
BASIN_INLINE void store(__m512 x, float16* to) {
  __m256i const halves = _mm512_maskz_cvtps_ph(0xffff, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves);
}

/// x 2^n, and 0 where low < least (not where low is NaN), in two instructions.
BASIN_INLINE __m512 scaled(__m512 x, __m512 n, __m512 low, __m512 least) {
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(low, least, _CMP_NLT_UQ), x, n);
}

/// Transposes 16 rows of 16: first 4 x 4 squares inside each quarter of a register, then the quarters.
template <class Rows>
BASIN_INLINE void transpose(Rows& rows) {
  constexpr __mmask16 all = 0xffff;
  __m512 t[16];
  BASIN_UNROLL
  for (int g = 0; g < 16; g += 4) {
    __m512 const r0 = rows[g].data, r1 = rows[g + 1].data, r2 = rows[g + 2].data, r3 = rows[g + 3].data;
    __m512 const a = _mm512_maskz_unpacklo_ps(all, r0, r1), b = _mm512_maskz_unpackhi_ps(all, r0, r1);
    __m512 const c = _mm512_maskz_unpacklo_ps(all, r2, r3), d = _mm512_maskz_unpackhi_ps(all, r2, r3);
    t[g] = _mm512_maskz_shuffle_ps(all, a, c, 0x44);
    t[g + 1] = _mm512_maskz_shuffle_ps(all, a, c, 0xee);
    t[g + 2] = _mm512_maskz_shuffle_ps(all, b, d, 0x44);
    t[g + 3] = _mm512_maskz_shuffle_ps(all, b, d, 0xee);
  }
  BASIN_UNROLL
  for (int k = 0; k < 4; ++k) {                                  // quarter L of t[g + k]: column 4 L + k of 4 rows
    __m512 const even_low = _mm512_maskz_shuffle_f32x4(all, t[k], t[k + 4], 0x88);
    __m512 const odd_low = _mm512_maskz_shuffle_f32x4(all, t[k], t[k + 4], 0xdd);
    __m512 const even_high = _mm512_maskz_shuffle_f32x4(all, t[k + 8], t[k + 12], 0x88);
    __m512 const odd_high = _mm512_maskz_shuffle_f32x4(all, t[k + 8], t[k + 12], 0xdd);
    rows[k] = _mm512_maskz_shuffle_f32x4(all, even_low, even_high, 0x88);
    rows[k + 4] = _mm512_maskz_shuffle_f32x4(all, odd_low, odd_high, 0x88);
    rows[k + 8] = _mm512_maskz_shuffle_f32x4(all, even_low, even_high, 0xdd);
    rows[k + 12] = _mm512_maskz_shuffle_f32x4(all, odd_low, odd_high, 0xdd);
  }
}

/// Lane r of the result is the sum of row r. Halves are added between shuffles: 30 shuffles, where a transposition
/// needs 64.
template <class Rows>
BASIN_INLINE __m512 sums(Rows const& rows) {
  constexpr __mmask16 all = 0xffff;
  __m512 t[4];
  BASIN_UNROLL
  for (int g = 0; g < 4; ++g) {
    __m512 const r0 = rows[4 * g].data, r1 = rows[4 * g + 1].data;
    __m512 const r2 = rows[4 * g + 2].data, r3 = rows[4 * g + 3].data;
    __m512 const a = _mm512_maskz_unpacklo_ps(all, r0, r1) + _mm512_maskz_unpackhi_ps(all, r0, r1);
    __m512 const b = _mm512_maskz_unpacklo_ps(all, r2, r3) + _mm512_maskz_unpackhi_ps(all, r2, r3);
    t[g] = _mm512_maskz_shuffle_ps(all, a, b, 0x44) + _mm512_maskz_shuffle_ps(all, a, b, 0xee);
  }
  __m512 const low =
      _mm512_maskz_shuffle_f32x4(all, t[0], t[1], 0x88) + _mm512_maskz_shuffle_f32x4(all, t[0], t[1], 0xdd);
  __m512 const high =
      _mm512_maskz_shuffle_f32x4(all, t[2], t[3], 0x88) + _mm512_maskz_shuffle_f32x4(all, t[2], t[3], 0xdd);
  return _mm512_maskz_shuffle_f32x4(all, low, high, 0x88) + _mm512_maskz_shuffle_f32x4(all, low, high, 0xdd);
}

#elif defined(__AVX2__) && defined(__F16C__)

inline constexpr bool has_halves = true, has_squares = true;

BASIN_INLINE __m256 load(bfloat16 const* from) {
  __m256i const wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(from)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
BASIN_INLINE __m256 load(float16 const* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<__m128i const*>(from)));
}

template <class Storage>
BASIN_INLINE void store(__m256 x, Storage* to) {
  alignas(32) float values[8];
  _mm256_store_ps(values, x);
  for (int i = 0; i < 8; ++i) to[i] = Storage(values[i]);
}

/// Transposes 8 rows of 8: first 4 x 4 squares inside each half of a register, then the halves.
template <class Rows>
BASIN_INLINE void transpose(Rows& rows) {
  __m256 t[8];
  BASIN_UNROLL
  for (int g = 0; g < 8; g += 4) {
    __m256 const r0 = rows[g].data, r1 = rows[g + 1].data, r2 = rows[g + 2].data, r3 = rows[g + 3].data;
    __m256 const a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
    __m256 const c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
    t[g] = _mm256_shuffle_ps(a, c, 0x44);
    t[g + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[g + 2] = _mm256_shuffle_ps(b, d, 0x44);
    t[g + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
  BASIN_UNROLL
  for (int k = 0; k < 4; ++k) {
    rows[k] = _mm256_permute2f128_ps(t[k], t[k + 4], 0x20);
    rows[k + 4] = _mm256_permute2f128_ps(t[k], t[k + 4], 0x31);
  }
}

#else

inline constexpr bool has_halves = false, has_squares = false;
template <class From>
void load(From const*) = delete;
template <class X, class To>
void store(X, To*) = delete;
template <class Rows>
void transpose(Rows&) = delete;

#endif

}  // namespace basin::detail::x86
