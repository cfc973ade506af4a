// `vec`: the floats one instruction of this file's isa works on; `dvec`: the doubles. The only
// file with intrinsics.
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

// Appends the numbers of the patches of a vec, from `first` on, whose costs are not above their
// limits, and the costs if wanted, to lists with room for a vec. Returns how many.
#if defined(__AVX512F__)
template <bool with_costs>
inline std::size_t append_at_most(const float* costs, const float* limits, std::int16_t first,
                                  std::int16_t* patches, float* target) {
  const __m512i numbers =
      _mm512_add_epi32(_mm512_set1_epi32(first),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  const __mmask16 set = _mm512_cmp_ps_mask(load(costs), load(limits), _CMP_LE_OQ);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(patches),
                      _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(set, numbers)));
  if (with_costs) store(target, _mm512_maskz_compress_ps(set, load(costs)));
  return static_cast<std::size_t>(_mm_popcnt_u32(set));
}
#elif defined(__AVX2__)
struct LaneOrders {  // per set of lanes: their numbers
  std::uint8_t lanes[256][8];
  constexpr LaneOrders() : lanes() {
    for (int set = 0; set < 256; ++set)
      for (int lane = 0, n = 0; lane < 8; ++lane)
        if ((set >> lane & 1) != 0) lanes[set][n++] = static_cast<std::uint8_t>(lane);
  }
};
constexpr LaneOrders kLaneOrders;
template <bool with_costs>
inline std::size_t append_at_most(const float* costs, const float* limits, std::int16_t first,
                                  std::int16_t* patches, float* target) {
  const __m256 kept = _mm256_cmp_ps(load(costs), load(limits), _CMP_LE_OQ);
  const unsigned set = static_cast<unsigned>(_mm256_movemask_ps(kept));
  const __m128i lanes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kLaneOrders.lanes[set]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(patches),
                   _mm_add_epi16(_mm_cvtepu8_epi16(lanes), _mm_set1_epi16(first)));
  if (with_costs) store(target, _mm256_permutevar8x32_ps(load(costs), _mm256_cvtepu8_epi32(lanes)));
  return static_cast<std::size_t>(_mm_popcnt_u32(set));
}
#else
template <bool with_costs>
inline std::size_t append_at_most(const float* costs, const float* limits, std::int16_t first,
                                  std::int16_t* patches, float* target) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < kFloatLanes; ++i) {
    patches[kept] = static_cast<std::int16_t>(first + static_cast<std::int16_t>(i));
    if (with_costs) target[kept] = costs[i];
    kept += costs[i] <= limits[i];
  }
  return kept;
}
#endif

// A function that is linear between knots at 0, 1, ..., and beyond the last: n_knots pairs, a value
// and the slope behind the knot. Pairs are loaded one by one, which takes half as many loads as
// gathering both and less time on processors that gather slowly.
#if defined(__AVX2__)
inline void load_pairs(const float* curve, __m256i at, __m256& values, __m256& slopes) {
  const double* pairs = reinterpret_cast<const double*>(curve);
  const auto two = [&](long long both) {
    const std::uint64_t i = static_cast<std::uint64_t>(both);
    return _mm_castpd_ps(_mm_loadh_pd(_mm_load_sd(pairs + (i & 0xffffffff)), pairs + (i >> 32)));
  };
  const __m128i low = _mm256_castsi256_si128(at), high = _mm256_extracti128_si256(at, 1);
  const auto four = [](__m128 a, __m128 b) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(a), b, 1);
  };
  const __m256 a = four(two(_mm_cvtsi128_si64(low)), two(_mm_cvtsi128_si64(high))),
               b = four(two(_mm_extract_epi64(low, 1)), two(_mm_extract_epi64(high, 1)));
  values = _mm256_shuffle_ps(a, b, 0x88);
  slopes = _mm256_shuffle_ps(a, b, 0xdd);
}
#endif
#if defined(__AVX512F__)
class Curve {
 public:
  // Reads whole vectors: kPad floats at a time.
  Curve(const float* pairs, std::size_t n_knots)
      : pairs_(pairs), last_(set1(static_cast<float>(n_knots - 2))), few_(n_knots <= kFew) {
    const __m512i even =
                      _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
                  odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const std::size_t n_floats = 2 * n_knots;
    FASTEPLL_UNROLL
    for (std::size_t i = 0; i < kFew / kFloatLanes; ++i) {
      const std::size_t begin = 2 * kFloatLanes * i;
      const vec low = begin < n_floats ? load(pairs + begin) : zero(),
                high = begin < n_floats ? load(pairs + begin + kFloatLanes) : zero();
      values_[i] = _mm512_permutex2var_ps(low, even, high);
      slopes_[i] = _mm512_permutex2var_ps(low, odd, high);
    }
  }
  vec operator()(vec place) const {
    const vec knot = _mm512_roundscale_ps(min(_mm512_max_ps(place, zero()), last_), 0x09);
    const __m512i at = _mm512_cvttps_epi32(knot);
    if (few_) {
      const __mmask16 beyond = _mm512_cmpgt_epi32_mask(at, _mm512_set1_epi32(31));
      return fma(pick(slopes_, at, beyond), sub(place, knot), pick(values_, at, beyond));
    }
    __m256 values[2], slopes[2];
    load_pairs(pairs_, _mm512_castsi512_si256(at), values[0], slopes[0]);
    load_pairs(pairs_, _mm512_extracti64x4_epi64(at, 1), values[1], slopes[1]);
    const auto both = [](const __m256* half) {
      return _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(half[0])),
                                                 _mm256_castps_pd(half[1]), 1));
    };
    return fma(both(slopes), sub(place, knot), both(values));
  }

 private:
  static constexpr std::size_t kFew = 48;  // knots fit in registers
  static vec pick(const vec* of, __m512i at, __mmask16 beyond) {
    return _mm512_mask_permutexvar_ps(_mm512_permutex2var_ps(of[0], at, of[1]), beyond, at, of[2]);
  }
  const float* pairs_;
  vec last_, values_[3], slopes_[3];
  bool few_;
};
#elif defined(__AVX2__)
class Curve {
 public:
  Curve(const float* pairs, std::size_t n_knots)
      : pairs_(pairs), last_(set1(static_cast<float>(n_knots - 2))) {}
  vec operator()(vec place) const {
    const vec knot = _mm256_floor_ps(min(_mm256_max_ps(place, zero()), last_));
    vec values, slopes;
    load_pairs(pairs_, _mm256_cvttps_epi32(knot), values, slopes);
    return fma(slopes, sub(place, knot), values);
  }

 private:
  const float* pairs_;
  vec last_;
};
#else
class Curve {
 public:
  Curve(const float* pairs, std::size_t n_knots)
      : pairs_(pairs), last_(static_cast<float>(n_knots - 2)) {}
  vec operator()(vec place) const {
    alignas(kAlign) float places[kFloatLanes], found[kFloatLanes];
    store(places, place);
    for (std::size_t i = 0; i < kFloatLanes; ++i) {
      const float inside = places[i] > 0 ? (places[i] < last_ ? places[i] : last_) : 0;
      const std::size_t knot = static_cast<std::size_t>(inside);
      found[i] = pairs_[2 * knot] + pairs_[2 * knot + 1] * (places[i] - static_cast<float>(knot));
    }
    return load(found);
  }

 private:
  const float* pairs_;
  float last_;
};
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
