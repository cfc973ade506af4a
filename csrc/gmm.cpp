#include "gmm.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

namespace fastepll {
namespace {

std::size_t round_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// Floats of a packed matrix, and of a packed lower triangle whose first block is the short one.
std::size_t packed_size(std::size_t rows, std::size_t cols, std::size_t block) {
  return round_up(rows, block) * cols;
}

std::size_t packed_triangle_size(std::size_t n, std::size_t block) {
  std::size_t size = block * block;
  for (std::size_t before = (n - 1) % block + 1; before < n; before += block)
    size += (before + block) * block;
  return size;
}

// Blocks of `block` rows (the last padded with zeros), each column by column.
void pack(const double* matrix, std::size_t pitch, std::size_t rows, std::size_t cols,
          std::size_t block, float* packed) {
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j)
      packed[i / block * block * cols + j * block + i % block] =
          static_cast<float>(matrix[i * pitch + j]);
}

// The same of the lower triangle; the first block has 1 to `block` rows, all others are full.
void pack_triangle(const double* lower, std::size_t pitch, std::size_t n, std::size_t block,
                   float* packed) {
  std::size_t rows = (n - 1) % block + 1;
  for (std::size_t before = 0; before < n; before += rows, rows = block) {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t j = 0; j <= before + r; ++j)
        packed[j * block + r] = static_cast<float>(lower[(before + r) * pitch + j]);
    packed += (before + block) * block;
  }
}

