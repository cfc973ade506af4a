#include "mixture.hpp"

#include <algorithm>

namespace fastepll {

Mixture::Mixture(const KernelTable& kernel_table, std::size_t n_components,
                 const PatchShape& patch_shape, const double* weights, const double* eigenvalues)
    : kernels(kernel_table),
      k(n_components),
      shape(patch_shape),
      d(shape.size()),
      n_coefs(d - 1),
      weights_(weights, weights + k),
      eigenvalues_(eigenvalues, eigenvalues + k * d),
      variances_(n_coefs),
      covariances_(groups() * kernels.double_lanes * d * (d + 1) / 2) {}

MixtureParameters Mixture::parameters() const {
  return {weights_.data(), eigenvalues_.data(), variances_.data(), covariances_.get()};
}

// Sizes, and what does not depend on PassOptions.
Tables Mixture::tables() const {
  Tables t{};
  t.k = k;
  t.d = d;
  t.n_coefs = n_coefs;
  t.height = shape.height;
  t.width = shape.width;
  t.channels = shape.channels;
  t.k_pad = round_up(k, kernels.panel_rows);
  t.coefs_pad = round_up(n_coefs, kernels.panel_rows);
  t.d_pad = round_up(d, kPad);
  t.eigenvectors_stride = round_up(d, 4) * t.d_pad;
  t.eigenvectors = eigenvectors_.get();
  return t;
}

std::shared_ptr<Mixture> Mixture::make(const KernelTable& kernels, std::size_t k,
                                       const PatchShape& shape, const double* weights,
                                       const double* eigenvalues, const double* eigenvectors,
                                       const double* basis, int n_threads, const Poll& poll) {
  std::shared_ptr<Mixture> result(new Mixture(kernels, k, shape, weights, eigenvalues));
  Mixture& m = *result;
  const std::size_t d = m.d;
  m.eigenvectors_ = Buffer<float>(k * m.tables().eigenvectors_stride);
  m.basis_.assign(basis + d, basis + d * d);
  m.nbytes_ = m.covariances_.nbytes() + m.eigenvectors_.nbytes() +
              sizeof(double) * (k + m.n_coefs + m.eigenvalues_.size() + m.basis_.size());
  const std::size_t pitch = round_up(d, kPad), size = 4 * pitch * pitch;
  n_threads = static_cast<int>(std::min<std::size_t>(n_threads, m.groups()));
  const Buffer<double> basis_columns(d * pitch), scratch(size * n_threads);
  for (std::size_t i = 0; i < d * d; ++i) basis_columns.get()[i % d * pitch + i / d] = basis[i];
  const Tables tables = m.tables();
  const MixtureParameters parameters = m.parameters();
  const auto rotate = [&](std::size_t group, int thread) {
    kernels.rotate(parameters, eigenvectors, basis_columns.get(), pitch, group, tables,
                   scratch.get() + size * thread);
  };
  if (!parallel_for(m.groups(), n_threads, rotate, poll, 0, 0)) return nullptr;
  const std::size_t lanes = kernels.double_lanes, triangle = d * (d + 1) / 2;
  for (std::size_t c = 0; c < k; ++c)
    for (std::size_t i = 0; i < m.n_coefs; ++i)
      m.variances_[i] +=
          weights[c] *
          parameters
              .covariances[(c / lanes * triangle + (i + 1) * (i + 4) / 2) * lanes + c % lanes];
  return result;
}

}  // namespace fastepll
