// screen: costs, or bounds of costs, of all components at once: they are linear in few features.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// Products c_i c_j, i <= j, of the head; then the energies of the bands. Writes up to kPad floats
// behind them, too. Returns the energy of the bands from kMiddle on, but for the last.
inline float head_and_bands(const Tables& tables, const float* c, float energy, float* features) {
  const std::size_t head = tables.spec.head;
  for (std::size_t i = 0; i < head; features += head - i, ++i)
    for (std::size_t j = i; j < head; j += kWidth)
      store(features + j - i, mul(set1(c[i]), load(c + j)));
  float beyond = 0;
  for (std::size_t b = 0; b + 1 < tables.bands; ++b) {
    std::size_t j = tables.edges[b];
    const std::size_t end = tables.edges[b + 1];
    float total = 0;
    for (; j < end && j % kWidth != 0; ++j) total += c[j] * c[j];
    vec square = zero();
    for (; j + kWidth <= end; j += kWidth) square = fma(load(c + j), load(c + j), square);
    total += sum(square);
    for (; j < end; ++j) total += c[j] * c[j];
    if (tables.edges[b] >= kMiddle) beyond += total;
    *features++ = total;
  }
  *features = energy;
  return beyond;
}

inline void squares(const float* c, std::size_t q_pad, float* features) {
  for (std::size_t j = 0; j < q_pad; j += kWidth)
    store(features + j, mul(load(c + j), load(c + j)));
}

// Calls visit(p, costs of patch p) for every patch; the costs of padding components are huge.
template <class Visit>
inline void for_each_screened(const Tile& tile, const Tables& tables, const Visit& visit) {
  const std::size_t pitch = round_up(tables.coefs, kPad);
  for (std::size_t begin = 0; begin < tile.n; begin += kBatch) {
    const std::size_t n = tile.n - begin < kBatch ? tile.n - begin : kBatch;
    for (std::size_t p = 0; p < n; ++p)
      tile.middle[begin + p] =
          head_and_bands(tables, tile.coefs + (begin + p) * pitch, tile.energy[begin + p],
                         tile.features + p * tables.features);
    multiply(tables.screen, round_up(tables.k, kBlock), tables.features, tile.features,
             tables.features, n, tables.screen_cost, tile.costs, tables.k_pad);
    for (std::size_t p = 0; p < n; ++p) visit(begin + p, tile.costs + p * tables.k_pad);
  }
}

// The same with the lower bound that the diagonal gives.
template <class Visit>
inline void for_each_bounded(const Tile& tile, const Tables& tables, const Visit& visit) {
  const std::size_t pitch = round_up(tables.coefs, kPad), q_pad = tables.q_pad;
  for (std::size_t begin = 0; begin < tile.n; begin += kBatch) {
    const std::size_t n = tile.n - begin < kBatch ? tile.n - begin : kBatch;
    for (std::size_t p = 0; p < n; ++p)
      squares(tile.coefs + (begin + p) * pitch, q_pad, tile.features + p * q_pad);
    multiply(tables.bound, round_up(tables.k, kBlock), tables.q, tile.features, q_pad, n,
             tables.cost, tile.costs, tables.k_pad);
    for (std::size_t p = 0; p < n; ++p) visit(begin + p, tile.costs + p * tables.k_pad);
  }
}

inline float lowest_cost(const float* costs, std::size_t k_pad) {
  vec low[4];
  for (vec& v : low) v = load(costs);
  std::size_t i = 0;
  for (; i + 4 * kWidth <= k_pad; i += 4 * kWidth)
    for (std::size_t v = 0; v < 4; ++v) low[v] = min(low[v], load(costs + i + v * kWidth));
  for (; i < k_pad; i += kWidth) low[0] = min(low[0], load(costs + i));
  return least(min(min(low[0], low[1]), min(low[2], low[3])));
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
