// screen: costs, or bounds of costs, of all components at once: they are linear in few features.
// Features and costs are those of kScreenPatches patches side by side.
#pragma once
#include "../simd_parts.hpp"
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// The first n_coefs coefficients of patches `begin` on, coefficient by coefficient; zeros after n.
inline void turn_coefs(const Tile& tile, const Tables& tables, std::size_t begin, std::size_t n,
                       std::size_t n_coefs, float* to) {
  const float* from = tile.coefs + begin * round_up(tables.n_active, kPad);
  for (std::size_t p = 0; p < kScreenPatches; ++p, from += round_up(tables.n_active, kPad))
    for (std::size_t i = 0; i < n_coefs; ++i) to[i * kScreenPatches + p] = p < n ? from[i] : 0;
}

// Products c_i c_j, i <= j, of the first n_screen coefficients, then the squared norms of the
// bands. Sets the squared norm of those from kMiddleCoefs on, but for the last.
inline void set_screen_features(const Tile& tile, const Tables& tables, std::size_t begin,
                                std::size_t n) {
  const std::size_t n_screen = tables.options.n_screen,
                    n_turned = tables.band_edges[tables.n_bands - 1];
  const float* c = tile.turned;
  turn_coefs(tile, tables, begin, n, n_turned, tile.turned);
  float* features = tile.features;
  for (std::size_t i = 0; i < n_screen; ++i)
    for (std::size_t j = i; j < n_screen; ++j, features += kScreenPatches)
      for (std::size_t p = 0; p < kScreenPatches; p += kFloatLanes)
        store(features + p,
              mul(load(c + i * kScreenPatches + p), load(c + j * kScreenPatches + p)));
  alignas(kAlign) float middle[kScreenPatches] = {};
  for (std::size_t b = 0; b + 1 < tables.n_bands; ++b, features += kScreenPatches)
    for (std::size_t p = 0; p < kScreenPatches; p += kFloatLanes) {
      vec square = zero();
      for (std::size_t i = tables.band_edges[b]; i < tables.band_edges[b + 1]; ++i) {
        const vec value = load(c + i * kScreenPatches + p);
        square = fma(value, value, square);
      }
      store(features + p, square);
      if (tables.band_edges[b] >= kMiddleCoefs) store(middle + p, add(load(middle + p), square));
    }
  for (std::size_t p = 0; p < n; ++p) {
    features[p] = tile.tail_squared_norm[begin + p];
    tile.middle_squared_norm[begin + p] = middle[p];
  }
  for (std::size_t p = n; p < kScreenPatches; ++p) features[p] = 0;
}

// tile.costs of all components from tile.features, `weights` in panels.
inline void set_costs(const Tile& tile, const Tables& tables, const float* weights,
                      const float* offset, std::size_t n_features) {
  for (std::size_t c = 0; c < tables.k; c += kScreenComponents)
    multiply_block<kScreenPatches, kScreenComponents, true>(
        tile.features, kScreenPatches, n_features,
        weights + c / kPanelRows * kPanelRows * n_features + c % kPanelRows, 1, kPanelRows,
        offset + c, tile.costs + c * kScreenPatches, kScreenPatches);
}

// Calls visit(first, n) for the patches of a tile, kScreenPatches at a time, with their costs.
template <class Visit>
inline void for_each_screened(const Tile& tile, const Tables& tables, const Visit& visit) {
  for (std::size_t begin = 0; begin < tile.n; begin += kScreenPatches) {
    const std::size_t n = tile.n - begin < kScreenPatches ? tile.n - begin : kScreenPatches;
    set_screen_features(tile, tables, begin, n);
    set_costs(tile, tables, tables.screen_weights, tables.screen_offset, tables.n_screen_features);
    visit(begin, n);
  }
}

// The same with the lower bound that the diagonal gives.
template <class Visit>
inline void for_each_bounded(const Tile& tile, const Tables& tables, const Visit& visit) {
  for (std::size_t begin = 0; begin < tile.n; begin += kScreenPatches) {
    const std::size_t n = tile.n - begin < kScreenPatches ? tile.n - begin : kScreenPatches;
    turn_coefs(tile, tables, begin, n, tables.n_coefs, tile.features);
    for (std::size_t i = 0; i < tables.n_coefs * kScreenPatches; i += kFloatLanes)
      store(tile.features + i, mul(load(tile.features + i), load(tile.features + i)));
    set_costs(tile, tables, tables.bound_weights, tables.refine_offset, tables.n_coefs);
    visit(begin, n);
  }
}

// Of each of kScreenPatches patches.
inline void lowest_costs(const Tile& tile, const Tables& tables, float* lowest) {
  constexpr std::size_t vecs = kScreenPatches / kFloatLanes;
  vec low[vecs];
  FASTEPLL_UNROLL
  for (std::size_t v = 0; v < vecs; ++v) low[v] = load(tile.costs + v * kFloatLanes);
  for (std::size_t c = 1; c < tables.k; ++c) FASTEPLL_UNROLL
  for (std::size_t v = 0; v < vecs; ++v)
    low[v] = min(low[v], load(tile.costs + c * kScreenPatches + v * kFloatLanes));
  FASTEPLL_UNROLL
  for (std::size_t v = 0; v < vecs; ++v) store(lowest + v * kFloatLanes, low[v]);
}

// Adds the patches from `begin` on whose costs are not above their limits to the lists, and the
// costs, if wanted.
template <bool with_costs>
inline void add_to_lists(const Tile& tile, const Tables& tables, std::size_t begin,
                         const float* limits) {
  for (std::size_t c = 0; c < tables.k; ++c) {
    std::size_t end = static_cast<std::size_t>(tile.list_ends[c]);
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < kScreenPatches; p += kFloatLanes)
      end += append_at_most<with_costs>(tile.costs + c * kScreenPatches + p, limits + p,
                                        static_cast<std::int16_t>(begin + p), tile.patch_list + end,
                                        tile.cost_list + end);
    tile.list_ends[c] = static_cast<std::int32_t>(end);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
