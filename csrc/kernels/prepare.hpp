// prepare: the tables of a group of components.
#pragma once
#include "cover.hpp"
#include "factor.hpp"
#include "rotate.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

struct Group {  // of components, in the lanes
  const Source& source;
  std::size_t first, count;   // of them; lanes beyond are not used
  const double* covariances;  // theirs
  const double* covariance(std::size_t a, std::size_t b) const {
    return covariances + in_triangle(a, b) * kLanes;
  }
};

constexpr double kZeros[kLanes] = {};

struct Scratch {
  Lanes factor, inverse, precision{};
  double *reciprocals, *cover = nullptr, *vectors = nullptr;  // n, n, n * kRank entries
  Scratch(double* begin, std::size_t coefs, bool exact) {
    const std::size_t n = round_up(coefs, kTile);
    const auto take = [&](std::size_t entries) {
      double* const mine = begin;
      begin += entries * kLanes;
      return mine;
    };
    reciprocals = take(n);
    factor = {take(n * n), n};
    inverse = {take(n * n), n};
    if (exact) {
      precision = {take(n * n), n};
      cover = take(n);
      vectors = take(n * kRank);
    }
  }
};

std::size_t prepare_scratch(const Tables& tables) {
  const std::size_t n = round_up(tables.coefs, kTile);
  return (n + 2 * n * n + (tables.spec.exact ? n * n + n + n * kRank : 0)) * kLanes;
}

inline bool all(const bool* definite, std::size_t count) {
  for (std::size_t lane = 0; lane < count; ++lane)
    if (!definite[lane]) return false;
  return true;
}

// The lower triangles in blocks of kStep rows, block b with (b + 1) * kStep columns, of the lanes
// that are wanted. entry(r, j) is where row r, column j is.
template <class Entry>
inline void pack_triangles(const Tables& t, const Group& g, const bool* wanted,
                           const Entry& entry) {
  const std::size_t n = t.coefs;
  std::size_t packed = 0;
  for (std::size_t begin = 0; begin < n; begin += kStep) {
    const std::size_t rows = n - begin < kStep ? n - begin : kStep;
    for (std::size_t j = 0; j < begin + rows; ++j, packed += kStep) {
      alignas(kAlign) float column[kStep][kLanes];
      const std::size_t skipped = j < begin ? 0 : j - begin;
      for (std::size_t r = skipped; r < rows; ++r)
        for (std::size_t lane = 0; lane < kLanes; ++lane)
          column[r][lane] = static_cast<float>(entry(begin + r, j)[lane]);
      for (std::size_t lane = 0; lane < g.count; ++lane) {
        if (!wanted[lane]) continue;
        float* target = t.rows + (g.first + lane) * t.rows_stride + packed;
        for (std::size_t r = skipped; r < rows; ++r) target[r] = column[r][lane];
      }
    }
    packed += (kStep - rows) * kStep;
  }
}

// Values of a group's components in column `feature` of a matrix k x features in blocks of kBlock
// rows.
inline float* at(float* packed, std::size_t features, const Group& g, std::size_t feature) {
  return packed + g.first / kBlock * kBlock * features + feature * kBlock + g.first % kBlock;
}

// Covariance of the leading n coefficients under noise, the lower triangle.
inline void noisy_corner(const Group& g, std::size_t n, double noise_var, const Lanes& corner) {
  const dvec one = set1(1.0), noise = set1(noise_var);
  for (std::size_t i = 0; i < corner.n; ++i) {
    for (std::size_t j = 0; j <= i; ++j)
      store(corner.at(i, j), i < n ? load(g.covariance(i + 1, j + 1)) : set1(i == j ? 1.0 : 0.0));
    if (i < n) store(corner.at(i, i), fma(one, noise, load(corner.at(i, i))));
  }
}

