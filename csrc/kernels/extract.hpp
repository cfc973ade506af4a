// extract: pixels -> patch means and coefficients of the mean-free patches.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

void extract(const Tile& tile, const MixtureView& mixture) {
  const std::size_t d = mixture.d;
  const vec inverse = set1(1.0f / static_cast<float>(d));
  for (std::size_t g = 0; g < tile.rows * tile.row_groups; ++g) {
    const float* corner =
        tile.pixels + g / tile.row_groups * tile.pitch + g % tile.row_groups * kLanes;
    Row mean = load_row(corner + tile.offsets[0]);
    for (std::size_t j = 1; j < d; ++j) {
      const Row x = load_row(corner + tile.offsets[j]);
      for (std::size_t i = 0; i < kVecs; ++i) mean.v[i] = add(mean.v[i], x.v[i]);
    }
    for (std::size_t i = 0; i < kVecs; ++i) mean.v[i] = mul(mean.v[i], inverse);
    store_row(tile.means + g * kLanes, mean);
    for (std::size_t j = 0; j < d; ++j) {
      Row x = load_row(corner + tile.offsets[j]);
      for (std::size_t i = 0; i < kVecs; ++i) x.v[i] = sub(x.v[i], mean.v[i]);
      store_row(tile.scratch + j * kLanes, x);
    }
    multiply(mixture.basis, mixture.q, d, tile.scratch,
             tile.coefficients + g * tile.coefficient_stride);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
