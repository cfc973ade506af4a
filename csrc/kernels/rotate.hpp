// rotate: the covariances of a mixture in its basis, and its eigenvectors, packed for the kernels.
#pragma once
#include "../simd.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Entry (a, b), b <= a, of a lower triangle that is written row by row.
inline std::size_t in_triangle(std::size_t a, std::size_t b) { return a * (a + 1) / 2 + b; }

// target = a'b of matrices with `pitch` numbers a row, n x n with n rounded up to kPad; only as far
// as the diagonal, about, if `lower`.
inline void multiply_transposed(const double* a, const double* b, std::size_t n, std::size_t pitch,
                                bool lower, double* target) {
  constexpr std::size_t kRows = 4, kCols = 2;
  for (std::size_t i = 0; i < n; i += kRows)
    for (std::size_t j = 0; j < (lower ? i + kRows : n); j += kCols * kDoubleLanes) {
      dvec sums[kRows][kCols];
      FASTEPLL_UNROLL
      for (auto& row : sums) FASTEPLL_UNROLL
      for (dvec& value : row) value = set1(0.0);
      for (std::size_t l = 0; l < n; ++l) {
        dvec right[kCols];
        FASTEPLL_UNROLL
        for (std::size_t c = 0; c < kCols; ++c)
          right[c] = load(b + l * pitch + j + c * kDoubleLanes);
        FASTEPLL_UNROLL
        for (std::size_t r = 0; r < kRows; ++r) {
          const dvec left = set1(a[l * pitch + i + r]);
          FASTEPLL_UNROLL
          for (std::size_t c = 0; c < kCols; ++c) sums[r][c] = fma(left, right[c], sums[r][c]);
        }
      }
      FASTEPLL_UNROLL
      for (std::size_t r = 0; r < kRows; ++r) FASTEPLL_UNROLL
      for (std::size_t c = 0; c < kCols; ++c)
        store(target + (i + r) * pitch + j + c * kDoubleLanes, sums[r][c]);
    }
}

void rotate(const MixtureParameters& parameters, const double* eigenvectors,
            const double* basis_columns, std::size_t pitch, std::size_t group, const Tables& tables,
            double* scratch) {
  const std::size_t d = tables.d, first = group * kDoubleLanes;
  double *own = scratch, *rotated = own + pitch * pitch, *scaled = rotated + pitch * pitch,
         *covariance = scaled + pitch * pitch;
  double* target = parameters.covariances + group * in_triangle(d, 0) * kDoubleLanes;
  for (std::size_t i = 0; i < pitch * pitch; ++i) own[i] = 0;
  for (std::size_t lane = 0; lane < kDoubleLanes && first + lane < tables.k; ++lane) {
    const std::size_t c = first + lane;
    const double* its = eigenvectors + c * d * d;
    float* rows = tables.eigenvectors + c * tables.eigenvectors_stride;
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < d; ++j) {
        own[i * pitch + j] = its[i * d + j];
        rows[j * tables.d_pad + i] = static_cast<float>(its[i * d + j]);
      }
    multiply_transposed(own, basis_columns, d, pitch, false, rotated);  // row j: eigenvector j
    for (std::size_t j = 0; j < d; ++j)
      for (std::size_t a = 0; a < pitch; ++a)
        scaled[j * pitch + a] = parameters.eigenvalues[c * d + j] * rotated[j * pitch + a];
    multiply_transposed(scaled, rotated, d, pitch, true, covariance);
    for (std::size_t a = 0; a < d; ++a)
      for (std::size_t b = 0; b <= a; ++b)
        target[in_triangle(a, b) * kDoubleLanes + lane] = covariance[a * pitch + b];
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