// Precisions of the coefficients begin to end, taken to have one variance under noise, and their
// part of the log determinants; nothing for an empty band.
inline void band_precisions(const Group& g, std::size_t begin, std::size_t end, double noise_var,
                            float* precisions, double* log_dets) {
  alignas(kAlign) double totals[kLanes] = {};
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

// From the inverse of the factor of the head.
inline void prepare_screen(const Group& g, const Tables& t, const Scratch& s, double* costs) {
  const std::size_t head = t.spec.head;
  std::size_t f = 0;
  alignas(kAlign) double sums[kLanes];
  double log_dets[kLanes];
  for (std::size_t i = 0; i < head; ++i)
    for (std::size_t j = i; j < head; ++j, ++f) {
      dvec sum = set1(0.0);
      for (std::size_t r = j; r < head; ++r)
        sum = fma(load(s.inverse.at(r, i)), load(s.inverse.at(r, j)), sum);
      store(sums, sum);
      for (std::size_t lane = 0; lane < g.count; ++lane)
        at(t.screen, t.features, g, f)[lane] = static_cast<float>((i == j ? 1 : 2) * sums[lane]);
    }
  for (std::size_t lane = 0; lane < g.count; ++lane)
    log_dets[lane] = log_determinant(s.reciprocals, 0, head, lane);
  for (std::size_t b = 0; b < t.bands; ++b, ++f)
    band_precisions(g, t.edges[b], t.edges[b + 1], t.spec.noise_var, at(t.screen, t.features, g, f),
                    log_dets);
  for (std::size_t lane = 0; lane < g.count; ++lane) costs[3 * lane] += log_dets[lane];
}

// Screen, middle and refined cost have one factor: that of the head is its corner.
bool prepare_cascade(const Group& g, const Tables& t, const Scratch& s, double* costs) {
  const std::size_t n = t.coefs;
  bool definite[kLanes];
  noisy_corner(g, n, t.spec.noise_var, s.factor);
  factorise(s.factor, kZeros, s.reciprocals, definite);
  if (!all(definite, g.count)) return false;
  invert(s.factor, s.reciprocals, s.inverse);
  prepare_screen(g, t, s, costs);
  pack_triangles(t, g, definite, [&](std::size_t r, std::size_t j) { return s.inverse.at(r, j); });
  double tails[kLanes] = {}, middle_tails[kLanes] = {};
  band_precisions(g, n, t.q, t.spec.noise_var, t.tail + g.first, tails);
  if (t.middle_blocks > 0)
    band_precisions(g, kMiddle, n, t.spec.noise_var, t.middle_tail + g.first, middle_tails);
  const std::size_t middle = t.middle_blocks > 0 ? kMiddle : 0;
  for (std::size_t lane = 0; lane < g.count; ++lane) {
    const double leading = log_determinant(s.reciprocals, 0, middle, lane);
    costs[3 * lane + 1] += leading + log_determinant(s.reciprocals, middle, n, lane) + tails[lane];
    costs[3 * lane + 2] += leading + middle_tails[lane] + tails[lane];
  }
  return true;
}

// Splits the precision P into a diagonal, as large as may be, and R'R, for which the cover that is
// found is scaled up, in each lane until it will do.
bool split_precisions(const Group& g, const Tables& t, const Scratch& s) {
  const std::size_t q = t.q, n = s.factor.n;
  const double noise_var = t.spec.noise_var;
  double scale[kLanes], step[kLanes], least[kLanes];
  bool due[kLanes], fits[kLanes], split[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    scale[lane] = 1.004;
    step[lane] = 0.003;
    due[lane] = lane < g.count;
  }
  const auto diagonal = [&](std::size_t i, std::size_t lane) {  // none at last, which always does
    return split[lane] ? 1 / noise_var - scale[lane] * s.cover[i * kLanes + lane] : 0;
  };
  // R from below: the factor of the matrix with its rows and columns in reverse order.
  const auto reversed = [&](std::size_t r, std::size_t j) {
    return s.factor.at(n - 1 - j, n - 1 - r);
  };
  for (bool again = true; again;) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        store(s.factor.at(i, j), load(s.precision.at(n - 1 - i, n - 1 - j)));
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      split[lane] = scale[lane] < 10;
      least[lane] = split[lane] ? 1e-9 / noise_var : 0;
    }
    for (std::size_t i = 0; i < q; ++i)
      for (std::size_t lane = 0; lane < g.count; ++lane)
        s.factor.at(n - 1 - i, n - 1 - i)[lane] -= diagonal(i, lane);
    factorise(s.factor, least, s.reciprocals, fits);
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
      for (std::size_t i = 0; i < q; ++i) {
        const float value = static_cast<float>(diagonal(i, lane));
        t.diagonal[(g.first + lane) * t.q_pad + i] = value;
        at(t.bound, q, g, i)[lane] = value;
      }
    }
    pack_triangles(t, g, fits, reversed);
  }
  return true;
}

