// noise: what patches tell of it. The definition is fastepll/noise/patches.py.
#pragma once
#include <cmath>

#include "extract.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// How many of d pixels have the smallest value, or the largest one if these are more; the padding
// repeats the first pixel. `fixed` is d_pad where the compiler may know it and d is the same, else
// 0.
template <std::size_t fixed>
inline float ties(const float* __restrict x, std::size_t d, std::size_t d_pad) {
  if constexpr (fixed != 0) d = d_pad = fixed;
  vec low = load(x), high = sub(zero(), low);
  for (std::size_t j = kFloatLanes; j < d_pad; j += kFloatLanes) {
    low = min(low, load(x + j));
    high = min(high, sub(zero(), load(x + j)));
  }
  const float smallest = reduce_min(low), largest = -reduce_min(high);
  std::int32_t at_smallest = 0, at_largest = 0;
  for (std::size_t j = 0; j < d; ++j) {
    at_smallest += x[j] == smallest;
    at_largest += x[j] == largest;
  }
  return static_cast<float>(at_smallest > at_largest ? at_smallest : at_largest);
}

void patch_statistics(const PatchSample& sample, const std::ptrdiff_t* corners, std::size_t n,
                      float* scratch, float* result) {
  const std::size_t d = sample.height * sample.width, d_pad = round_up(d, kPad);
  const std::size_t rows = round_up(sample.n_high, kPanelRows);
  float *patches = scratch, *coefs = scratch + kBatch * d_pad, mean;
  for (std::size_t begin = 0; begin < n; begin += kBatch) {
    const std::size_t count = n - begin < kBatch ? n - begin : kBatch;
    for (std::size_t p = 0; p < count; ++p) {
      float *patch = patches + p * d_pad, *found = result + (begin + p) * 3;
      const float* corner = sample.image + corners[begin + p];
      if (sample.width == 8)
        copy_patch<8>(corner, sample.pitch, sample.height, 8, patch);
      else
        copy_patch<0>(corner, sample.pitch, sample.height, sample.width, patch);
      for (std::size_t j = d; j < d_pad; ++j) patch[j] = patch[0];
      found[2] = d == 64 ? ties<64>(patch, d, d_pad) : ties<0>(patch, d, d_pad);
      for (std::size_t j = d; j < d_pad; ++j) patch[j] = 0;
      found[0] =
          d == 64 ? remove_mean<64>(patch, d, d_pad, mean) : remove_mean<0>(patch, d, d_pad, mean);
    }
    multiply(sample.high, rows, d, patches, d_pad, count, nullptr, coefs, rows);
    for (std::size_t p = 0; p < count; ++p) {
      vec square = zero();
      for (std::size_t j = 0; j < rows; j += kFloatLanes) {
        const vec values = load(coefs + p * rows + j);
        square = fma(values, values, square);
      }
      float* found = result + (begin + p) * 3;
      found[1] = reduce_add(square);
      found[0] = found[0] > found[1] ? found[0] - found[1] : 0;
    }
  }
}

// exp(x) for x <= 0, of which values below -32 count as -32.
inline vec exp_negative(vec x) {
  constexpr float taylor[] = {1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f, 1, 1};
  const vec shift = set1(0.5f), scale = set1(1 / 32.0f);
  x = sub(zero(), min(sub(zero(), x), set1(32.0f)));
  const vec t = fma(x, scale, shift);  // in [-1/2, 1/2]
  vec value = set1(1 / 5040.0f);
  for (const float term : taylor) value = fma(value, t, set1(term));
  value = mul(value, set1(0.60653066f));  // exp(-1/2)
  for (int i = 0; i < 5; ++i) value = mul(value, value);
  return value;
}

// Log of the sum of exp(values), n of them, a multiple of kFloatLanes.
inline double log_sum(const float* values, std::size_t n) {
  vec lowest = sub(zero(), load(values)), total = zero();
  for (std::size_t i = kFloatLanes; i < n; i += kFloatLanes)
    lowest = min(lowest, sub(zero(), load(values + i)));
  const float peak = -reduce_min(lowest);
  for (std::size_t i = 0; i < n; i += kFloatLanes)
    total = add(total, exp_negative(sub(load(values + i), set1(peak))));
  return static_cast<double>(peak) + std::log(static_cast<double>(reduce_add(total)));
}

double conditional_log_prob(const float* squared_norms, const float* tables, std::size_t n_bands,
                            std::size_t n_low, std::size_t k_pad, float* scratch) {
  const float *low_offset = tables + n_bands * k_pad, *offset = low_offset + k_pad;
  for (std::size_t i = 0; i < k_pad; i += kFloatLanes) {
    vec value = zero();
    for (std::size_t b = 0; b < n_low; ++b)
      value = fma(load(tables + b * k_pad + i), set1(squared_norms[b]), value);
    store(scratch + i, add(value, load(low_offset + i)));
    for (std::size_t b = n_low; b < n_bands; ++b)
      value = fma(load(tables + b * k_pad + i), set1(squared_norms[b]), value);
    store(scratch + k_pad + i, add(value, load(offset + i)));
  }
  return log_sum(scratch + k_pad, k_pad) - log_sum(scratch, k_pad);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
