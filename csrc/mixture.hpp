// A mixture of Gaussians as the core holds it: immutable, and packed for the kernels of one isa.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

namespace fastepll {

struct PatchShape {
  std::size_t height, width, channels;
  std::size_t size() const { return height * width * channels; }
};

// What does not depend on the noise. All inputs are row-major float64: weights (k), eigenvalues
// (k, d) descending, eigenvectors (k, d, d) as columns, and basis (d, d), the orthonormal rows in
// which patches are written, the first of them constant. The d values of a patch come channel by
// channel.
class Mixture {
 public:
  // Returns null if poll stopped it.
  static std::shared_ptr<Mixture> make(const KernelTable& kernels, std::size_t k,
                                       const PatchShape& shape, const double* weights,
                                       const double* eigenvalues, const double* eigenvectors,
                                       const double* basis, int n_threads, const Poll& poll);

  const KernelTable& kernels;
  const std::size_t k;
  const PatchShape shape;
  const std::size_t d, n_coefs;
  std::size_t nbytes() const { return nbytes_; }

 private:
  friend class PreparedMixture;
  Mixture(const KernelTable& kernels, std::size_t k, const PatchShape& shape, const double* weights,
          const double* eigenvalues);
  MixtureParameters parameters() const;
  std::size_t groups() const { return ceil_div(k, kernels.double_lanes); }
  Tables tables() const;

  std::vector<double> weights_, eigenvalues_, variances_, basis_;
  Buffer<double> covariances_;
  Buffer<float> eigenvectors_;
  std::size_t nbytes_ = 0;
};

}  // namespace fastepll
