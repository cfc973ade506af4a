// refine: the cost of one component for a list of patches, row block by row block, while it can
// win.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// The last kTriangleRows columns of a block of kTriangleRows rows: its lower triangle.
template <std::size_t skipped, std::size_t vecs, std::size_t n>
inline void accumulate_corner(Sums<vecs, n>& sums, const float* packed, const float** x) {
  accumulate<vecs, n, skipped>(sums, packed, kFloatLanes, x);
  if constexpr (skipped + 1 < vecs) {
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < n; ++p) x[p] += kFloatLanes;
    accumulate_corner<skipped + 1>(sums, packed + kTriangleRows * kFloatLanes, x);
  }
}

// Squared norms |rows x[p]|^2 of kGatherPatches patches; kTriangleRows packed rows, of which the
// lower triangle of the columns from `before` on counts. Moves the pointers.
inline void block_squared_norms(const float* packed, std::size_t before, const float** x,
                                float* squared_norms) {
  constexpr std::size_t vecs = kTriangleRows / kFloatLanes;
  Sums<vecs, kGatherPatches> sums;
  clear(sums);
  accumulate(sums, packed, before, x);
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < kGatherPatches; ++p) x[p] += before;
  accumulate_corner<0>(sums, packed + before * kTriangleRows, x);
  vec squares[round_up(kGatherPatches, 4)];
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < round_up(kGatherPatches, 4); ++p) {
    squares[p] = zero();
    FASTEPLL_UNROLL
    for (std::size_t i = 0; p < kGatherPatches && i < vecs; ++i)
      squares[p] = fma(sums.v[p][i], sums.v[p][i], squares[p]);
  }
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < kGatherPatches; p += 4) store_sums4(squared_norms + p, squares + p);
}

// Remembers a final cost, and what cost is still of interest. A rounding error is no reason to give
// a component up; nor is, for a mean over several, a small probability.
inline void record(const Tile& tile, std::size_t n_top, std::int32_t p, std::int32_t component,
                   float cost) {
  float* best = tile.best_costs + p * n_top;
  std::int32_t* chosen = tile.chosen + p * n_top;
  std::size_t at = n_top;
  while (at > 0 && (cost < best[at - 1] || (cost == best[at - 1] && component < chosen[at - 1])))
    --at;
  if (at == n_top) return;
  for (std::size_t i = n_top - 1; i > at; --i) {
    best[i] = best[i - 1];
    chosen[i] = chosen[i - 1];
  }
  best[at] = cost;
  chosen[at] = component;
  tile.cost_limit[p] = best[0] * (1 + 1e-5f) + 1e-4f + (n_top > 1 ? kTopMargin : 0.0f);
}

// The patches of which a component is a candidate, with the costs that it has so far.
struct CandidateList {
  std::int16_t* patches;  // room for kGatherPatches more
  float* costs;           // likewise
  std::size_t n;
};

inline CandidateList candidate_list(const Tile& tile, std::size_t component) {
  const std::size_t begin = component * kListCapacity;
  return {tile.patch_list + begin, tile.cost_list + begin,
          static_cast<std::size_t>(tile.list_ends[component]) - begin};
}

// Adds the squared norms of one block of rows. Drops the patches whose cost goes beyond their
// limit, if wanted.
template <bool prune>
inline void refine_block(const Tile& tile, const Tables& tables, std::size_t component,
                         std::size_t block, CandidateList& list) {
  const std::size_t pitch = round_up(tables.n_active, kPad), before = block * kTriangleRows;
  const float* packed = tables.factor_rows + component * tables.factor_stride +
                        block * (block + 1) / 2 * kTriangleRows * kTriangleRows;
  alignas(kAlign) float squared_norms[round_up(kGatherPatches, 4)];
  const float* x[kGatherPatches];
  for (std::size_t p = 0; p < kGatherPatches; ++p)
    list.patches[list.n + p] = list.patches[list.n - 1];
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.n; i += kGatherPatches) {
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < kGatherPatches; ++p)
      x[p] = tile.coefs + list.patches[i + p] * pitch;
    block_squared_norms(packed, before, x, squared_norms);
    if (!prune) {
      FASTEPLL_UNROLL
      for (std::size_t p = 0; p < kGatherPatches; ++p) list.costs[i + p] += squared_norms[p];
      continue;
    }
    for (std::size_t p = 0; p < kGatherPatches && i + p < list.n; ++p) {
      const std::int16_t patch = list.patches[i + p];
      const float cost = list.costs[i + p] + squared_norms[p];
      list.patches[kept] = patch;
      list.costs[kept] = cost;
      kept += cost <= tile.cost_limit[patch];
    }
  }
  if (prune) list.n = kept;
}

// Adds all blocks from the first one on, and records what comes out.
template <bool prune>
inline void refine(const Tile& tile, const Tables& tables, std::size_t component, std::size_t first,
                   CandidateList list) {
  for (std::size_t block = first; block < tables.n_blocks && list.n > 0; ++block)
    refine_block<prune>(tile, tables, component, block, list);
  for (std::size_t i = 0; i < list.n; ++i)
    record(tile, tables.n_top, list.patches[i], static_cast<std::int32_t>(component),
           list.costs[i]);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
