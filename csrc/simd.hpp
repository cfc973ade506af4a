// `vec`: the floats one instruction of this file's level works on. The only file with intrinsics.
#pragma once
#include "kernels.hpp"

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace fastepll::FASTEPLL_LEVEL {
namespace {

#if defined(__AVX512F__)

constexpr std::size_t kWidth = 16, kRows = 12;
using vec = __m512;
inline vec zero() { return _mm512_setzero_ps(); }
inline vec set1(float a) { return _mm512_set1_ps(a); }
inline vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, vec a) { _mm512_storeu_ps(p, a); }
// Quads: the kWidth / kSide rows of kSide neighbouring values that fill a vec.
inline vec load_quads(const float* p, std::size_t pitch) {
  const __m256 low = _mm256_loadu2_m128(p + pitch, p);
  const __m256 high = _mm256_loadu2_m128(p + 3 * pitch, p + 2 * pitch);
  return _mm512_castpd_ps(
      _mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1));
}
inline void store_quads(float* p, std::size_t pitch, vec a) {
  _mm256_storeu2_m128(p + pitch, p, _mm512_castps512_ps256(a));
  _mm256_storeu2_m128(p + 3 * pitch, p + 2 * pitch,
                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1)));
}
inline vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
inline vec max(vec a, vec b) { return _mm512_max_ps(a, b); }
inline vec sqrt(vec a) { return _mm512_sqrt_ps(a); }
inline bool any_le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ) != 0; }

#elif defined(__AVX2__)

constexpr std::size_t kWidth = 8, kRows = 6;
using vec = __m256;
inline vec zero() { return _mm256_setzero_ps(); }
inline vec set1(float a) { return _mm256_set1_ps(a); }
inline vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, vec a) { _mm256_storeu_ps(p, a); }
inline vec load_quads(const float* p, std::size_t pitch) {
  return _mm256_loadu2_m128(p + pitch, p);
}
inline void store_quads(float* p, std::size_t pitch, vec a) {
  _mm256_storeu2_m128(p + pitch, p, a);
}
inline vec add(vec a, vec b) { return _mm256_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
inline vec max(vec a, vec b) { return _mm256_max_ps(a, b); }
inline vec sqrt(vec a) { return _mm256_sqrt_ps(a); }
inline bool any_le(vec a, vec b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ)); }

#elif defined(__SSE2__) || defined(_M_X64)

constexpr std::size_t kWidth = 4, kRows = 2;
using vec = __m128;
inline vec zero() { return _mm_setzero_ps(); }
inline vec set1(float a) { return _mm_set1_ps(a); }
inline vec load(const float* p) { return _mm_loadu_ps(p); }
inline void store(float* p, vec a) { _mm_storeu_ps(p, a); }
inline vec load_quads(const float* p, std::size_t) { return load(p); }
inline void store_quads(float* p, std::size_t, vec a) { store(p, a); }
inline vec add(vec a, vec b) { return _mm_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
inline vec max(vec a, vec b) { return _mm_max_ps(a, b); }
inline vec sqrt(vec a) { return _mm_sqrt_ps(a); }
inline bool any_le(vec a, vec b) { return _mm_movemask_ps(_mm_cmple_ps(a, b)); }

#elif defined(__ARM_NEON) && defined(__aarch64__)

constexpr std::size_t kWidth = 4, kRows = 6;
using vec = float32x4_t;
inline vec zero() { return vdupq_n_f32(0); }
inline vec set1(float a) { return vdupq_n_f32(a); }
inline vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, vec a) { vst1q_f32(p, a); }
inline vec load_quads(const float* p, std::size_t) { return load(p); }
inline void store_quads(float* p, std::size_t, vec a) { store(p, a); }
inline vec add(vec a, vec b) { return vaddq_f32(a, b); }
inline vec sub(vec a, vec b) { return vsubq_f32(a, b); }
inline vec mul(vec a, vec b) { return vmulq_f32(a, b); }
inline vec fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
inline vec max(vec a, vec b) { return vmaxq_f32(a, b); }
inline vec sqrt(vec a) { return vsqrtq_f32(a); }
inline bool any_le(vec a, vec b) { return vmaxvq_u32(vcleq_f32(a, b)) != 0; }

#else  // any other processor: one float at a time, the compiler may do better

constexpr std::size_t kWidth = 1, kRows = 1;
using vec = float;
inline vec zero() { return 0; }
inline vec set1(float a) { return a; }
inline vec load(const float* p) { return *p; }
inline void store(float* p, vec a) { *p = a; }
inline vec load_quads(const float* p, std::size_t) { return *p; }
inline void store_quads(float* p, std::size_t, vec a) { *p = a; }
inline vec add(vec a, vec b) { return a + b; }
inline vec sub(vec a, vec b) { return a - b; }
inline vec mul(vec a, vec b) { return a * b; }
inline vec fma(vec a, vec b, vec c) { return a * b + c; }
inline vec max(vec a, vec b) { return a > b ? a : b; }
inline vec sqrt(vec a) { return __builtin_sqrtf(a); }
inline bool any_le(vec a, vec b) { return a <= b; }

#endif

constexpr std::size_t kVecs = kLanes / kWidth;  // vectors per row of a group
static_assert(kRows <= kMaxRows && kVecs * kWidth == kLanes);

// A row of a group: kLanes floats in registers.
struct Row {
  vec v[kVecs];
};

inline Row load_row(const float* p) {
  Row row;
  for (std::size_t i = 0; i < kVecs; ++i) row.v[i] = load(p + i * kWidth);
  return row;
}

inline void store_row(float* p, const Row& row) {
  for (std::size_t i = 0; i < kVecs; ++i) store(p + i * kWidth, row.v[i]);
}

// The same from and to kSide neighbouring values in each of kSide rows of an image.
inline Row load_square(const float* p, std::size_t pitch) {
  Row row;
  for (std::size_t i = 0; i < kLanes; i += kWidth)
    row.v[i / kWidth] = load_quads(p + i / kSide * pitch + i % kSide, pitch);
  return row;
}

inline void store_square(float* p, std::size_t pitch, const Row& row) {
  for (std::size_t i = 0; i < kLanes; i += kWidth)
    store_quads(p + i / kSide * pitch + i % kSide, pitch, row.v[i / kWidth]);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
