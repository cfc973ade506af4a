// The mixture as the core holds it: immutable, and packed for the kernels of one level.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

namespace fastepll {

// What does not depend on the noise level. All inputs are row-major float64: weights (k),
// eigenvalues (k, d), eigenvectors (k, d, d) as columns, and basis (d, d), the orthonormal rows in
// which patches are written, the first of them constant.
class Mixture {
 public:
  // Returns null if poll stopped it.
  static std::shared_ptr<Mixture> make(const KernelTable& kernels, std::size_t k,
                                       std::size_t height, std::size_t width, const double* weights,
                                       const double* eigenvalues, const double* eigenvectors,
                                       const double* basis, int n_threads, const Poll& poll);

  const KernelTable& kernels;
  const std::size_t k, height, width, d, q;

 private:
  friend class Prepared;
  Mixture(const KernelTable& kernels, std::size_t k, std::size_t height, std::size_t width,
          const double* weights, const double* eigenvalues);

  std::vector<double> weights_, eigenvalues_;
  Buffer<double> covariances_;  // in the basis; upper triangles
  Buffer<float> basis_, analysis_, synthesis_;
};

// A mixture ready for one noise variance.
class Prepared {
 public:
  // Throws std::invalid_argument if a covariance plus noise_var times identity is not positive
  // definite; returns null if poll stopped it.
  static std::unique_ptr<Prepared> make(std::shared_ptr<const Mixture> mixture, double noise_var,
                                        int n_threads, const Poll& poll);

  MixtureView view() const;
  const Mixture& mixture() const { return *mixture_; }

 private:
  explicit Prepared(std::shared_ptr<const Mixture> mixture);
  std::size_t blocks() const { return (mixture_->q - 1) / mixture_->kernels.rows + 1; }
  void bound(std::size_t c, double noise_var, const double* factor);

  std::shared_ptr<const Mixture> mixture_;
  std::size_t whiten_stride_;
  Buffer<float> whiten_, cost_, tail_, leak_, gains_;
};

}  // namespace fastepll
