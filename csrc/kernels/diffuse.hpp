// diffuse: what a trained reaction diffusion changes in the patches of a row.
#pragma once
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// `fixed` is the width of a patch where the compiler may know it, else 0.
template <std::size_t fixed>
void diffuse_row(const PatchRow& row, const DiffusionTables& t, float* scratch) {
  const std::size_t width = fixed ? fixed : t.width, d = t.d, n_filters = t.n_filters;
  const std::size_t pitch = round_up(2 * d, kPad), response_pitch = round_up(n_filters, kPad),
                    change_pitch = round_up(d, kPad);
  float *features = scratch, *responses = features + kBatch * pitch,
        *changes = responses + kBatch * response_pitch;
  for (std::size_t begin = 0; begin < row.n; begin += kBatch) {
    const std::size_t n = row.n - begin < kBatch ? row.n - begin : kBatch;
    for (std::size_t p = 0; p < n; ++p) {
      const float *image = row.image + begin + p, *noisy = row.noisy + begin + p;
      const float corner = image[0];
      float* to = features + p * pitch;
      for (std::size_t y = 0; y < t.height; ++y, image += row.pitch, noisy += row.pitch)
        for (std::size_t x = 0; x < width; ++x) {
          to[y * width + x] = image[x] - corner;
          to[d + y * width + x] = noisy[x] - image[x];
        }
    }
    multiply(t.analysis, round_up(n_filters, kPanelRows), 2 * d, features, pitch, n, t.middle,
             responses, response_pitch);
    for (std::size_t i = 0; i < n_filters; i += kFloatLanes)
      for (std::size_t p = 0; p < n; ++p) {
        float* place = responses + p * response_pitch + i;
        store(place, interpolate(load(place), t.values + i * t.n_knots, t.slopes + i * t.n_knots,
                                 t.n_knots));
      }
    multiply(t.synthesis, round_up(d, kPanelRows), n_filters, responses, response_pitch, n, nullptr,
             changes, change_pitch);
    for (std::size_t p = 0; p < n; ++p) {
      const float* from = changes + p * change_pitch + row.first * width;
      float* to = row.sums + begin + p;
      for (std::size_t y = row.first; y < row.last; ++y, from += width, to += row.pitch)
        for (std::size_t x = 0; x < width; ++x) to[x] += from[x];
    }
  }
}

void diffuse(const PatchRow& row, const DiffusionTables& t, float* scratch) {
  if (t.width == 8)
    diffuse_row<8>(row, t, scratch);
  else
    diffuse_row<0>(row, t, scratch);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
