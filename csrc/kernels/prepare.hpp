// prepare: the tables of a group of components.
#pragma once
#include "prepare_exact.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

void prepare_filter(const double* eigenvalues, std::size_t c, const Tables& t) {
  const double noise_var = t.options.noise_var;
  double sum = 0, tail = 0;
  std::size_t rank = 0;
  for (std::size_t i = 0; i < t.d; ++i) {
    const double value = eigenvalues[i], gain = value / (value + noise_var);
    sum += gain;
    if (value > t.options.rank_tolerance * noise_var)
      ++rank;
    else
      tail += gain;
  }
  tail = rank < t.n_coefs ? tail / static_cast<double>(t.n_coefs - rank) : 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const double value = eigenvalues[i];
    t.gains[c * t.d_pad + i] = static_cast<float>(value / (value + noise_var) - tail);
  }
  t.ranks[c] = rank;
  t.tail_gain[c] = static_cast<float>(tail);
  t.confidence[c] = t.options.weighted ? static_cast<float>(1 / std::sqrt(1 + sum)) : 1.0f;
}

bool prepare(const MixtureParameters& parameters, std::size_t group, const Tables& tables,
             double* offsets, double* scratch) {
  const std::size_t first = group * kDoubleLanes, d = tables.d;
  const ComponentGroup g{parameters, first,
                         tables.k - first < kDoubleLanes ? tables.k - first : kDoubleLanes,
                         parameters.covariances + group * in_triangle(d, 0) * kDoubleLanes};
  for (std::size_t lane = 0; lane < g.count; ++lane) {
    const double log_weight = std::log(parameters.weights[first + lane]);
    for (std::size_t i = 0; i < 3; ++i) offsets[3 * lane + i] = -2 * log_weight;
    prepare_filter(parameters.eigenvalues + (first + lane) * d, first + lane, tables);
  }
  const FactorScratch s(scratch, tables.n_active, tables.options.exact);
  return tables.options.exact ? prepare_exact(g, tables, s, scratch, offsets)
                              : prepare_cascade(g, tables, s, offsets);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
