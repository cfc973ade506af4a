// prepare: the tables of one component.
#pragma once
#include "factor.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

// The lower triangle in blocks of kStep rows, block b with (b + 1) * kStep columns.
inline void pack_triangle(const double* lower, std::size_t n, float* packed) {
  for (std::size_t begin = 0; begin < n; begin += kStep) {
    for (std::size_t r = 0; r < kStep && begin + r < n; ++r)
      for (std::size_t j = 0; j <= begin + r; ++j)
        packed[j * kStep + r] = static_cast<float>(lower[(begin + r) * n + j]);
    packed += (begin + kStep) * kStep;
  }
}

// Value of component c in column `feature` of a matrix k x features in blocks of kBlock rows.
inline float& at(float* packed, std::size_t features, std::size_t c, std::size_t feature) {
  return packed[c / kBlock * kBlock * features + feature * kBlock + c % kBlock];
}

void rotate(const double* vectors, const double* columns, const Component& component, std::size_t c,
            const Tables& tables, double* covariance, double* scratch) {
  const std::size_t d = tables.d;
  for (std::size_t i = 0; i < d * d; ++i) scratch[i] = 0;  // row j: eigenvector j in the basis
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j)
      add_scaled(scratch + j * d, vectors[i * d + j], columns + i * d, d);
  for (std::size_t i = 0; i < d * d; ++i) covariance[i] = 0;
  for (std::size_t j = 0; j < d; ++j)
    for (std::size_t a = 0; a < d; ++a)
      add_scaled(covariance + a * d, component.eigenvalues[j] * scratch[j * d + a], scratch + j * d,
                 a + 1);
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t b = 0; b < a; ++b) covariance[b * d + a] = covariance[a * d + b];
  float* rows = tables.vectors + c * tables.vectors_stride;
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j)
      rows[j * tables.d_pad + i] = static_cast<float>(vectors[i * d + j]);
}

// Covariance of the leading n coefficients under noise.
inline void noisy_corner(const Component& component, std::size_t d, std::size_t n, double noise_var,
                         double* corner) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      corner[i * n + j] = component.covariance[(i + 1) * d + j + 1];
    corner[i * (n + 1)] += noise_var;
  }
}

// Mean variance of the coefficients begin to end under noise.
inline double band_variance(const Component& component, std::size_t d, std::size_t begin,
                            std::size_t end, double noise_var) {
  double total = 0;
  for (std::size_t i = begin; i < end; ++i) total += component.covariance[(i + 1) * (d + 1)];
  return noise_var + total / static_cast<double>(end - begin);
}

// Precision of one band and its part of the log determinant; nothing for an empty band.
inline float band_precision(const Component& component, std::size_t d, std::size_t begin,
                            std::size_t end, double noise_var, double& log_det) {
  if (begin == end) return 0;
  const double variance = band_variance(component, d, begin, end, noise_var);
  log_det += static_cast<double>(end - begin) * std::log(variance);
  return static_cast<float>(1 / variance);
}

bool prepare_screen(const Component& component, std::size_t c, const Tables& t, double& log_det,
                    double* scratch) {
  const std::size_t head = t.spec.head;
  const double noise_var = t.spec.noise_var;
  double *w = scratch + head * head, *precision = w + head * head;
  noisy_corner(component, t.d, head, noise_var, scratch);
  if (!whiten(scratch, head, w, log_det)) return false;
  square(w, head, precision);
  std::size_t f = 0;
  for (std::size_t i = 0; i < head; ++i)
    for (std::size_t j = i; j < head; ++j)
      at(t.screen, t.features, c, f++) =
          static_cast<float>((i == j ? 1 : 2) * precision[i * head + j]);
  for (std::size_t b = 0; b < t.bands; ++b)
    at(t.screen, t.features, c, f++) =
        band_precision(component, t.d, t.edges[b], t.edges[b + 1], noise_var, log_det);
  return true;
}

