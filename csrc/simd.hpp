// `vec`: the floats one instruction of this file's isa works on; `dvec`: the doubles. The only
// file with intrinsics, beside simd_parts.hpp.
#pragma once
#include "kernels.hpp"

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace fastepll::FASTEPLL_ISA {
namespace {

// Before a loop over registers; before one over columns, whose body is long already.
#if defined(__clang__)
#define FASTEPLL_UNROLL _Pragma("unroll")
#define FASTEPLL_UNROLL_TWICE _Pragma("unroll 2")
#elif defined(__GNUC__)
#define FASTEPLL_UNROLL _Pragma("GCC unroll 16")
#define FASTEPLL_UNROLL_TWICE _Pragma("GCC unroll 2")
#else
#define FASTEPLL_UNROLL
#define FASTEPLL_UNROLL_TWICE
#endif

// store_fours: each four lanes, `pitch` floats apart. Shapes of the inner loops, by the number of
// registers: kPanelRows rows, or kWidePanelRows, by kPanelPatches patches where the patches lie
// side by side, kScreenPatches patches by kScreenComponents components in the screen, kTriangleRows
// rows by kGatherPatches patches where they are picked from a list,
// kMatrixTile by kMatrixTileCols entries of matrices of dvec.

#if defined(__AVX2__)
// Sums of the elements of each of four vectors.
inline __m128 sums4(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 x = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
}
#endif
#if defined(__SSE2__) || defined(_M_X64)
inline float reduce_add(__m128 a) {
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}
inline float reduce_min(__m128 a) {
  a = _mm_min_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_min_ss(a, _mm_shuffle_ps(a, a, 1)));
}
#endif

#if defined(__AVX512F__)

constexpr std::size_t kFloatLanes = 16, kPanelRows = 32, kWidePanelRows = 48, kPanelPatches = 8,
                      kScreenPatches = 32, kScreenComponents = 8, kTriangleRows = 16,
                      kGatherPatches = 8;
using vec = __m512;
inline vec zero() { return _mm512_setzero_ps(); }
inline vec set1(float a) { return _mm512_set1_ps(a); }
inline vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, vec a) { _mm512_storeu_ps(p, a); }
inline vec load_fours(const float* p) { return _mm512_shuffle_f32x4(load(p), load(p + 16), 0x88); }
inline void store_fours(float* p, std::size_t pitch, vec a) {
  _mm_storeu_ps(p, _mm512_castps512_ps128(a));
  _mm_storeu_ps(p + pitch, _mm512_extractf32x4_ps(a, 1));
  _mm_storeu_ps(p + 2 * pitch, _mm512_extractf32x4_ps(a, 2));
  _mm_storeu_ps(p + 3 * pitch, _mm512_extractf32x4_ps(a, 3));
}
inline vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
inline vec min(vec a, vec b) { return _mm512_min_ps(a, b); }
inline __m256 add_halves(vec a) {
  const __m256d high = _mm512_extractf64x4_pd(_mm512_castps_pd(a), 1);
  return _mm256_add_ps(_mm512_castps512_ps256(a), _mm256_castpd_ps(high));
}
inline void store_sums4(float* p, const vec* v) {
  _mm_storeu_ps(p, sums4(add_halves(v[0]), add_halves(v[1]), add_halves(v[2]), add_halves(v[3])));
}
inline float reduce_add(vec a) {
  const __m256 x = add_halves(a);
  return reduce_add(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}
inline float reduce_min(vec a) { return _mm512_reduce_min_ps(a); }

constexpr std::size_t kDoubleLanes = 8, kMatrixTileCols = 4;
using dvec = __m512d;
inline dvec set1(double a) { return _mm512_set1_pd(a); }
inline dvec load(const double* p) { return _mm512_loadu_pd(p); }
inline void store(double* p, dvec a) { _mm512_storeu_pd(p, a); }
inline dvec mul(dvec a, dvec b) { return _mm512_mul_pd(a, b); }
inline dvec fma(dvec a, dvec b, dvec c) { return _mm512_fmadd_pd(a, b, c); }
inline dvec fnma(dvec a, dvec b, dvec c) { return _mm512_fnmadd_pd(a, b, c); }  // c - a b

#elif defined(__AVX2__)

constexpr std::size_t kFloatLanes = 8, kPanelRows = 16, kWidePanelRows = 16, kPanelPatches = 6,
                      kScreenPatches = 24, kScreenComponents = 4, kTriangleRows = 16,
                      kGatherPatches = 6;
using vec = __m256;
inline vec zero() { return _mm256_setzero_ps(); }
inline vec set1(float a) { return _mm256_set1_ps(a); }
inline vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, vec a) { _mm256_storeu_ps(p, a); }
inline vec load_fours(const float* p) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 8), 1);
}
inline void store_fours(float* p, std::size_t pitch, vec a) {
  _mm_storeu_ps(p, _mm256_castps256_ps128(a));
  _mm_storeu_ps(p + pitch, _mm256_extractf128_ps(a, 1));
}
inline vec add(vec a, vec b) { return _mm256_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
inline vec min(vec a, vec b) { return _mm256_min_ps(a, b); }
inline void store_sums4(float* p, const vec* v) { _mm_storeu_ps(p, sums4(v[0], v[1], v[2], v[3])); }
inline float reduce_add(vec a) {
  return reduce_add(_mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)));
}
inline float reduce_min(vec a) {
  return reduce_min(_mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)));
}

