// prepare: a group of components side by side, and how their matrices are packed.
#pragma once
#include "majorise.hpp"
#include "rotate.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

struct ComponentGroup {  // one component per lane
  const MixtureParameters& parameters;
  std::size_t first, count;   // of them; lanes beyond are not used
  const double* covariances;  // theirs
  const double* covariance(std::size_t a, std::size_t b) const {
    return covariances + in_triangle(a, b) * kDoubleLanes;
  }
};

constexpr double kZeros[kDoubleLanes] = {};

struct FactorScratch {
  MatrixBatch factor, inverse, precision{};
  double *reciprocals, *majoriser = nullptr;  // n entries each
  double* vectors = nullptr;                  // n * kMajoriserRank entries
  FactorScratch(double* begin, std::size_t n_active, bool exact) {
    const std::size_t n = round_up(n_active, kMatrixTile);
    const auto take = [&](std::size_t entries) {
      double* const mine = begin;
      begin += entries * kDoubleLanes;
      return mine;
    };
    reciprocals = take(n);
    factor = {take(n * n), n};
    inverse = {take(n * n), n};
    if (exact) {
      precision = {take(n * n), n};
      majoriser = take(n);
      vectors = take(n * kMajoriserRank);
    }
  }
};

std::size_t prepare_scratch(const Tables& tables) {
  const std::size_t n = round_up(tables.n_active, kMatrixTile);
  return (n + 2 * n * n + (tables.options.exact ? n * n + n + n * kMajoriserRank : 0)) *
         kDoubleLanes;
}

inline bool all(const bool* definite, std::size_t count) {
  for (std::size_t lane = 0; lane < count; ++lane)
    if (!definite[lane]) return false;
  return true;
}

// The lower triangles in blocks of kTriangleRows rows, block b with (b + 1) * kTriangleRows
// columns, of the lanes that are wanted. entry(r, j) is where row r, column j is.
template <class Entry>
inline void pack_triangles(const Tables& t, const ComponentGroup& g, const bool* wanted,
                           const Entry& entry) {
  const std::size_t n = t.n_active;
  std::size_t packed = 0;
  for (std::size_t begin = 0; begin < n; begin += kTriangleRows) {
    const std::size_t rows = n - begin < kTriangleRows ? n - begin : kTriangleRows;
    for (std::size_t j = 0; j < begin + rows; ++j, packed += kTriangleRows) {
      alignas(kAlign) float column[kTriangleRows][kDoubleLanes];
      const std::size_t skipped = j < begin ? 0 : j - begin;
      for (std::size_t r = skipped; r < rows; ++r)
        for (std::size_t lane = 0; lane < kDoubleLanes; ++lane)
          column[r][lane] = static_cast<float>(entry(begin + r, j)[lane]);
      for (std::size_t lane = 0; lane < g.count; ++lane) {
        if (!wanted[lane]) continue;
        float* target = t.factor_rows + (g.first + lane) * t.factor_stride + packed;
        for (std::size_t r = skipped; r < rows; ++r) target[r] = column[r][lane];
      }
    }
    packed += (kTriangleRows - rows) * kTriangleRows;
  }
}

// Values of a group's components in column `feature` of panels, k x features.
inline float* at(float* packed, std::size_t features, const ComponentGroup& g,
                 std::size_t feature) {
  return packed + g.first / kPanelRows * kPanelRows * features + feature * kPanelRows +
         g.first % kPanelRows;
}

// Covariance of the leading n coefficients under noise, the lower triangle.
inline void noisy_covariance(const ComponentGroup& g, std::size_t n, double noise_var,
                             const MatrixBatch& corner) {
  const dvec one = set1(1.0), noise = set1(noise_var);
  for (std::size_t i = 0; i < corner.n; ++i) {
    for (std::size_t j = 0; j <= i; ++j)
      store(corner.at(i, j), i < n ? load(g.covariance(i + 1, j + 1)) : set1(i == j ? 1.0 : 0.0));
    if (i < n) store(corner.at(i, i), fma(one, noise, load(corner.at(i, i))));
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
