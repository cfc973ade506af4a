// `vec`: the floats one instruction of this file's level works on. The only file with intrinsics.
#pragma once
#include "kernels.hpp"

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// Before a loop over registers.
#if defined(__clang__)
#define FASTEPLL_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define FASTEPLL_UNROLL _Pragma("GCC unroll 16")
#else
#define FASTEPLL_UNROLL
#endif

// Shapes of the inner loops, by the number of registers: kBlock rows by kPatches patches where the
// patches lie side by side, kStep rows by kPairs patches where they are picked from a list.

#if defined(__AVX2__)
// Sums of the elements of each of four vectors.
inline __m128 sums4(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 x = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
}
#endif
#if defined(__SSE2__) || defined(_M_X64)
inline float sum(__m128 a) {
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}
inline float least(__m128 a) {
  a = _mm_min_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_min_ss(a, _mm_shuffle_ps(a, a, 1)));
}
#endif

#if defined(__AVX512F__)

constexpr std::size_t kWidth = 16, kBlock = 32, kPatches = 8, kStep = 16, kPairs = 8;
using vec = __m512;
inline vec zero() { return _mm512_setzero_ps(); }
inline vec set1(float a) { return _mm512_set1_ps(a); }
inline vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, vec a) { _mm512_storeu_ps(p, a); }
inline vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
inline vec min(vec a, vec b) { return _mm512_min_ps(a, b); }
inline unsigned bits_le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
inline __m256 halves(vec a) {
  const __m256d high = _mm512_extractf64x4_pd(_mm512_castps_pd(a), 1);
  return _mm256_add_ps(_mm512_castps512_ps256(a), _mm256_castpd_ps(high));
}
inline void store_sums4(float* p, const vec* v) {
  _mm_storeu_ps(p, sums4(halves(v[0]), halves(v[1]), halves(v[2]), halves(v[3])));
}
inline float sum(vec a) {
  const __m256 x = halves(a);
  return sum(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}
inline float least(vec a) { return _mm512_reduce_min_ps(a); }

#elif defined(__AVX2__)

constexpr std::size_t kWidth = 8, kBlock = 16, kPatches = 6, kStep = 16, kPairs = 4;
using vec = __m256;
inline vec zero() { return _mm256_setzero_ps(); }
inline vec set1(float a) { return _mm256_set1_ps(a); }
inline vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, vec a) { _mm256_storeu_ps(p, a); }
inline vec add(vec a, vec b) { return _mm256_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
inline vec min(vec a, vec b) { return _mm256_min_ps(a, b); }
inline unsigned bits_le(vec a, vec b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ));
}
inline void store_sums4(float* p, const vec* v) { _mm_storeu_ps(p, sums4(v[0], v[1], v[2], v[3])); }
inline float sum(vec a) {
  return sum(_mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)));
}
inline float least(vec a) {
  return least(_mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)));
}

#elif defined(__SSE2__) || defined(_M_X64)

constexpr std::size_t kWidth = 4, kBlock = 8, kPatches = 4, kStep = 8, kPairs = 4;
using vec = __m128;
inline vec zero() { return _mm_setzero_ps(); }
inline vec set1(float a) { return _mm_set1_ps(a); }
inline vec load(const float* p) { return _mm_loadu_ps(p); }
inline void store(float* p, vec a) { _mm_storeu_ps(p, a); }
inline vec add(vec a, vec b) { return _mm_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
inline vec min(vec a, vec b) { return _mm_min_ps(a, b); }
inline unsigned bits_le(vec a, vec b) { return _mm_movemask_ps(_mm_cmple_ps(a, b)); }
inline void store_sums4(float* p, const vec* v) {
  vec a = v[0], b = v[1], c = v[2], d = v[3];
  _MM_TRANSPOSE4_PS(a, b, c, d);
  store(p, add(add(a, b), add(c, d)));
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

constexpr std::size_t kWidth = 4, kBlock = 16, kPatches = 4, kStep = 16, kPairs = 4;
using vec = float32x4_t;
inline vec zero() { return vdupq_n_f32(0); }
inline vec set1(float a) { return vdupq_n_f32(a); }
inline vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, vec a) { vst1q_f32(p, a); }
inline vec add(vec a, vec b) { return vaddq_f32(a, b); }
inline vec sub(vec a, vec b) { return vsubq_f32(a, b); }
inline vec mul(vec a, vec b) { return vmulq_f32(a, b); }
inline vec fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
inline vec min(vec a, vec b) { return vminq_f32(a, b); }
inline unsigned bits_le(vec a, vec b) {
  const std::uint32_t weights[4] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vcleq_f32(a, b), vld1q_u32(weights)));
}
inline void store_sums4(float* p, const vec* v) {
  store(p, vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])));
}
inline float sum(vec a) { return vaddvq_f32(a); }
inline float least(vec a) { return vminvq_f32(a); }