constexpr std::size_t kDoubleLanes = 4, kMatrixTileCols = 2;
using dvec = __m256d;
inline dvec set1(double a) { return _mm256_set1_pd(a); }
inline dvec load(const double* p) { return _mm256_loadu_pd(p); }
inline void store(double* p, dvec a) { _mm256_storeu_pd(p, a); }
inline dvec mul(dvec a, dvec b) { return _mm256_mul_pd(a, b); }
inline dvec fma(dvec a, dvec b, dvec c) { return _mm256_fmadd_pd(a, b, c); }
inline dvec fnma(dvec a, dvec b, dvec c) { return _mm256_fnmadd_pd(a, b, c); }  // c - a b

#elif defined(__SSE2__) || defined(_M_X64)

constexpr std::size_t kFloatLanes = 4, kPanelRows = 8, kWidePanelRows = 8, kPanelPatches = 4,
                      kScreenPatches = 8, kScreenComponents = 4, kTriangleRows = 8,
                      kGatherPatches = 4;
using vec = __m128;
inline vec zero() { return _mm_setzero_ps(); }
inline vec set1(float a) { return _mm_set1_ps(a); }
inline vec load(const float* p) { return _mm_loadu_ps(p); }
inline void store(float* p, vec a) { _mm_storeu_ps(p, a); }
inline vec load_fours(const float* p) { return load(p); }
inline void store_fours(float* p, std::size_t, vec a) { store(p, a); }
inline vec add(vec a, vec b) { return _mm_add_ps(a, b); }
inline vec sub(vec a, vec b) { return _mm_sub_ps(a, b); }
inline vec mul(vec a, vec b) { return _mm_mul_ps(a, b); }
inline vec fma(vec a, vec b, vec c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
inline vec min(vec a, vec b) { return _mm_min_ps(a, b); }
inline void store_sums4(float* p, const vec* v) {
  vec a = v[0], b = v[1], c = v[2], d = v[3];
  _MM_TRANSPOSE4_PS(a, b, c, d);
  store(p, add(add(a, b), add(c, d)));
}

constexpr std::size_t kDoubleLanes = 2, kMatrixTileCols = 2;
using dvec = __m128d;
inline dvec set1(double a) { return _mm_set1_pd(a); }
inline dvec load(const double* p) { return _mm_loadu_pd(p); }
inline void store(double* p, dvec a) { _mm_storeu_pd(p, a); }
inline dvec mul(dvec a, dvec b) { return _mm_mul_pd(a, b); }
inline dvec fma(dvec a, dvec b, dvec c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }
inline dvec fnma(dvec a, dvec b, dvec c) { return _mm_sub_pd(c, _mm_mul_pd(a, b)); }

#elif defined(__ARM_NEON) && defined(__aarch64__)

constexpr std::size_t kFloatLanes = 4, kPanelRows = 16, kWidePanelRows = 16, kPanelPatches = 4,
                      kScreenPatches = 16, kScreenComponents = 4, kTriangleRows = 16,
                      kGatherPatches = 4;
using vec = float32x4_t;
inline vec zero() { return vdupq_n_f32(0); }
inline vec set1(float a) { return vdupq_n_f32(a); }
inline vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, vec a) { vst1q_f32(p, a); }
inline vec load_fours(const float* p) { return load(p); }
inline void store_fours(float* p, std::size_t, vec a) { store(p, a); }
inline vec add(vec a, vec b) { return vaddq_f32(a, b); }
inline vec sub(vec a, vec b) { return vsubq_f32(a, b); }
inline vec mul(vec a, vec b) { return vmulq_f32(a, b); }
inline vec fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
inline vec min(vec a, vec b) { return vminq_f32(a, b); }
inline void store_sums4(float* p, const vec* v) {
  store(p, vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])));
}
inline float reduce_add(vec a) { return vaddvq_f32(a); }
inline float reduce_min(vec a) { return vminvq_f32(a); }

