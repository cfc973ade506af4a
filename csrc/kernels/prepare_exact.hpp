// prepare: the tables of exact selection, precisions split so that parts of them bound the cost.
#pragma once
#include "prepare_cascade.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Splits the precision P into a diagonal, as large as may be, and R'R, for which the majoriser that
// is found is scaled up, in each lane until it will do.
bool split_precisions(const ComponentGroup& g, const Tables& t, const FactorScratch& s) {
  const std::size_t n_coefs = t.n_coefs, n = s.factor.n;
  const double noise_var = t.options.noise_var;
  double scale[kDoubleLanes], step[kDoubleLanes], least[kDoubleLanes];
  bool due[kDoubleLanes], fits[kDoubleLanes], split[kDoubleLanes];
  for (std::size_t lane = 0; lane < kDoubleLanes; ++lane) {
    scale[lane] = 1.004;
    step[lane] = 0.003;
    due[lane] = lane < g.count;
  }
  const auto diagonal = [&](std::size_t i, std::size_t lane) {  // none at last, which always does
    return split[lane] ? 1 / noise_var - scale[lane] * s.majoriser[i * kDoubleLanes + lane] : 0;
  };
  // R from below: the factor of the matrix with its rows and columns in reverse order.
  const auto reversed = [&](std::size_t r, std::size_t j) {
    return s.factor.at(n - 1 - j, n - 1 - r);
  };
  for (bool again = true; again;) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        store(s.factor.at(i, j), load(s.precision.at(n - 1 - i, n - 1 - j)));
    for (std::size_t lane = 0; lane < kDoubleLanes; ++lane) {
      split[lane] = scale[lane] < 10;
      least[lane] = split[lane] ? 1e-9 / noise_var : 0;
    }
    for (std::size_t i = 0; i < n_coefs; ++i)
      for (std::size_t lane = 0; lane < g.count; ++lane)
        s.factor.at(n - 1 - i, n - 1 - i)[lane] -= diagonal(i, lane);
    cholesky(s.factor, least, s.reciprocals, fits);
    again = false;
    for (std::size_t lane = 0; lane < g.count; ++lane) {
      fits[lane] = fits[lane] && due[lane];
      if (!fits[lane] && due[lane] && !split[lane]) return false;
      if (!fits[lane] && due[lane]) {
        scale[lane] += step[lane];
        step[lane] *= 1.5;
        again = true;
        continue;
      }
      if (!due[lane]) continue;
      due[lane] = false;
      for (std::size_t i = 0; i < n_coefs; ++i) {
        const float value = static_cast<float>(diagonal(i, lane));
        t.diagonal[(g.first + lane) * t.coefs_pad + i] = value;
        at(t.bound_weights, n_coefs, g, i)[lane] = value;
      }
    }
    pack_triangles(t, g, fits, reversed);
  }
  return true;
}

bool prepare_exact(const ComponentGroup& g, const Tables& t, const FactorScratch& s,
                   double* scratch, double* offsets) {
  const std::size_t n_coefs = t.n_coefs;
  const double noise_var = t.options.noise_var;
  bool definite[kDoubleLanes];
  const FactorScratch screen(scratch, t.options.n_screen, false);  // the same memory
  noisy_covariance(g, t.options.n_screen, noise_var, screen.factor);
  cholesky(screen.factor, kZeros, screen.reciprocals, definite);
  if (!all(definite, g.count)) return false;
  invert_triangle(screen.factor, screen.reciprocals, screen.inverse);
  prepare_screen(g, t, screen, offsets);
  noisy_covariance(g, n_coefs, noise_var, s.factor);
  alignas(kAlign) double mean_var[kDoubleLanes], weight[kDoubleLanes];
  for (std::size_t lane = 0; lane < kDoubleLanes; ++lane)
    mean_var[lane] = g.covariance(0, 0)[lane] + noise_var;
  for (std::size_t i = 0; i < n_coefs; ++i) {  // given that the mean is 0
    for (std::size_t lane = 0; lane < kDoubleLanes; ++lane)
      weight[lane] = g.covariance(i + 1, 0)[lane] / mean_var[lane];
    for (std::size_t j = 0; j <= i; ++j)
      store(s.factor.at(i, j),
            fnma(load(weight), load(g.covariance(j + 1, 0)), load(s.factor.at(i, j))));
  }
  cholesky(s.factor, kZeros, s.reciprocals, definite);
  if (!all(definite, g.count)) return false;
  for (std::size_t lane = 0; lane < g.count; ++lane)
    offsets[3 * lane + 1] +=
        std::log(mean_var[lane]) + log_determinant(s.reciprocals, 0, n_coefs, lane);
  invert_triangle(s.factor, s.reciprocals, s.inverse);
  gram(s.inverse, s.precision);
  majorise_diagonally(s.precision, n_coefs, noise_var, g.parameters.variances, s.inverse, s.vectors,
                      s.majoriser);
  return split_precisions(g, t, s);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
