// average: adds every estimated patch to the sums of the pixels that it covers, in a fixed order.
#pragma once
#include "../simd.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

void average(const Tile& tile, const MixtureView& mixture) {
  for (std::size_t g = 0; g < tile.rows * tile.row_groups; ++g) {
    float* corner = tile.sums + g / tile.row_groups * tile.pitch + g % tile.row_groups * kLanes;
    const float* patch = tile.estimates + g * tile.estimate_stride;
    for (std::size_t j = 0; j < mixture.d; ++j) {
      float* pixel = corner + tile.offsets[j];
      for (std::size_t i = 0; i < kLanes; i += kWidth)
        store(pixel + i, add(load(pixel + i), load(patch + j * kLanes + i)));
    }
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