constexpr std::size_t kDoubleLanes = 2, kMatrixTileCols = 4;
using dvec = float64x2_t;
inline dvec set1(double a) { return vdupq_n_f64(a); }
inline dvec load(const double* p) { return vld1q_f64(p); }
inline void store(double* p, dvec a) { vst1q_f64(p, a); }
inline dvec mul(dvec a, dvec b) { return vmulq_f64(a, b); }
inline dvec fma(dvec a, dvec b, dvec c) { return vfmaq_f64(c, a, b); }
inline dvec fnma(dvec a, dvec b, dvec c) { return vfmsq_f64(c, a, b); }

#else  // any other processor: one float at a time, the compiler may do better

constexpr std::size_t kFloatLanes = 1, kPanelRows = 4, kWidePanelRows = 4, kPanelPatches = 2,
                      kScreenPatches = 4, kScreenComponents = 2, kTriangleRows = 4,
                      kGatherPatches = 4;
using vec = float;
inline vec zero() { return 0; }
inline vec set1(float a) { return a; }
inline vec load(const float* p) { return *p; }
inline void store(float* p, vec a) { *p = a; }
inline vec load_fours(const float* p) { return *p; }  // neither is used
inline void store_fours(float* p, std::size_t, vec a) { *p = a; }
inline vec add(vec a, vec b) { return a + b; }
inline vec sub(vec a, vec b) { return a - b; }
inline vec mul(vec a, vec b) { return a * b; }
inline vec fma(vec a, vec b, vec c) { return a * b + c; }
inline vec min(vec a, vec b) { return a < b ? a : b; }
inline void store_sums4(float* p, const vec* v) {
  for (std::size_t i = 0; i < 4; ++i) p[i] = v[i];
}
inline float reduce_add(vec a) { return a; }
inline float reduce_min(vec a) { return a; }

constexpr std::size_t kDoubleLanes = 1, kMatrixTileCols = 2;
using dvec = double;
inline dvec set1(double a) { return a; }
inline dvec load(const double* p) { return *p; }
inline void store(double* p, dvec a) { *p = a; }
inline dvec mul(dvec a, dvec b) { return a * b; }
inline dvec fma(dvec a, dvec b, dvec c) { return a * b + c; }
inline dvec fnma(dvec a, dvec b, dvec c) { return c - a * b; }

#endif

constexpr std::size_t kMatrixTile = 4;

static_assert(kPanelRows % kDoubleLanes == 0 && kMatrixTile % kMatrixTileCols == 0);
static_assert(kPanelRows % kFloatLanes == 0 && kTriangleRows % kFloatLanes == 0 &&
              kMiddleCoefs % kTriangleRows == 0);
static_assert(kPad % kPanelRows == 0 && kPad % kTriangleRows == 0 && kBatch % kPanelPatches == 0);
static_assert(kPad >= kScreenPatches && kScreenPatches % kFloatLanes == 0 &&
              kPanelRows % kScreenComponents == 0);
static_assert(kGroups % kWidePanelRows == 0 && kWidePanelRows % kFloatLanes == 0);

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
