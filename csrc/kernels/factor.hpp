// Factors of symmetric matrices, float64, row-major: what the tables of a mixture are made from.
#pragma once
#include <cmath>

#include "../simd.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// target[0..n) += factor * source
inline void add_scaled(double* __restrict target, double factor, const double* __restrict source,
                       std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) target[i] += factor * source[i];
}

constexpr std::size_t kRound =
    4;  // loops over rows begin and end at multiples of it: no remainders

// For positive definite C (its upper triangle; destroyed): the lower triangular W with W'W = C^-1.
// Adds log det C. False if C is not positive definite.
inline bool whiten(double* c, std::size_t n, double* w, double& log_det) {
  for (std::size_t j = 0; j < n; ++j) {  // C = U'U, U upper triangular, row by row
    const double pivot = c[j * n + j];
    if (!(pivot > 0)) return false;
    log_det += std::log(pivot);
    const double scale = 1 / std::sqrt(pivot);
    for (std::size_t l = j; l < n; ++l) c[j * n + l] *= scale;
    for (std::size_t i = j + 1; i < n; ++i) {
      const std::size_t begin = i / kRound * kRound;  // the lower triangle may change too
      add_scaled(c + i * n + begin, -c[j * n + i], c + j * n + begin, n - begin);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {  // W = U'^-1 by forward substitution
    double* row = w + i * n;
    for (std::size_t l = 0; l < n; ++l) row[l] = l == i;
    for (std::size_t j = 0; j < i; ++j)
      add_scaled(row, -c[j * n + i], w + j * n,
                 round_up(j + 1, kRound) < n ? round_up(j + 1, kRound) : n);
    const double scale = 1 / c[i * n + i];
    for (std::size_t l = 0; l <= i; ++l) row[l] *= scale;
  }
  return true;
}

// p = w'w for lower triangular w.
inline void square(const double* w, std::size_t n, double* p) {
  for (std::size_t i = 0; i < n * n; ++i) p[i] = 0;
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t a = 0; a <= r; ++a) add_scaled(p + a * n, w[r * n + a], w + r * n, a + 1);
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < a; ++b) p[b * n + a] = p[a * n + b];
}

// The lower triangular R with R'R = N, in place of N's lower triangle. False if some pivot is not
// above `least`.
inline bool factor_from_below(double* n, std::size_t size, double least) {
  for (std::size_t i = size; i-- > 0;) {
    double* row = n + i * size;
    if (!(row[i] > least)) return false;
    const double scale = 1 / std::sqrt(row[i]);
    for (std::size_t j = 0; j <= i; ++j) row[j] *= scale;
    for (std::size_t a = 0; a < i; ++a) add_scaled(n + a * size, -row[a], row, a + 1);
  }
  return true;
}

// Nearly the diagonal L of least sum of share[i] * L[i] with L - M positive semidefinite, where
// M = identity / variance - p is itself so: by duality L[i] = |(M V)_i| / |v_i| for the vectors
// v_i, |v_i|^2 = share[i], that align best, max tr(V' M V); coordinate ascent ("mixing method",
// Wang, Chang & Kolter 2017). The result may miss positive definiteness by some percent.
inline void cover_diagonally(const double* p, std::size_t n, double variance, const double* share,
                             float* __restrict m, float* __restrict v, double* cover) {
  constexpr std::size_t kRank = 8, kSweeps = 10;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      m[i * n + j] = static_cast<float>((i == j) - variance * p[i * n + j]);
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < n * kRank; ++i) {
    state = state * 1664525u + 1013904223u;
    v[i] = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
  }
  for (std::size_t i = 0; i < n; ++i) {
    float square = 1e-30f;
    for (std::size_t l = 0; l < kRank; ++l) square += v[i * kRank + l] * v[i * kRank + l];
    const float scale = static_cast<float>(std::sqrt(share[i])) / std::sqrt(square);
    for (std::size_t l = 0; l < kRank; ++l) v[i * kRank + l] *= scale;
  }
  for (std::size_t sweep = 0; sweep <= kSweeps; ++sweep)
    for (std::size_t i = 0; i < n; ++i) {
      const bool last = sweep == kSweeps;
      float sum[kRank] = {}, square = 0;
      for (std::size_t j = 0; j < n; ++j)
        for (std::size_t l = 0; l < kRank; ++l) sum[l] += m[i * n + j] * v[j * kRank + l];
      for (std::size_t l = 0; l < kRank; ++l) {
        if (!last) sum[l] -= m[i * n + i] * v[i * kRank + l];
        square += sum[l] * sum[l];
      }
      const float wanted = static_cast<float>(std::sqrt(share[i])), norm = std::sqrt(square);
      if (last)  // the diagonal of M is the least that can do
        cover[i] = std::fmax(norm / wanted, m[i * n + i] + 1e-6f) / variance;
      else if (norm > 1e-9f * wanted)  // else coordinate i is alone, and any direction will do
        for (std::size_t l = 0; l < kRank; ++l) v[i * kRank + l] = sum[l] * (wanted / norm);
    }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
