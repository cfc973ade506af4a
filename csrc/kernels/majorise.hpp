// majorise: a diagonal above a matrix, for the bounds of exact selection.
#pragma once
#include <cmath>

#include "factor.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

constexpr std::size_t kMajoriserRank = 8;

// Of the leading n_coefs coefficients, nearly the diagonal L of least sum of share[i] * L[i] with
// L - M positive semidefinite, where M = identity / noise_var - P is itself so, and the shares are
// half the variances of the coefficients plus the noise: by duality L[i] = |(M V)_i| / |v_i| for
// the vectors v_i, |v_i|^2 = share[i], that align best, max tr(V' M V); coordinate ascent ("mixing
// method", Wang, Chang & Kolter 2017). The result may miss positive definiteness by some percent.
inline void majorise_diagonally(const MatrixBatch& p, std::size_t n_coefs, double noise_var,
                                const double* variances, const MatrixBatch& m, double* vectors,
                                double* majoriser) {
  constexpr std::size_t kSweeps = 10;
  for (std::size_t i = 0; i < n_coefs; ++i)
    for (std::size_t j = 0; j < n_coefs; ++j)
      store(m.at(i, j), fnma(set1(noise_var), load(p.at(i, j)), set1(i == j ? 1.0 : 0.0)));
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < n_coefs; ++i) {
    double start[kMajoriserRank], square = 1e-30;
    for (double& value : start) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<double>(state >> 8) / 16777216.0 - 0.5;
      square += value * value;
    }
    const double length = std::sqrt((0.5 * variances[i] + noise_var) / square);
    for (std::size_t l = 0; l < kMajoriserRank; ++l)
      store(vectors + (i * kMajoriserRank + l) * kDoubleLanes, set1(start[l] * length));
  }
  for (std::size_t sweep = 0; sweep <= kSweeps; ++sweep)
    for (std::size_t i = 0; i < n_coefs; ++i) {
      const bool last = sweep == kSweeps;
      const double wanted = std::sqrt(0.5 * variances[i] + noise_var);
      dvec sums[kMajoriserRank], square = set1(0.0);
      FASTEPLL_UNROLL
      for (std::size_t l = 0; l < kMajoriserRank; ++l) sums[l] = set1(0.0);
      const double* v = vectors;
      for (std::size_t j = 0; j < n_coefs; ++j, v += kMajoriserRank * kDoubleLanes) {
        const dvec entry = load(m.at(i, j));
        FASTEPLL_UNROLL
        for (std::size_t l = 0; l < kMajoriserRank; ++l)
          sums[l] = fma(entry, load(v + l * kDoubleLanes), sums[l]);
      }
      double* own = vectors + i * kMajoriserRank * kDoubleLanes;
      const dvec itself = load(m.at(i, i));
      FASTEPLL_UNROLL
      for (std::size_t l = 0; l < kMajoriserRank; ++l) {
        if (!last) sums[l] = fnma(itself, load(own + l * kDoubleLanes), sums[l]);
        square = fma(sums[l], sums[l], square);
      }
      alignas(kAlign) double norm[kDoubleLanes], scale[kDoubleLanes];
      store(norm, square);
      if (last) {  // the diagonal of M is the least that can do
        for (std::size_t lane = 0; lane < kDoubleLanes; ++lane)
          majoriser[i * kDoubleLanes + lane] =
              std::fmax(std::sqrt(norm[lane]) / wanted, m.at(i, i)[lane] + 1e-6) / noise_var;
        continue;
      }
      for (std::size_t lane = 0; lane < kDoubleLanes; ++lane) {
        norm[lane] = std::sqrt(norm[lane]);
        scale[lane] = wanted / norm[lane];
      }
      for (std::size_t l = 0; l < kMajoriserRank; ++l) {
        alignas(kAlign) double moved[kDoubleLanes];
        store(moved, mul(sums[l], load(scale)));
        for (std::size_t lane = 0; lane < kDoubleLanes; ++lane)
          if (norm[lane] > 1e-9 * wanted)  // else i is alone, and any direction will do
            own[l * kDoubleLanes + lane] = moved[lane];
      }
    }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
