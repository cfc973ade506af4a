// extract: pixels -> patch means, coefficients of the mean-free patches and their norms.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

void extract(const Tile& tile, const MixtureView& mixture) {
  const std::size_t d = mixture.d;
  const vec inverse = set1(1.0f / static_cast<float>(d));
  for (std::size_t g = 0; g < tile.down * tile.across; ++g) {
    const float* corner =
        tile.pixels + g / tile.across * kSide * tile.pitch + g % tile.across * kSide;
    Row mean = load_square(corner + tile.offsets[0], tile.pitch);
    for (std::size_t j = 1; j < d; ++j) {
      const Row x = load_square(corner + tile.offsets[j], tile.pitch);
      for (std::size_t i = 0; i < kVecs; ++i) mean.v[i] = add(mean.v[i], x.v[i]);
    }
    for (std::size_t i = 0; i < kVecs; ++i) mean.v[i] = mul(mean.v[i], inverse);
    store_row(tile.means + g * kLanes, mean);
    for (std::size_t j = 0; j < d; ++j) {
      Row x = load_square(corner + tile.offsets[j], tile.pitch);
      for (std::size_t i = 0; i < kVecs; ++i) x.v[i] = sub(x.v[i], mean.v[i]);
      store_row(tile.scratch + j * kLanes, x);
    }
    float* coefficients = tile.coefficients + g * tile.coefficient_stride;
    multiply(mixture.basis, mixture.q, d, tile.scratch, coefficients);
    Row square{};
    for (std::size_t j = mixture.q, block = mixture.blocks; j-- > 0;) {
      const Row c = load_row(coefficients + j * kLanes);
      for (std::size_t i = 0; i < kVecs; ++i) square.v[i] = fma(c.v[i], c.v[i], square.v[i]);
      if (j != 0 && (mixture.q - j) % kRows != 0) continue;
      Row norm;
      for (std::size_t i = 0; i < kVecs; ++i) norm.v[i] = sqrt(square.v[i]);
      store_row(tile.norms + (g * mixture.blocks + --block) * kLanes, norm);
    }
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
