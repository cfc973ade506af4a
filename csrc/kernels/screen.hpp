// screen: costs, or bounds of costs, of all components at once: they are linear in few features.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Products c_i c_j, i <= j, of the first n_screen coefficients, then the squared norms of the
// bands. Writes up to kPad floats behind them, too. Returns the squared norm of the bands from
// kMiddleCoefs on, but for the last, whose squared norm is `tail`.
inline float screen_features(const Tables& tables, const float* c, float tail, float* features) {
  const std::size_t n_screen = tables.options.n_screen;
  for (std::size_t i = 0; i < n_screen; features += n_screen - i, ++i)
    for (std::size_t j = i; j < n_screen; j += kFloatLanes)
      store(features + j - i, mul(set1(c[i]), load(c + j)));
  float middle = 0;
  for (std::size_t b = 0; b + 1 < tables.n_bands; ++b) {
    std::size_t j = tables.band_edges[b];
    const std::size_t end = tables.band_edges[b + 1];
    float total = 0;
    for (; j < end && j % kFloatLanes != 0; ++j) total += c[j] * c[j];
    vec square = zero();
    for (; j + kFloatLanes <= end; j += kFloatLanes) square = fma(load(c + j), load(c + j), square);
    total += reduce_add(square);
    for (; j < end; ++j) total += c[j] * c[j];
    if (tables.band_edges[b] >= kMiddleCoefs) middle += total;
    *features++ = total;
  }
  *features = tail;
  return middle;
}

inline void squared_coefs(const float* c, std::size_t coefs_pad, float* features) {
  for (std::size_t j = 0; j < coefs_pad; j += kFloatLanes)
    store(features + j, mul(load(c + j), load(c + j)));
}

// Calls visit(p, costs of patch p) for every patch; the costs of padding components are huge.
template <class Visit>
inline void for_each_screened(const Tile& tile, const Tables& tables, const Visit& visit) {
  const std::size_t pitch = round_up(tables.n_active, kPad);
  for (std::size_t begin = 0; begin < tile.n; begin += kBatch) {
    const std::size_t n = tile.n - begin < kBatch ? tile.n - begin : kBatch;
    for (std::size_t p = 0; p < n; ++p)
      tile.middle_squared_norm[begin + p] = screen_features(
          tables, tile.coefs + (begin + p) * pitch, tile.tail_squared_norm[begin + p],
          tile.features + p * tables.n_screen_features);
    multiply(tables.screen_weights, round_up(tables.k, kPanelRows), tables.n_screen_features,
             tile.features, tables.n_screen_features, n, tables.screen_offset, tile.costs,
             tables.k_pad);
    for (std::size_t p = 0; p < n; ++p) visit(begin + p, tile.costs + p * tables.k_pad);
  }
}

// The same with the lower bound that the diagonal gives.
template <class Visit>
inline void for_each_bounded(const Tile& tile, const Tables& tables, const Visit& visit) {
  const std::size_t pitch = round_up(tables.n_active, kPad), coefs_pad = tables.coefs_pad;
  for (std::size_t begin = 0; begin < tile.n; begin += kBatch) {
    const std::size_t n = tile.n - begin < kBatch ? tile.n - begin : kBatch;
    for (std::size_t p = 0; p < n; ++p)
      squared_coefs(tile.coefs + (begin + p) * pitch, coefs_pad, tile.features + p * coefs_pad);
    multiply(tables.bound_weights, round_up(tables.k, kPanelRows), tables.n_coefs, tile.features,
             coefs_pad, n, tables.refine_offset, tile.costs, tables.k_pad);
    for (std::size_t p = 0; p < n; ++p) visit(begin + p, tile.costs + p * tables.k_pad);
  }
}

inline float lowest_cost(const float* costs, std::size_t k_pad) {
  vec low[4];
  for (vec& v : low) v = load(costs);
  std::size_t i = 0;
  for (; i + 4 * kFloatLanes <= k_pad; i += 4 * kFloatLanes)
    for (std::size_t v = 0; v < 4; ++v) low[v] = min(low[v], load(costs + i + v * kFloatLanes));
  for (; i < k_pad; i += kFloatLanes) low[0] = min(low[0], load(costs + i));
  return reduce_min(min(min(low[0], low[1]), min(low[2], low[3])));
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
