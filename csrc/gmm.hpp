// The mixture as the core holds it: immutable, and packed for the kernels of one level.
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

// What does not depend on the noise level. All inputs are row-major float64: weights (k),
// eigenvalues (k, d) descending, eigenvectors (k, d, d) as columns, and basis (d, d), the
// orthonormal rows in which patches are written, the first of them constant. The d values of a
// patch come channel by channel.
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
  const std::size_t d, q;
  std::size_t nbytes() const { return nbytes_; }

 private:
  friend class Prepared;
  Mixture(const KernelTable& kernels, std::size_t k, const PatchShape& shape, const double* weights,
          const double* eigenvalues);
  Source source() const;
  std::size_t groups() const { return (k + kernels.lanes - 1) / kernels.lanes; }
  Tables tables() const;

  std::vector<double> weights_, eigenvalues_, spread_, basis_;
  Buffer<double> covariances_;
  Buffer<float> vectors_;
  std::size_t nbytes_ = 0;
};

// A mixture ready for one Spec.
class Prepared {
 public:
  // Throws std::invalid_argument if a covariance plus noise_var times identity is not positive
  // definite; returns null if poll stopped it.
  static std::unique_ptr<Prepared> make(std::shared_ptr<const Mixture> mixture, const Spec& spec,
                                        int n_threads, const Poll& poll);

  const Tables& tables() const { return tables_; }
  const Mixture& mixture() const { return *mixture_; }
  std::size_t nbytes() const { return floats_.nbytes(); }
  double lowest_cost() const { return lowest_cost_; }  // what refined costs count from

 private:
  Prepared(std::shared_ptr<const Mixture> mixture, const Spec& spec);

  std::shared_ptr<const Mixture> mixture_;
  Tables tables_;
  Buffer<float> floats_;
  double lowest_cost_ = 0;
  std::vector<std::size_t> ranks_;
};

}  // namespace fastepll
