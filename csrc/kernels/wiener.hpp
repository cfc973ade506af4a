// wiener: coefficients -> estimated pixels, by the filter of each patch's own component.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// Lists the valid lanes of the tile by component (counting sort, stable): those of component c are
// order[starts[c]] ... order[starts[c + 1] - 1], each as group * kLanes + lane.
void sort_by_component(const Tile& tile, std::size_t k) {
  const std::size_t n_lanes = tile.down * tile.across * kLanes;
  const auto valid = [&](std::size_t lane) {
    const std::size_t g = lane / kLanes, l = lane % kLanes;
    return g / tile.across * kSide + l / kSide < tile.rows &&
           g % tile.across * kSide + l % kSide < tile.cols;
  };
  std::int32_t* starts = tile.starts;
  for (std::size_t c = 0; c <= k; ++c) starts[c] = 0;
  for (std::size_t lane = 0; lane < n_lanes; ++lane)
    if (valid(lane)) ++starts[tile.chosen[lane]];
  for (std::size_t c = 1; c <= k; ++c) starts[c] += starts[c - 1];  // the ends, for now
  for (std::size_t lane = n_lanes; lane-- > 0;)
    if (valid(lane)) tile.order[--starts[tile.chosen[lane]]] = static_cast<std::int32_t>(lane);
}

void wiener(const Tile& tile, const MixtureView& mixture) {
  const std::size_t d = mixture.d, q = mixture.q, room = (d + kMaxRows) * kLanes;
  float *noisy = tile.scratch, *coordinates = noisy + room, *clean = coordinates + room;
  for (std::size_t i = 0; i < tile.down * tile.across * tile.estimate_stride; ++i)
    tile.estimates[i] = 0;
  sort_by_component(tile, mixture.k);
  for (std::size_t c = 0; c < mixture.k; ++c) {
    const float* gains = mixture.gains + c * mixture.gain_stride;
    for (std::int32_t begin = tile.starts[c]; begin < tile.starts[c + 1];) {
      const std::int32_t* lanes = tile.order + begin;
      const std::int32_t left = tile.starts[c + 1] - begin;
      const std::size_t n = left < static_cast<std::int32_t>(kLanes) ? left : kLanes;
      for (std::size_t l = 0; l < kLanes; ++l) {  // short lists repeat their last patch
        const std::size_t from = lanes[l < n ? l : n - 1];
        const float* source =
            tile.coefficients + from / kLanes * tile.coefficient_stride + from % kLanes;
        for (std::size_t j = 0; j < q; ++j) noisy[j * kLanes + l] = source[j * kLanes];
      }
      multiply(mixture.analysis + c * mixture.analysis_stride, d, q, noisy, coordinates);
      for (std::size_t j = 0; j < d; ++j) {
        Row x = load_row(coordinates + j * kLanes);
        for (std::size_t i = 0; i < kVecs; ++i) x.v[i] = mul(x.v[i], set1(gains[j]));
        store_row(coordinates + j * kLanes, x);
      }
      multiply(mixture.synthesis + c * mixture.synthesis_stride, d, d, coordinates, clean);
      for (std::size_t l = 0; l < n; ++l) {
        const std::size_t to = lanes[l];
        float* target = tile.estimates + to / kLanes * tile.estimate_stride + to % kLanes;
        for (std::size_t j = 0; j < d; ++j)
          target[j * kLanes] = clean[j * kLanes + l] + tile.means[to];
      }
      begin += static_cast<std::int32_t>(n);
    }
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