bool prepare_exact(const Group& g, const Tables& t, const Scratch& s, double* scratch,
                   double* costs) {
  const std::size_t q = t.q;
  const double noise_var = t.spec.noise_var;
  bool definite[kLanes];
  const Scratch head(scratch, t.spec.head, false);  // the same memory
  noisy_corner(g, t.spec.head, noise_var, head.factor);
  factorise(head.factor, kZeros, head.reciprocals, definite);
  if (!all(definite, g.count)) return false;
  invert(head.factor, head.reciprocals, head.inverse);
  prepare_screen(g, t, head, costs);
  noisy_corner(g, q, noise_var, s.factor);
  alignas(kAlign) double mean_var[kLanes], weight[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    mean_var[lane] = g.covariance(0, 0)[lane] + noise_var;
  for (std::size_t i = 0; i < q; ++i) {  // given that the mean is 0
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      weight[lane] = g.covariance(i + 1, 0)[lane] / mean_var[lane];
    for (std::size_t j = 0; j <= i; ++j)
      store(s.factor.at(i, j),
            fnma(load(weight), load(g.covariance(j + 1, 0)), load(s.factor.at(i, j))));
  }
  factorise(s.factor, kZeros, s.reciprocals, definite);
  if (!all(definite, g.count)) return false;
  for (std::size_t lane = 0; lane < g.count; ++lane)
    costs[3 * lane + 1] += std::log(mean_var[lane]) + log_determinant(s.reciprocals, 0, q, lane);
  invert(s.factor, s.reciprocals, s.inverse);
  square(s.inverse, s.precision);
  cover_diagonally(s.precision, q, noise_var, g.source.spread, s.inverse, s.vectors, s.cover);
  return split_precisions(g, t, s);
}

void prepare_filter(const double* eigenvalues, std::size_t c, const Tables& t) {
  const double noise_var = t.spec.noise_var;
  double sum = 0, tail = 0;
  std::size_t rank = 0;
  for (std::size_t i = 0; i < t.d; ++i) {
    const double value = eigenvalues[i], gain = value / (value + noise_var);
    sum += gain;
    if (value > t.spec.rank_tolerance * noise_var)
      ++rank;
    else
      tail += gain;
  }
  tail = rank < t.q ? tail / static_cast<double>(t.q - rank) : 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const double value = eigenvalues[i];
    t.gains[c * t.d_pad + i] = static_cast<float>(value / (value + noise_var) - tail);
  }
  t.rank[c] = rank;
  t.tail_gain[c] = static_cast<float>(tail);
  t.weight[c] = t.spec.weighted ? static_cast<float>(1 / std::sqrt(1 + sum)) : 1.0f;
}

bool prepare(const Source& source, std::size_t group, const Tables& tables, double* costs,
             double* scratch) {
  const std::size_t first = group * kLanes, d = tables.d;
  const Group g{source, first, tables.k - first < kLanes ? tables.k - first : kLanes,
                source.covariances + group * in_triangle(d, 0) * kLanes};
  for (std::size_t lane = 0; lane < g.count; ++lane) {
    const double log_weight = std::log(source.weights[first + lane]);
    for (std::size_t i = 0; i < 3; ++i) costs[3 * lane + i] = -2 * log_weight;
    prepare_filter(source.eigenvalues + (first + lane) * d, first + lane, tables);
  }
  const Scratch s(scratch, tables.coefs, tables.spec.exact);
  return tables.spec.exact ? prepare_exact(g, tables, s, scratch, costs)
                           : prepare_cascade(g, tables, s, costs);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