bool prepare_refined(const Component& component, std::size_t c, const Tables& t, double& log_det,
                     double& middle_log_det, double* scratch) {
  const std::size_t n = t.coefs;
  const double noise_var = t.spec.noise_var;
  double *w = scratch + n * n, tail_log_det = 0;
  noisy_corner(component, t.d, n, noise_var, scratch);
  if (!whiten(scratch, n, w, log_det)) return false;
  pack_triangle(w, n, t.rows + c * t.rows_stride);
  t.tail[c] = band_precision(component, t.d, n, t.q, noise_var, tail_log_det);
  log_det += tail_log_det;
  middle_log_det += tail_log_det;
  if (t.middle_blocks == 0) return true;
  for (std::size_t i = 0; i < kMiddle; ++i) middle_log_det -= 2 * std::log(w[i * (n + 1)]);
  t.middle_tail[c] = band_precision(component, t.d, kMiddle, n, noise_var, middle_log_det);
  return true;
}

// Splits the precision P into a diagonal, as large as may be, and R'R.
bool prepare_exact(const Component& component, std::size_t c, const Tables& t, double& log_det,
                   double* scratch, float* floats) {
  const std::size_t q = t.q;
  const double noise_var = t.spec.noise_var;
  double *w = scratch + q * q, *precision = w + q * q, *cover = precision + q * q,
         *share = cover + q;
  noisy_corner(component, t.d, q, noise_var, scratch);
  const double* with_mean = component.covariance + 1;  // given that the mean is 0
  const double mean_variance = component.covariance[0] + noise_var;
  log_det += std::log(mean_variance);
  for (std::size_t i = 0; i < q; ++i)
    add_scaled(scratch + i * q, -with_mean[i] / mean_variance, with_mean, q);
  if (!whiten(scratch, q, w, log_det)) return false;
  square(w, q, precision);
  for (std::size_t i = 0; i < q; ++i) share[i] = 0.5 * component.spread[i] + noise_var;
  cover_diagonally(precision, q, noise_var, share, floats, floats + q * q, cover);
  double* rest = w;
  for (double scale = 1.004, step = 0.003;; scale += step, step *= 1.5) {
    const bool split = scale < 10;  // else without a diagonal, which always does
    for (std::size_t i = 0; i < q * q; ++i) rest[i] = precision[i];
    for (std::size_t i = 0; i < q; ++i) {
      cover[i] = split ? cover[i] : 1 / (noise_var * scale);
      rest[i * (q + 1)] -= 1 / noise_var - scale * cover[i];
    }
    if (!factor_from_below(rest, q, split ? 1e-9 / noise_var : 0)) {
      if (split) continue;
      return false;
    }
    for (std::size_t i = 0; i < q; ++i) {
      const float value = static_cast<float>(1 / noise_var - scale * cover[i]);
      t.diagonal[c * t.q_pad + i] = value;
      at(t.bound, q, c, i) = value;
    }
    pack_triangle(rest, q, t.rows + c * t.rows_stride);
    return true;
  }
}

void prepare_filter(const Component& component, std::size_t c, const Tables& t) {
  const double noise_var = t.spec.noise_var;
  double sum = 0, tail = 0;
  std::size_t rank = 0;
  for (std::size_t i = 0; i < t.d; ++i) {
    const double value = component.eigenvalues[i], gain = value / (value + noise_var);
    sum += gain;
    if (value > t.spec.rank_tolerance * noise_var)
      ++rank;
    else
      tail += gain;
  }
  tail = rank < t.q ? tail / static_cast<double>(t.q - rank) : 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const double value = component.eigenvalues[i];
    t.gains[c * t.d_pad + i] = static_cast<float>(value / (value + noise_var) - tail);
  }
  t.rank[c] = rank;
  t.tail_gain[c] = static_cast<float>(tail);
  t.weight[c] = t.spec.weighted ? static_cast<float>(1 / std::sqrt(1 + sum)) : 1.0f;
}

bool prepare(const Component& component, std::size_t c, const Tables& tables, double* costs,
             double* scratch, float* floats) {
  costs[0] = costs[1] = costs[2] = -2 * std::log(component.weight);
  if (!prepare_screen(component, c, tables, costs[0], scratch)) return false;
  prepare_filter(component, c, tables);
  return tables.spec.exact ? prepare_exact(component, c, tables, costs[1], scratch, floats)
                           : prepare_refined(component, c, tables, costs[1], costs[2], scratch);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
