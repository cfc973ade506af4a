// refine: the cost of one component for a list of patches, row block by row block, while it can
// win.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// The last kStep columns of a block of kStep rows: its lower triangle.
template <std::size_t skipped, std::size_t vecs, std::size_t n>
inline void accumulate_corner(Sums<vecs, n>& sums, const float* packed, const float** x) {
  accumulate<vecs, n, skipped>(sums, packed, kWidth, x);
  if constexpr (skipped + 1 < vecs) {
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < n; ++p) x[p] += kWidth;
    accumulate_corner<skipped + 1>(sums, packed + kStep * kWidth, x);
  }
}

// Distances |rows x[p]|^2 of kPairs patches; kStep packed rows, of which the lower triangle of the
// columns from `before` on counts. Moves the pointers.
inline void block_distance(const float* packed, std::size_t before, const float** x,
                           float* distance) {
  constexpr std::size_t vecs = kStep / kWidth;
  Sums<vecs, kPairs> sums;
  clear(sums);
  accumulate(sums, packed, before, x);
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < kPairs; ++p) x[p] += before;
  accumulate_corner<0>(sums, packed + before * kStep, x);
  vec squares[kPairs];
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < kPairs; ++p) {
    squares[p] = mul(sums.v[p][0], sums.v[p][0]);
    FASTEPLL_UNROLL
    for (std::size_t i = 1; i < vecs; ++i) squares[p] = fma(sums.v[p][i], sums.v[p][i], squares[p]);
  }
  for (std::size_t p = 0; p < kPairs; p += 4) store_sums4(distance + p, squares + p);
}

// Remembers a final cost, and what cost is still of interest. A rounding error is no reason to give
// a component up; nor is, for a posterior mean, a small probability.
inline void record(const Tile& tile, std::size_t mixed, std::int32_t p, std::int32_t component,
                   float cost) {
  float* best = tile.best + p * mixed;
  std::int32_t* chosen = tile.chosen + p * mixed;
  std::size_t at = mixed;
  while (at > 0 && (cost < best[at - 1] || (cost == best[at - 1] && component < chosen[at - 1])))
    --at;
  if (at == mixed) return;
  for (std::size_t i = mixed - 1; i > at; --i) {
    best[i] = best[i - 1];
    chosen[i] = chosen[i - 1];
  }
  best[at] = cost;
  chosen[at] = component;
  tile.limit[p] = best[0] * (1 + 1e-5f) + 1e-4f + (mixed > 1 ? kMixedCost : 0.0f);
}

// The n patches of a list with their costs so far, without the rows; the list is used up, and has
// room for kPairs more.
template <bool prune>
inline void refine(const Tile& tile, const Tables& tables, std::int32_t component,
                   std::int32_t* patches, float* costs, std::size_t n) {
  const float* packed = tables.rows + component * tables.rows_stride;
  const std::size_t pitch = round_up(tables.coefs, kPad);
  alignas(kAlign) float distance[kPairs], limits[kPairs];
  const float* x[kPairs];
  for (std::size_t block = 0; block < tables.blocks && n > 0; ++block) {
    const std::size_t before = block * kStep;
    for (std::size_t p = 0; p < kPairs; ++p) {  // the last group is filled up, never to be kept
      patches[n + p] = patches[n - 1];
      costs[n + p] = 3e38f;
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n; i += kPairs) {
      FASTEPLL_UNROLL
      for (std::size_t p = 0; p < kPairs; ++p) {
        x[p] = tile.coefs + patches[i + p] * pitch;
        limits[p] = prune ? tile.limit[patches[i + p]] : 2e38f;
      }
      block_distance(packed, before, x, distance);
      FASTEPLL_UNROLL
      for (std::size_t p = 0; p < kPairs; ++p) distance[p] += costs[i + p];
      for (std::size_t p = 0; p < kPairs; p += 4)
        kept += keep4(distance + p, patches + i + p, limits + p, costs + kept, patches + kept);
    }
    n = kept;
    packed += (before + kStep) * kStep;
  }
  for (std::size_t i = 0; i < n; ++i) record(tile, tables.mixed, patches[i], component, costs[i]);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
