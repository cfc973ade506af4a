// average: adds every estimated patch to the sums of the pixels that it covers, in a fixed order.
#pragma once
#include "../simd.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

void average(const Tile& tile, const MixtureView& mixture) {
  for (std::size_t g = 0; g < tile.down * tile.across; ++g) {
    float* corner = tile.sums + g / tile.across * kSide * tile.pitch + g % tile.across * kSide;
    const float* patch = tile.estimates + g * tile.estimate_stride;
    for (std::size_t j = 0; j < mixture.d; ++j) {
      Row sum = load_square(corner + tile.offsets[j], tile.pitch);
      const Row x = load_row(patch + j * kLanes);
      for (std::size_t i = 0; i < kVecs; ++i) sum.v[i] = add(sum.v[i], x.v[i]);
      store_square(corner + tile.offsets[j], tile.pitch, sum);
    }
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
