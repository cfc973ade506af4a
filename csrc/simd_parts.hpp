// Parts of kernels that take each isa other instructions, several of them: what is picked from a
// vec, and functions by their knots.
#pragma once
#include "simd.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

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

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
