// average: adds the estimates of patches to the pixels that they cover, in the order of the
// patches.
#pragma once
#include "../simd.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// `fixed` is the width of a patch where the compiler may know it, else 0.
template <std::size_t fixed>
void average_rows(const Strip& strip, const Tables& tables) {
  const std::size_t width = fixed ? fixed : tables.width, n_top = tables.n_top;
  for (std::size_t i = 0; i < strip.n_rows; ++i) {
    const std::size_t row = strip.rows[i], end = row + tables.height;
    if (end <= strip.top || row >= strip.bottom) continue;
    const std::size_t first = row > strip.top ? row : strip.top;
    const std::size_t last = end < strip.bottom ? end : strip.bottom;
    for (std::size_t j = 0; j < strip.n_cols; ++j) {
      const std::size_t patch = i * strip.n_cols + j;
      const std::size_t corner = (first - strip.top) * strip.pitch + strip.cols[j];
      for (std::size_t m = 0; m < n_top; ++m) {
        const std::int32_t index = strip.estimate_index[patch * n_top + m];
        if (index < 0) break;
        const float* from = strip.estimates + index * tables.d_pad + (first - row) * width;
        float* to = strip.sums + corner;
        for (std::size_t y = first; y < last; ++y, from += width, to += strip.pitch)
          for (std::size_t x = 0; x < width; ++x) to[x] += from[x];
      }
      if (!strip.weights) continue;
      const float *window = tables.window + (first - row) * width,
                  total = strip.total_weight[patch];
      float* to = strip.weights + corner;
      for (std::size_t y = first; y < last; ++y, window += width, to += strip.pitch)
        for (std::size_t x = 0; x < width; ++x) to[x] += total * window[x];
    }
  }
}

void average(const Strip& strip, const Tables& tables) {
  if (tables.width == 8)
    average_rows<8>(strip, tables);
  else
    average_rows<0>(strip, tables);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