// For a symmetric positive definite matrix C (its upper triangle, row-major, destroyed): the lower
// triangular W with W'W = C^-1 and log det C. False if C is not positive definite.
bool whiten(double* c, std::size_t n, double* w, double& log_det) {
  log_det = 0;
  for (std::size_t j = 0; j < n; ++j) {  // C = U'U, U upper triangular, row by row
    const double pivot = c[j * n + j];
    if (!(pivot > 0)) return false;
    log_det += std::log(pivot);
    const double scale = 1 / std::sqrt(pivot);
    for (std::size_t l = j; l < n; ++l) c[j * n + l] *= scale;
    for (std::size_t i = j + 1; i < n; ++i) {
      const double factor = c[j * n + i];
      for (std::size_t l = i; l < n; ++l) c[i * n + l] -= factor * c[j * n + l];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {  // W = U'^-1 by forward substitution
    std::fill(w + i * n, w + (i + 1) * n, 0.0);
    w[i * n + i] = 1;
    for (std::size_t j = 0; j < i; ++j) {
      const double factor = c[j * n + i];
      for (std::size_t l = 0; l <= j; ++l) w[i * n + l] -= factor * w[j * n + l];
    }
    const double scale = 1 / c[i * n + i];
    for (std::size_t l = 0; l <= i; ++l) w[i * n + l] *= scale;
  }
  return true;
}

}  // namespace

Mixture::Mixture(const KernelTable& kernel_table, std::size_t n_components,
                 std::size_t patch_height, std::size_t patch_width, const double* weights,
                 const double* eigenvalues)
    : kernels(kernel_table),
      k(n_components),
      height(patch_height),
      width(patch_width),
      d(height * width),
      q(d - 1),
      weights_(weights, weights + k),
      eigenvalues_(eigenvalues, eigenvalues + k * d),
      covariances_(k * d * d),
      basis_(packed_size(q, d, kernels.rows)),
      analysis_(k * packed_size(d, q, kernels.rows)),
      synthesis_(k * packed_size(d, d, kernels.rows)) {}

std::shared_ptr<Mixture> Mixture::make(const KernelTable& kernels, std::size_t k,
                                       std::size_t height, std::size_t width, const double* weights,
                                       const double* eigenvalues, const double* eigenvectors,
                                       const double* basis, int n_threads, const Poll& poll) {
  std::shared_ptr<Mixture> result(new Mixture(kernels, k, height, width, weights, eigenvalues));
  const std::size_t d = result->d, q = result->q, rows = kernels.rows;
  pack(basis + d, d, q, d, rows, result->basis_.get());
  std::vector<double> columns(d * d);  // the basis, transposed
  for (std::size_t i = 0; i < d * d; ++i) columns[i % d * d + i / d] = basis[i];
  std::vector<double> scratch(d * d * n_threads);
  const auto rotate = [&](std::size_t c, int thread) {
    const double* vectors = eigenvectors + c * d * d;
    double* covariance = result->covariances_.get() + c * d * d;
    double* rotated = scratch.data() + d * d * thread;  // row j: eigenvector j in the basis
    std::fill_n(rotated, d * d, 0.0);
    for (std::size_t j = 0; j < d; ++j)
      for (std::size_t l = 0; l < d; ++l)
        for (std::size_t i = 0; i < d; ++i)
          rotated[j * d + i] += vectors[l * d + j] * columns[l * d + i];
    for (std::size_t a = 0; a < d; ++a)
      for (std::size_t j = 0; j < d; ++j) {
        const double factor = eigenvalues[c * d + j] * rotated[j * d + a];
        for (std::size_t b = a; b < d; ++b) covariance[a * d + b] += factor * rotated[j * d + b];
      }
    pack(rotated + 1, d, d, q, rows, result->analysis_.get() + c * packed_size(d, q, rows));
    pack(vectors, d, d, d, rows, result->synthesis_.get() + c * packed_size(d, d, rows));
  };
  return parallel_for(k, n_threads, rotate, poll, 0, 0) ? result : nullptr;
}

Prepared::Prepared(std::shared_ptr<const Mixture> mixture)
    : mixture_(std::move(mixture)),
      whiten_stride_(packed_triangle_size(mixture_->q, mixture_->kernels.rows)),
      whiten_(mixture_->k * whiten_stride_),
      cost_(mixture_->k),
      tail_(mixture_->k * blocks()),
      leak_(mixture_->k * blocks()),
      gains_(mixture_->k * mixture_->d) {}

std::unique_ptr<Prepared> Prepared::make(std::shared_ptr<const Mixture> mixture, double noise_var,
                                         int n_threads, const Poll& poll) {
  std::unique_ptr<Prepared> result(new Prepared(std::move(mixture)));
  const Mixture& m = result->mixture();
  const std::size_t d = m.d;
  std::vector<double> cost(m.k);
  std::vector<double> scratch(2 * d * d * n_threads);
  std::atomic<bool> definite{true};
  const auto prepare = [&](std::size_t c, int thread) {
    double* covariance = scratch.data() + 2 * d * d * thread;
    double* factor = covariance + d * d;
    std::copy_n(m.covariances_.get() + c * d * d, d * d, covariance);
    for (std::size_t i = 0; i < d; ++i) covariance[i * (d + 1)] += noise_var;
    double log_det;
    if (!whiten(covariance, d, factor, log_det)) {
      definite = false;
      return;
    }
    cost[c] = log_det - 2 * std::log(m.weights_[c]);
    pack_triangle(factor + d + 1, d, m.q, m.kernels.rows,
                  result->whiten_.get() + c * result->whiten_stride_);
    result->bound(c, noise_var, covariance);
    for (std::size_t i = 0; i < d; ++i) {
      const double variance = m.eigenvalues_[c * d + i];
      result->gains_.get()[c * d + i] = static_cast<float>(variance / (variance + noise_var));
    }
  };
  if (!parallel_for(m.k, n_threads, prepare, poll, 0, 0)) return nullptr;
  if (!definite) throw std::invalid_argument("a covariance of the model is not positive definite");
  const double lowest = *std::min_element(cost.begin(), cost.end());
  for (std::size_t c = 0; c < m.k; ++c)
    result->cost_.get()[c] = static_cast<float>(cost[c] - lowest);
  return result;
}

// The numbers of the bound in select.hpp, from the upper triangular factor U = L'. Frobenius norms
// stand for the spectral ones: not below them, and cheap. Of the tail's corner of the covariance,
// and of L21 = all of the tail's rows of L less its own corner, both summed up from the last row.
void Prepared::bound(std::size_t c, double noise_var, const double* factor) {
  const Mixture& m = *mixture_;
  const double* covariance = m.covariances_.get() + c * m.d * m.d;
  double corner = 0, leak = 0;
  std::size_t block = blocks();
  for (std::size_t i = m.d; i-- > 1;) {
    const double *row = covariance + i * m.d, *column = factor + i * m.d;
    corner += row[i] * row[i];
    leak += row[i] + noise_var - factor[i] * factor[i];  // squares of row i of L, without column 0
    for (std::size_t j = i; j < m.d; ++j) leak -= column[j] * column[j];
    for (std::size_t j = i + 1; j < m.d; ++j) corner += 2 * row[j] * row[j];
    if (i > 1 && (m.d - i) % m.kernels.rows != 0) continue;
    const double tail = 1 / std::sqrt(noise_var + std::sqrt(corner));
    --block;
    tail_.get()[c * blocks() + block] = static_cast<float>(tail);
    leak_.get()[c * blocks() + block] = static_cast<float>(tail * std::sqrt(std::max(leak, 0.0)));
  }
}

MixtureView Prepared::view() const {
  const Mixture& m = *mixture_;
  MixtureView view{};
  view.k = m.k;
  view.d = m.d;
  view.q = m.q;
  view.basis = m.basis_.get();
  view.whiten = whiten_.get();
  view.cost = cost_.get();
  view.tail = tail_.get();
  view.leak = leak_.get();
  view.blocks = blocks();
  view.analysis = m.analysis_.get();
  view.gains = gains_.get();
  view.synthesis = m.synthesis_.get();
  view.whiten_stride = whiten_stride_;
  view.analysis_stride = packed_size(m.d, m.q, m.kernels.rows);
  view.gain_stride = m.d;
  view.synthesis_stride = packed_size(m.d, m.d, m.kernels.rows);
  return view;
}

}  // namespace fastepll
