// select: the component with the lowest cost, -2 log(weight x density), for every patch.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// Keeps the lower of two costs per lane; the lower index where they are equal.
inline void keep_best(const Row& cost, std::int32_t component, float* best, std::int32_t* chosen) {
  bool better = false;
  for (std::size_t i = 0; i < kVecs; ++i) better |= any_le(cost.v[i], load(best + i * kWidth));
  if (!better) return;
  alignas(kAlign) float values[kLanes];
  store_row(values, cost);
  for (std::size_t l = 0; l < kLanes; ++l)
    if (values[l] < best[l] || (values[l] == best[l] && component < chosen[l])) {
      best[l] = values[l];
      chosen[l] = component;
    }
}

template <std::size_t column>
inline void add_triangle(Block& sum, const float* packed, const float* in) {
  if constexpr (column < kRows) {
    add_column<column>(sum, packed + column * kRows, in + column * kLanes);
    add_triangle<column + 1>(sum, packed, in);
  }
}

// cost += |packed c|^2 for a packed lower triangular q x q matrix. If bounded, stops as soon as the
// cost is above `limit` in every lane, since it can only grow; returns whether it got to the end.
template <bool bounded>
inline bool add_distance(const float* packed, std::size_t q, const float* c, Row& cost,
                         const Row& limit) {
  std::size_t before = 0, rows = (q - 1) % kRows + 1;  // of the first block, then kRows each
  while (true) {
    Block sum = zero_block();
    add_columns(sum, packed, c, before);
    add_triangle<0>(sum, packed + before * kRows, c + before * kLanes);
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t i = 0; i < kVecs; ++i)
        cost.v[i] = fma(sum.row[r].v[i], sum.row[r].v[i], cost.v[i]);
    packed += (before + kRows) * kRows;
    before += rows;
    if (before == q) return true;
    rows = kRows;
    if constexpr (bounded) {
      bool alive = false;
      for (std::size_t i = 0; i < kVecs; ++i) alive |= any_le(cost.v[i], limit.v[i]);
      if (!alive) return false;
    }
  }
}

template <bool bounded>
void select(const Tile& tile, const MixtureView& mixture) {
  const std::size_t groups = tile.rows * tile.row_groups;
  for (std::size_t i = 0; i < groups * kLanes; ++i) {
    tile.best[i] = 3.4e38f;
    tile.chosen[i] = 0;
  }
  for (std::size_t c = 0; c < mixture.k; ++c)
    for (std::size_t g = 0; g < groups; ++g) {
      Row cost;
      for (std::size_t i = 0; i < kVecs; ++i) cost.v[i] = set1(mixture.cost[c]);
      float* best = tile.best + g * kLanes;
      if (add_distance<bounded>(mixture.whiten + c * mixture.whiten_stride, mixture.q,
                                tile.coefficients + g * tile.coefficient_stride, cost,
                                load_row(best)))
        keep_best(cost, static_cast<std::int32_t>(c), best, tile.chosen + g * kLanes);
    }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