#else  // any other processor: one float at a time, the compiler may do better

constexpr std::size_t kWidth = 1, kBlock = 4, kPatches = 2, kStep = 4, kPairs = 4;
using vec = float;
inline vec zero() { return 0; }
inline vec set1(float a) { return a; }
inline vec load(const float* p) { return *p; }
inline void store(float* p, vec a) { *p = a; }
inline vec add(vec a, vec b) { return a + b; }
inline vec sub(vec a, vec b) { return a - b; }
inline vec mul(vec a, vec b) { return a * b; }
inline vec fma(vec a, vec b, vec c) { return a * b + c; }
inline vec min(vec a, vec b) { return a < b ? a : b; }
inline unsigned bits_le(vec a, vec b) { return a <= b; }
inline void store_sums4(float* p, const vec* v) {
  for (std::size_t i = 0; i < 4; ++i) p[i] = v[i];
}
inline float sum(vec a) { return a; }
inline float least(vec a) { return a; }

#endif

inline unsigned lowest_bit(unsigned bits) {
#if defined(_MSC_VER)
  unsigned long index;
  _BitScanForward(&index, bits);
  return index;
#else
  return static_cast<unsigned>(__builtin_ctz(bits));
#endif
}

// Copies those of four pairs of a cost and a patch whose cost is not above its limit to the front
// of the targets, of which four elements may be written; returns how many.
#if defined(__AVX2__)
inline std::size_t keep4(const float* costs, const std::int32_t* patches, const float* limits,
                         float* cost_target, std::int32_t* patch_target) {
  alignas(16) static const std::int32_t order[16][4] = {
      {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {2, 0, 0, 0}, {0, 2, 0, 0},
      {1, 2, 0, 0}, {0, 1, 2, 0}, {3, 0, 0, 0}, {0, 3, 0, 0}, {1, 3, 0, 0}, {0, 1, 3, 0},
      {2, 3, 0, 0}, {0, 2, 3, 0}, {1, 2, 3, 0}, {0, 1, 2, 3}};
  const __m128 cost = _mm_loadu_ps(costs), patch = _mm_loadu_ps((const float*)patches);
  const int bits = _mm_movemask_ps(_mm_cmple_ps(cost, _mm_loadu_ps(limits)));
  const __m128i from = _mm_load_si128((const __m128i*)order[bits]);
  _mm_storeu_ps(cost_target, _mm_permutevar_ps(cost, from));
  _mm_storeu_ps((float*)patch_target, _mm_permutevar_ps(patch, from));
  return static_cast<std::size_t>(_mm_popcnt_u32(static_cast<unsigned>(bits)));
}
#else
inline std::size_t keep4(const float* costs, const std::int32_t* patches, const float* limits,
                         float* cost_target, std::int32_t* patch_target) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const float cost = costs[i];
    const std::int32_t patch = patches[i];
    cost_target[kept] = cost;
    patch_target[kept] = patch;
    kept += cost <= limits[i];
  }
  return kept;
}
#endif

static_assert(kBlock % kWidth == 0 && kStep % kWidth == 0 && kPairs % 4 == 0);
static_assert(kPad % kBlock == 0 && kPad % kStep == 0 && kBatch % kPatches == 0);

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
