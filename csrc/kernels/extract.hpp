// extract: pixels -> mean-free patches, their means, coefficients and the squared norm of the last
// band.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Copies rows of a patch; `fixed` is their length where the compiler may know it, else 0.
template <std::size_t fixed>
inline void copy_patch(const float* from, std::size_t pitch, std::size_t height, std::size_t width,
                       float* to) {
  if constexpr (fixed != 0) width = fixed;
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x) to[y * width + x] = from[y * pitch + x];
}

// Subtracts the mean of d values, padded by zeros that stay. Returns their squared norm. `fixed` is
// d_pad where the compiler may know it and d is the same, else 0.
template <std::size_t fixed>
inline float remove_mean(float* patch, std::size_t d, std::size_t d_pad, float& mean) {
  if constexpr (fixed != 0) d = d_pad = fixed;
  vec total = zero(), square = zero();
  for (std::size_t j = 0; j < d_pad; j += kFloatLanes) total = add(total, load(patch + j));
  mean = reduce_add(total) / static_cast<float>(d);
  const vec shift = set1(mean);
  for (std::size_t j = 0; j < d_pad; j += kFloatLanes)
    store(patch + j, sub(load(patch + j), shift));
  for (std::size_t j = d; j < d_pad; ++j) patch[j] = 0;
  for (std::size_t j = 0; j < d_pad; j += kFloatLanes) {
    const vec values = load(patch + j);
    square = fma(values, values, square);
  }
  return reduce_add(square);
}

void extract(const Tile& tile, const Tables& tables) {
  const std::size_t d = tables.d, d_pad = tables.d_pad,
                    last = tables.band_edges[tables.n_bands - 1];
  const std::size_t coef_pitch = round_up(tables.n_active, kPad);
  for (std::size_t begin = 0; begin < tile.n; begin += kBatch) {
    const std::size_t end = begin + kBatch < tile.n ? begin + kBatch : tile.n;
    for (std::size_t p = begin; p < end; ++p) {
      float* patch = tile.patches + p * d_pad;
      const float* corner = tile.image + tile.corners[p];
      for (std::size_t c = 0; c < tables.channels; ++c, corner += tile.channel_pitch) {
        float* channel = patch + c * tables.height * tables.width;
        if (tables.width == 8)
          copy_patch<8>(corner, tile.pitch, tables.height, 8, channel);
        else
          copy_patch<0>(corner, tile.pitch, tables.height, tables.width, channel);
      }
      for (std::size_t j = d; j < d_pad; ++j) patch[j] = 0;
      tile.squared_norm[p] = d == 64 ? remove_mean<64>(patch, d, d_pad, tile.means[p])
                                     : remove_mean<0>(patch, d, d_pad, tile.means[p]);
    }
    multiply(tables.basis, round_up(tables.n_active, kPanelRows), d, tile.patches + begin * d_pad,
             d_pad, end - begin, nullptr, tile.coefs + begin * coef_pitch, coef_pitch);
    for (std::size_t p = begin; p < end; ++p) {
      const float* c = tile.coefs + p * coef_pitch;
      vec square = zero();
      std::size_t j = 0;
      for (; j + kFloatLanes <= last; j += kFloatLanes)
        square = fma(load(c + j), load(c + j), square);
      float rest = tile.squared_norm[p] - reduce_add(square);
      for (; j < last; ++j) rest -= c[j] * c[j];
      tile.tail_squared_norm[p] = rest > 0 ? rest : 0;
    }
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
