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

// Whether a component with cost `cost` of its own, and `distance` over the rows of W before a
// block, may end at or below `limit` in some lane. W = L^-1 with L lower triangular: y = W c splits
// into the rows so far and the rest, c2 = L21 y1 + L22 y2, hence
//   |y2| >= (|c2| - |L21| |y1|) / |L22| = tail |c2| - leak |y1|,
// and the distance is |y1|^2 + |y2|^2. kCertain keeps rounding from making that too large.
constexpr float kCertain = 1 - 2e-5f;

inline bool may_win(float cost, const Row& distance, const float* norm, float tail, float leak,
                    const Row& limit) {
  bool may = false;
  for (std::size_t i = 0; i < kVecs; ++i) {
    const vec spread = mul(set1(leak), sqrt(distance.v[i]));
    const vec rest = max(zero(), sub(mul(set1(tail), load(norm + i * kWidth)), spread));
    const vec least = fma(rest, rest, distance.v[i]);
    may |= any_le(fma(set1(kCertain), least, set1(cost)), limit.v[i]);
  }
  return may;
}

// Cost of component c for a group in all lanes. If bounded, stops as soon as it is certain to be
// above `limit` in every lane; returns whether it got to the end.
template <bool bounded>
inline bool add_distance(const MixtureView& mixture, std::size_t c, const float* coefficients,
                         const float* norms, const Row& limit, Row& cost) {
  const float* packed = mixture.whiten + c * mixture.whiten_stride;
  Row distance{};
  std::size_t before = 0;  // rows done
  for (std::size_t block = 0; block < mixture.blocks; ++block) {
    if constexpr (bounded) {
      const std::size_t at = c * mixture.blocks + block;
      if (!may_win(mixture.cost[c], distance, norms + block * kLanes, mixture.tail[at],
                   mixture.leak[at], limit))
        return false;
    }
    Block sum = zero_block();
    add_columns(sum, packed, coefficients, before);
    add_triangle<0>(sum, packed + before * kRows, coefficients + before * kLanes);
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t i = 0; i < kVecs; ++i)
        distance.v[i] = fma(sum.row[r].v[i], sum.row[r].v[i], distance.v[i]);
    packed += (before + kRows) * kRows;
    before = mixture.q - (mixture.blocks - 1 - block) * kRows;
  }
  for (std::size_t i = 0; i < kVecs; ++i) cost.v[i] = add(distance.v[i], set1(mixture.cost[c]));
  return true;
}

template <bool bounded>
void select(const Tile& tile, const MixtureView& mixture) {
  std::int32_t* visited = tile.starts;  // the last group that a component was tried for
  for (std::size_t c = 0; c < mixture.k; ++c) visited[c] = -1;
  for (std::size_t g = 0; g < tile.down * tile.across; ++g) {
    float* best = tile.best + g * kLanes;
    std::int32_t* chosen = tile.chosen + g * kLanes;
    for (std::size_t l = 0; l < kLanes; ++l) {
      best[l] = 3.4e38f;
      chosen[l] = 0;
    }
    const auto visit = [&](std::size_t c) {
      if (visited[c] == static_cast<std::int32_t>(g)) return;
      visited[c] = static_cast<std::int32_t>(g);
      Row cost;
      if (add_distance<bounded>(mixture, c, tile.coefficients + g * tile.coefficient_stride,
                                tile.norms + g * mixture.blocks * kLanes, load_row(best), cost))
        keep_best(cost, static_cast<std::int32_t>(c), best, chosen);
    };
    if constexpr (bounded) {  // neighbours are alike: their winners make a low limit early
      if (g > 0)
        for (std::size_t l = 0; l < kLanes; ++l) visit((chosen - kLanes)[l]);
      if (g >= tile.across)
        for (std::size_t l = 0; l < kLanes; ++l) visit((chosen - tile.across * kLanes)[l]);
    }
    for (std::size_t c = 0; c < mixture.k; ++c) visit(c);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
