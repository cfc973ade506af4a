// Packed matrix times patches: the inner loop that all verbs share.
#pragma once
#include "../simd.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Rows of vecs vectors for each of n patches, in registers.
template <std::size_t vecs, std::size_t n>
struct Sums {
  vec v[n][vecs];
};

template <std::size_t vecs, std::size_t n>
inline void clear(Sums<vecs, n>& sums) {
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < n; ++p) FASTEPLL_UNROLL
  for (std::size_t i = 0; i < vecs; ++i) sums.v[p][i] = zero();
}

// sums += packed (vecs * kFloatLanes rows, column by column, `pitch` floats apart) times x[p] (cols
// values each); the first `skipped` vectors of the rows are known to be zero.
template <std::size_t vecs, std::size_t n, std::size_t skipped = 0>
inline void accumulate(Sums<vecs, n>& sums, const float* packed, std::size_t cols,
                       const float* const* x, std::size_t pitch = vecs * kFloatLanes) {
  for (std::size_t j = 0; j < cols; ++j, packed += pitch) {
    vec w[vecs];
    FASTEPLL_UNROLL
    for (std::size_t i = skipped; i < vecs; ++i) w[i] = load(packed + i * kFloatLanes);
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < n; ++p) {
      const vec value = set1(x[p][j]);
      FASTEPLL_UNROLL
      for (std::size_t i = skipped; i < vecs; ++i) sums.v[p][i] = fma(w[i], value, sums.v[p][i]);
    }
  }
}

// multiply_panel for as many patches as registers hold; offset[p], if that of patches.
template <std::size_t rows, std::size_t n, bool offset_of_patches = false>
inline void multiply_block(const float* packed, std::size_t packed_step, std::size_t cols,
                           const float* x, std::size_t x_pitch, std::size_t x_step,
                           const float* offset, float* y, std::size_t y_pitch) {
  constexpr std::size_t vecs = rows / kFloatLanes;
  Sums<vecs, n> sums;
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < n; ++p) FASTEPLL_UNROLL
  for (std::size_t i = 0; i < vecs; ++i)
    sums.v[p][i] = offset_of_patches ? set1(offset[p])
                   : offset          ? load(offset + i * kFloatLanes)
                                     : zero();
  FASTEPLL_UNROLL_TWICE
  for (std::size_t j = 0; j < cols; ++j, packed += packed_step, x += x_step) {
    vec w[vecs];
    FASTEPLL_UNROLL
    for (std::size_t i = 0; i < vecs; ++i) w[i] = load(packed + i * kFloatLanes);
    FASTEPLL_UNROLL
    for (std::size_t p = 0; p < n; ++p) {
      const vec value = set1(x[p * x_pitch]);
      FASTEPLL_UNROLL
      for (std::size_t i = 0; i < vecs; ++i) sums.v[p][i] = fma(w[i], value, sums.v[p][i]);
    }
  }
  FASTEPLL_UNROLL
  for (std::size_t p = 0; p < n; ++p) FASTEPLL_UNROLL
  for (std::size_t i = 0; i < vecs; ++i) store(y + p * y_pitch + i * kFloatLanes, sums.v[p][i]);
}

// y[p] = offset (zero if null) + packed (rows x cols, columns packed_step apart) times x[p], p < n,
// of which the values are x_step apart.
template <std::size_t rows>
inline void multiply_panel(const float* packed, std::size_t packed_step, std::size_t cols,
                           const float* x, std::size_t x_pitch, std::size_t x_step, std::size_t n,
                           const float* offset, float* y, std::size_t y_pitch) {
  std::size_t p = 0;
  for (; p + kPanelPatches <= n; p += kPanelPatches)
    multiply_block<rows, kPanelPatches>(packed, packed_step, cols, x + p * x_pitch, x_pitch, x_step,
                                        offset, y + p * y_pitch, y_pitch);
  for (; p < n; ++p)
    multiply_block<rows, 1>(packed, packed_step, cols, x + p * x_pitch, x_pitch, x_step, offset,
                            y + p * y_pitch, y_pitch);
}

// The same with rows in panels.
template <std::size_t panel = kPanelRows>
inline void multiply(const float* packed, std::size_t rows, std::size_t cols, const float* x,
                     std::size_t x_pitch, std::size_t n, const float* offset, float* y,
                     std::size_t y_pitch, std::size_t x_step = 1) {
  for (std::size_t i = 0; i < rows; i += panel, packed += cols * panel)
    multiply_panel<panel>(packed, panel, cols, x, x_pitch, x_step, n, offset ? offset + i : nullptr,
                          y + i, y_pitch);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
