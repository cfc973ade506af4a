// filter: the weighted Wiener estimates of patches that share a component.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// Of kPairs entries, of which the first `count` are not repetitions.
inline void filter_pairs(const Tables& tables, std::size_t c, const float* const* x,
                         const float* means, const float* weights, std::size_t count,
                         float* estimates, float* scratch) {
  constexpr std::size_t steps = kStep / kWidth, vecs = kBlock / kWidth, half = 4;
  const std::size_t d = tables.d, d_pad = tables.d_pad, rank = tables.rank[c];
  const float *analysis = tables.analysis + c * tables.analysis_stride,
              *synthesis = tables.synthesis + c * tables.synthesis_stride,
              *gains = tables.gains + c * d_pad;
  const float* y[kPairs];
  for (std::size_t p = 0; p < kPairs; ++p) y[p] = scratch + p * d_pad;
  for (std::size_t i = 0; i < rank; i += kStep, analysis += d * kStep) {
    Sums<steps, kPairs> sums;
    clear(sums);
    accumulate(sums, analysis, d, x);
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < kPairs; ++p) FASTEPLL_UNROLL
    for (std::size_t s = 0; s < steps; ++s)
      store(scratch + p * d_pad + i + s * kWidth, mul(sums.v[p][s], load(gains + i + s * kWidth)));
  }
  const vec tail = set1(tables.tail_gain[c]);
  for (std::size_t i = 0; i < d; i += kBlock, synthesis += d * kBlock)
    for (std::size_t begin = 0; begin < count; begin += half) {
      Sums<vecs, half> sums;
      FASTEPLL_UNROLL
      for (std::size_t p = 0; p < half; ++p) FASTEPLL_UNROLL
      for (std::size_t v = 0; v < vecs; ++v)
        sums.v[p][v] = mul(tail, load(x[begin + p] + i + v * kWidth));
      accumulate(sums, synthesis, rank, y + begin);
      for (std::size_t p = 0; p < half && begin + p < count; ++p) FASTEPLL_UNROLL
      for (std::size_t v = 0; v < vecs; ++v)
        store(estimates + (begin + p) * d_pad + i + v * kWidth,
              mul(mul(set1(weights[begin + p]), load(tables.window + i + v * kWidth)),
                  add(set1(means[begin + p]), sums.v[p][v])));
    }
}

void filter(const Tables& tables, std::size_t c, const Entry* entries, std::size_t n,
            const float* patches, const float* means, float* estimates, float* scratch) {
  const float* x[kPairs];
  float mean[kPairs], weight[kPairs];
  for (std::size_t i = 0; i < n; i += kPairs) {
    const std::size_t count = n - i < kPairs ? n - i : kPairs;
    for (std::size_t p = 0; p < kPairs; ++p) {
      const Entry& entry = entries[i + (p < count ? p : count - 1)];
      x[p] = patches + entry.patch * tables.d_pad;
      mean[p] = means[entry.patch];
      weight[p] = entry.weight;
    }
    filter_pairs(tables, c, x, mean, weight, count, estimates + i * tables.d_pad, scratch);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
