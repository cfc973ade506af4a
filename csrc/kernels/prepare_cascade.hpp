// prepare: the tables of the cascade, of which exact selection has the screen too.
#pragma once
#include "prepare_group.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Precisions of the coefficients begin to end, taken to have one variance under noise, and their
// part of the log determinants; nothing for an empty band.
inline void band_precisions(const ComponentGroup& g, std::size_t begin, std::size_t end,
                            double noise_var, float* precisions, double* log_dets) {
  alignas(kAlign) double totals[kDoubleLanes] = {};
  for (std::size_t i = begin; i < end; ++i)
    store(totals, fma(set1(1.0), load(totals), load(g.covariance(i + 1, i + 1))));
  for (std::size_t lane = 0; lane < g.count; ++lane) {
    precisions[lane] = 0;
    if (begin == end) continue;
    const double size = static_cast<double>(end - begin),
                 variance = noise_var + totals[lane] / size;
    log_dets[lane] += size * std::log(variance);
    precisions[lane] = static_cast<float>(1 / variance);
  }
}

// From the inverse of the factor of the screen.
inline void prepare_screen(const ComponentGroup& g, const Tables& t, const FactorScratch& s,
                           double* offsets) {
  const std::size_t n_screen = t.options.n_screen;
  std::size_t f = 0;
  alignas(kAlign) double sums[kDoubleLanes];
  double log_dets[kDoubleLanes] = {};
  for (std::size_t i = 0; i < n_screen; ++i)
    for (std::size_t j = i; j < n_screen; ++j, ++f) {
      dvec sum = set1(0.0);
      for (std::size_t r = j; r < n_screen; ++r)
        sum = fma(load(s.inverse.at(r, i)), load(s.inverse.at(r, j)), sum);
      store(sums, sum);
      for (std::size_t lane = 0; lane < g.count; ++lane)
        at(t.screen_weights, t.n_screen_features, g, f)[lane] =
            static_cast<float>((i == j ? 1 : 2) * sums[lane]);
    }
  for (std::size_t lane = 0; lane < g.count; ++lane)
    log_dets[lane] = log_determinant(s.reciprocals, 0, n_screen, lane);
  for (std::size_t b = 0; b < t.n_bands; ++b, ++f)
    band_precisions(g, t.band_edges[b], t.band_edges[b + 1], t.options.noise_var,
                    at(t.screen_weights, t.n_screen_features, g, f), log_dets);
  for (std::size_t lane = 0; lane < g.count; ++lane) offsets[3 * lane] += log_dets[lane];
}

// Screen, middle and refined cost have one factor: that of the screen is its corner.
bool prepare_cascade(const ComponentGroup& g, const Tables& t, const FactorScratch& s,
                     double* offsets) {
  const std::size_t n = t.n_active;
  bool definite[kDoubleLanes];
  noisy_covariance(g, n, t.options.noise_var, s.factor);
  cholesky(s.factor, kZeros, s.reciprocals, definite);
  if (!all(definite, g.count)) return false;
  invert_triangle(s.factor, s.reciprocals, s.inverse);
  prepare_screen(g, t, s, offsets);
  pack_triangles(t, g, definite, [&](std::size_t r, std::size_t j) { return s.inverse.at(r, j); });
  double tails[kDoubleLanes] = {}, middle_tails[kDoubleLanes] = {};
  band_precisions(g, n, t.n_coefs, t.options.noise_var, t.tail_precision + g.first, tails);
  if (t.n_middle_blocks > 0)
    band_precisions(g, kMiddleCoefs, n, t.options.noise_var, t.middle_precision + g.first,
                    middle_tails);
  const std::size_t middle = t.n_middle_blocks > 0 ? kMiddleCoefs : 0;
  for (std::size_t lane = 0; lane < g.count; ++lane) {
    const double leading = log_determinant(s.reciprocals, 0, middle, lane);
    offsets[3 * lane + 1] +=
        leading + log_determinant(s.reciprocals, middle, n, lane) + tails[lane];
    offsets[3 * lane + 2] += leading + middle_tails[lane] + tails[lane];
  }
  return true;
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
