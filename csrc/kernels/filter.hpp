// filter: the weighted Wiener estimates of patches that share a component.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// y[p] = 4 rows times x[p], d_pad values each, for n patches.
template <std::size_t n>
inline void project4(const float* rows, std::size_t d_pad, const float* const* x, float* const* y) {
  Sums<4, n> sums;
  clear(sums);
  for (std::size_t j = 0; j < d_pad; j += kFloatLanes) {
    vec row[4];
    FASTEPLL_UNROLL
    for (std::size_t r = 0; r < 4; ++r) row[r] = load(rows + r * d_pad + j);
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < n; ++p) {
      const vec values = load(x[p] + j);
      FASTEPLL_UNROLL
      for (std::size_t r = 0; r < 4; ++r) sums.v[p][r] = fma(row[r], values, sums.v[p][r]);
    }
  }
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < n; ++p) store_sums4(y[p], sums.v[p]);
}

// Of kGatherPatches assignments, of which the first `count` are not repetitions.
inline void filter_pairs(const Tables& tables, std::size_t c, const float* const* x,
                         const float* means, const float* weights, std::size_t count,
                         float* estimates, float* scratch) {
  constexpr std::size_t vecs = kPanelRows / kFloatLanes, part = kGatherPatches / 2;
  const std::size_t d = tables.d, d_pad = tables.d_pad, rank = tables.ranks[c];
  const float *vectors = tables.eigenvectors + c * tables.eigenvectors_stride,
              *gains = tables.gains + c * d_pad;
  for (std::size_t i = 0; i < rank; i += 4)
    for (std::size_t begin = 0; begin < kGatherPatches; begin += part) {
      float* y[part];
      for (std::size_t p = 0; p < part; ++p) y[p] = scratch + (begin + p) * d_pad + i;
      project4<part>(vectors + i * d_pad, d_pad, x + begin, y);
    }
  const float* y[kGatherPatches];
  for (std::size_t p = 0; p < kGatherPatches; ++p) {
    float* values = scratch + p * d_pad;
    for (std::size_t i = 0; i < rank; i += kFloatLanes)
      store(values + i, mul(load(values + i), load(gains + i)));
    y[p] = values;
  }
  const vec tail = set1(tables.tail_gain[c]);
  for (std::size_t i = 0; i < d; i += kPanelRows) {
    Sums<vecs, kGatherPatches> sums;
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < kGatherPatches; ++p) FASTEPLL_UNROLL
    for (std::size_t v = 0; v < vecs; ++v)
      sums.v[p][v] = mul(tail, load(x[p] + i + v * kFloatLanes));
    accumulate(sums, vectors + i, rank, y, d_pad);
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < kGatherPatches; ++p) {
      if (p >= count) break;
      FASTEPLL_UNROLL
      for (std::size_t v = 0; v < vecs; ++v)
        store(estimates + p * d_pad + i + v * kFloatLanes,
              mul(mul(set1(weights[p]), load(tables.window + i + v * kFloatLanes)),
                  add(set1(means[p]), sums.v[p][v])));
    }
  }
}

void filter(const Tables& tables, std::size_t c, const Assignment* assignments, std::size_t n,
            const float* patches, const float* means, float* estimates, float* scratch) {
  const float* x[kGatherPatches];
  float mean[kGatherPatches], weight[kGatherPatches];
  for (std::size_t i = 0; i < n; i += kGatherPatches) {
    const std::size_t count = n - i < kGatherPatches ? n - i : kGatherPatches;
    for (std::size_t p = 0; p < kGatherPatches; ++p) {
      const Assignment& assignment = assignments[i + (p < count ? p : count - 1)];
      x[p] = patches + assignment.patch * tables.d_pad;
      mean[p] = means[assignment.patch];
      weight[p] = assignment.weight;
    }
    filter_pairs(tables, c, x, mean, weight, count, estimates + i * tables.d_pad, scratch);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
