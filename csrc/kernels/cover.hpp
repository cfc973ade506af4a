// cover: a diagonal above a matrix, for the bounds of exact selection.
#pragma once
#include <cmath>

#include "factor.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

constexpr std::size_t kRank = 8;

// Of the leading q coefficients, nearly the diagonal L of least sum of share[i] * L[i] with L - M
// positive semidefinite, where M = identity / variance - P is itself so, and the shares are half
// the spread under noise: by duality L[i] = |(M V)_i| / |v_i| for the vectors v_i,
// |v_i|^2 = share[i], that align best, max tr(V' M V); coordinate ascent ("mixing method", Wang,
// Chang & Kolter 2017). The result may miss positive definiteness by some percent.
inline void cover_diagonally(const Lanes& p, std::size_t q, double variance, const double* spread,
                             const Lanes& m, double* vectors, double* cover) {
  constexpr std::size_t kSweeps = 10;
  for (std::size_t i = 0; i < q; ++i)
    for (std::size_t j = 0; j < q; ++j)
      store(m.at(i, j), fnma(set1(variance), load(p.at(i, j)), set1(i == j ? 1.0 : 0.0)));
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < q; ++i) {
    double start[kRank], square = 1e-30;
    for (double& value : start) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<double>(state >> 8) / 16777216.0 - 0.5;
      square += value * value;
    }
    const double length = std::sqrt((0.5 * spread[i] + variance) / square);
    for (std::size_t l = 0; l < kRank; ++l)
      store(vectors + (i * kRank + l) * kLanes, set1(start[l] * length));
  }
  for (std::size_t sweep = 0; sweep <= kSweeps; ++sweep)
    for (std::size_t i = 0; i < q; ++i) {
      const bool last = sweep == kSweeps;
      const double wanted = std::sqrt(0.5 * spread[i] + variance);
      dvec sums[kRank], square = set1(0.0);
      FASTEPLL_UNROLL
      for (std::size_t l = 0; l < kRank; ++l) sums[l] = set1(0.0);
      const double* v = vectors;
      for (std::size_t j = 0; j < q; ++j, v += kRank * kLanes) {
        const dvec entry = load(m.at(i, j));
        FASTEPLL_UNROLL
        for (std::size_t l = 0; l < kRank; ++l) sums[l] = fma(entry, load(v + l * kLanes), sums[l]);
      }
      double* own = vectors + i * kRank * kLanes;
      const dvec itself = load(m.at(i, i));
      FASTEPLL_UNROLL
      for (std::size_t l = 0; l < kRank; ++l) {
        if (!last) sums[l] = fnma(itself, load(own + l * kLanes), sums[l]);
        square = fma(sums[l], sums[l], square);
      }
      alignas(kAlign) double norm[kLanes], scale[kLanes];
      store(norm, square);
      if (last) {  // the diagonal of M is the least that can do
        for (std::size_t lane = 0; lane < kLanes; ++lane)
          cover[i * kLanes + lane] =
              std::fmax(std::sqrt(norm[lane]) / wanted, m.at(i, i)[lane] + 1e-6) / variance;
        continue;
      }
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        norm[lane] = std::sqrt(norm[lane]);
        scale[lane] = wanted / norm[lane];
      }
      for (std::size_t l = 0; l < kRank; ++l) {
        alignas(kAlign) double moved[kLanes];
        store(moved, mul(sums[l], load(scale)));
        for (std::size_t lane = 0; lane < kLanes; ++lane)  // else coordinate i is alone, and any
          if (norm[lane] > 1e-9 * wanted)
            own[l * kLanes + lane] = moved[lane];  // direction will do
      }
    }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
