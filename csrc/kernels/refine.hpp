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
  vec squares[round_up(kPairs, 4)];
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < round_up(kPairs, 4); ++p) {
    squares[p] = zero();
    FASTEPLL_UNROLL
    for (std::size_t i = 0; p < kPairs && i < vecs; ++i)
      squares[p] = fma(sums.v[p][i], sums.v[p][i], squares[p]);
  }
  FASTEPLL_UNROLL
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

// A list of patches, with the costs that a component has so far.
struct List {
  std::int16_t* patches;  // room for kPairs more
  float* costs;           // likewise
  std::size_t n;
};

inline List list_of(const Tile& tile, std::size_t component) {
  const std::size_t begin = component * kListRoom;
  return {tile.patch_list + begin, tile.cost_list + begin,
          static_cast<std::size_t>(tile.ends[component]) - begin};
}

// Adds the distances of one block of rows. Drops the patches whose cost goes beyond their limit, if
// wanted.
template <bool prune>
inline void refine_block(const Tile& tile, const Tables& tables, std::size_t component,
                         std::size_t block, List& list) {
  const std::size_t pitch = round_up(tables.coefs, kPad), before = block * kStep;
  const float* packed =
      tables.rows + component * tables.rows_stride + block * (block + 1) / 2 * kStep * kStep;
  alignas(kAlign) float distance[round_up(kPairs, 4)];
  const float* x[kPairs];
  for (std::size_t p = 0; p < kPairs; ++p) list.patches[list.n + p] = list.patches[list.n - 1];
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.n; i += kPairs) {
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < kPairs; ++p) x[p] = tile.coefs + list.patches[i + p] * pitch;
    block_distance(packed, before, x, distance);
    if (!prune) {
      FASTEPLL_UNROLL
      for (std::size_t p = 0; p < kPairs; ++p) list.costs[i + p] += distance[p];
      continue;
    }
    for (std::size_t p = 0; p < kPairs && i + p < list.n; ++p) {
      const std::int16_t patch = list.patches[i + p];
      const float cost = list.costs[i + p] + distance[p];
      list.patches[kept] = patch;
      list.costs[kept] = cost;
      kept += cost <= tile.limit[patch];
    }
  }
  if (prune) list.n = kept;
}

// Adds all blocks from the first one on, and records what comes out.
template <bool prune>
inline void refine(const Tile& tile, const Tables& tables, std::size_t component, std::size_t first,
                   List list) {
  for (std::size_t block = first; block < tables.blocks && list.n > 0; ++block)
    refine_block<prune>(tile, tables, component, block, list);
  for (std::size_t i = 0; i < list.n; ++i)
    record(tile, tables.mixed, list.patches[i], static_cast<std::int32_t>(component),
           list.costs[i]);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
