// Factors of symmetric float64 matrices, kDoubleLanes of them side by side: what the tables of a
// mixture are made from. No sum goes across lanes, so that every instruction works on kDoubleLanes
// components.
#pragma once
#include <cmath>

#include "../simd.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// Matrices of n x n entries, n a multiple of kMatrixTile, row-major; an entry is kDoubleLanes
// numbers, one for each component. Rows and columns that only fill up are those of the identity.
struct MatrixBatch {
  double* data;
  std::size_t n;
  double* at(std::size_t i, std::size_t j) const { return data + (i * n + j) * kDoubleLanes; }
};

struct Stride {  // from row to row of a factor, and from one term of a sum to the next
  std::size_t row, term;
};

using MatrixTile = dvec[kMatrixTile][kMatrixTile];

// sums -= the terms a b, n of them: sums[r][c] of row r of a and row c of b.
inline void subtract_product(const double* a, Stride sa, const double* b, Stride sb, std::size_t n,
                             MatrixTile& sums) {
  FASTEPLL_UNROLL
  for (std::size_t begin = 0; begin < kMatrixTile; begin += kMatrixTileCols) {
    const double *x = a, *y = b + begin * sb.row * kDoubleLanes;
    for (std::size_t i = 0; i < n; ++i, x += sa.term * kDoubleLanes, y += sb.term * kDoubleLanes) {
      dvec right[kMatrixTileCols];
      FASTEPLL_UNROLL
      for (std::size_t c = 0; c < kMatrixTileCols; ++c)
        right[c] = load(y + c * sb.row * kDoubleLanes);
      FASTEPLL_UNROLL
      for (std::size_t r = 0; r < kMatrixTile; ++r) {
        const dvec left = load(x + r * sa.row * kDoubleLanes);
        FASTEPLL_UNROLL
        for (std::size_t c = 0; c < kMatrixTileCols; ++c)
          sums[r][begin + c] = fnma(left, right[c], sums[r][begin + c]);
      }
    }
  }
}

inline void load_tile(const MatrixBatch& m, std::size_t i, std::size_t j, MatrixTile& tile) {
  for (std::size_t r = 0; r < kMatrixTile; ++r)
    for (std::size_t c = 0; c < kMatrixTile; ++c) tile[r][c] = load(m.at(i + r, j + c));
}

inline void store_tile(const MatrixBatch& m, std::size_t i, std::size_t j, const MatrixTile& tile) {
  for (std::size_t r = 0; r < kMatrixTile; ++r)
    for (std::size_t c = 0; c < kMatrixTile; ++c) store(m.at(i + r, j + c), tile[r][c]);
}

inline void clear(MatrixTile& tile) {
  for (auto& row : tile)
    for (dvec& value : row) value = set1(0.0);
}

// C = L L' in place of C's lower triangle, and the reciprocals of L's diagonal. A lane of which a
// pivot is not above its `least` is not definite; what it gets is meaningless.
inline void cholesky(const MatrixBatch& c, const double* least, double* reciprocals,
                     bool* definite) {
  for (std::size_t l = 0; l < kDoubleLanes; ++l) definite[l] = true;
  for (std::size_t j = 0; j < c.n; j += kMatrixTile)
    for (std::size_t i = j; i < c.n; i += kMatrixTile) {
      MatrixTile tile;
      load_tile(c, i, j, tile);
      subtract_product(c.at(i, 0), {c.n, 1}, c.at(j, 0), {c.n, 1}, j, tile);
      for (std::size_t e = 0; e < kMatrixTile; ++e) {
        double* reciprocal = reciprocals + (j + e) * kDoubleLanes;
        if (i == j) {
          store(reciprocal, tile[e][e]);
          for (std::size_t l = 0; l < kDoubleLanes; ++l) {
            definite[l] = definite[l] && reciprocal[l] > least[l];
            reciprocal[l] = 1 / std::sqrt(reciprocal[l]);
          }
        }
        for (std::size_t r = i == j ? e : 0; r < kMatrixTile; ++r) {
          tile[r][e] = mul(tile[r][e], load(reciprocal));
          store(c.at(i + r, j + e), tile[r][e]);
        }
        for (std::size_t f = e + 1; f < kMatrixTile; ++f) {
          const dvec factor = i == j ? tile[f][e] : load(c.at(j + f, j + e));
          for (std::size_t r = i == j ? f : 0; r < kMatrixTile; ++r)
            tile[r][f] = fnma(tile[r][e], factor, tile[r][f]);
        }
      }
    }
}

// W = L^-1, lower triangular; of the tiles above the diagonal nothing is written.
inline void invert_triangle(const MatrixBatch& l, const double* reciprocals, const MatrixBatch& w) {
  for (std::size_t i = 0; i < l.n; i += kMatrixTile) {
    MatrixTile corner, tile, product;
    clear(corner);
    for (std::size_t r = 0; r < kMatrixTile; ++r) {
      const dvec reciprocal = load(reciprocals + (i + r) * kDoubleLanes);
      for (std::size_t c = 0; c < r; ++c) {
        for (std::size_t e = c; e < r; ++e)
          corner[r][c] = fnma(load(l.at(i + r, i + e)), corner[e][c], corner[r][c]);
        corner[r][c] = mul(corner[r][c], reciprocal);
      }
      corner[r][r] = reciprocal;
    }
    store_tile(w, i, i, corner);
    for (std::size_t j = 0; j < i; j += kMatrixTile) {
      clear(tile);
      subtract_product(l.at(i, j), {l.n, 1}, w.at(j, j), {1, l.n}, i - j, tile);
      clear(product);
      for (std::size_t r = 0; r < kMatrixTile; ++r)
        for (std::size_t e = 0; e <= r; ++e)
          for (std::size_t c = 0; c < kMatrixTile; ++c)
            product[r][c] = fma(corner[r][e], tile[e][c], product[r][c]);
      store_tile(w, i, j, product);
    }
  }
}

// P = W'W for lower triangular W; both triangles.
inline void gram(const MatrixBatch& w, const MatrixBatch& p) {
  for (std::size_t i = 0; i < w.n; i += kMatrixTile)
    for (std::size_t j = 0; j <= i; j += kMatrixTile) {
      MatrixTile tile;
      clear(tile);
      subtract_product(w.at(i, i), {1, w.n}, w.at(i, j), {1, w.n}, w.n - i, tile);
      for (std::size_t r = 0; r < kMatrixTile; ++r)
        for (std::size_t c = 0; c < kMatrixTile; ++c) {
          const dvec value = mul(tile[r][c], set1(-1.0));
          store(p.at(i + r, j + c), value);
          store(p.at(j + c, i + r), value);
        }
    }
}

// Log determinant of the leading coefficients begin to end of one lane of C, from L's reciprocals.
inline double log_determinant(const double* reciprocals, std::size_t begin, std::size_t end,
                              std::size_t lane) {
  double total = 0;
  for (; begin < end; begin += 2) {  // products of two stay within the range of float64
    const double next = begin + 1 < end ? reciprocals[(begin + 1) * kDoubleLanes + lane] : 1;
    total -= 2 * std::log(reciprocals[begin * kDoubleLanes + lane] * next);
  }
  return total;
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
