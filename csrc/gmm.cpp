#include "gmm.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

namespace fastepll {
namespace {

// exp(-window u^2), u the distance from the middle in half-sides.
void fall_off(float* line, std::size_t n, double window) {
  for (std::size_t i = 0; i < n; ++i) {
    const double u =
        (static_cast<double>(2 * i + 1) - static_cast<double>(n)) / static_cast<double>(n);
    line[i] = static_cast<float>(std::exp(-window * u * u));
  }
}

// Threads that preparing these tables is work for: some 300 microseconds each at least.
int useful_threads(const Tables& t) {
  const std::size_t factors = t.spec.exact ? 20 : 2;  // that are computed, or what takes as long
  const std::size_t work = t.k * factors * t.coefs * t.coefs * t.coefs / 6;
  return static_cast<int>(std::min<std::size_t>(1 + (work >> 20), 1024));
}

}  // namespace

Mixture::Mixture(const KernelTable& kernel_table, std::size_t n_components,
                 const PatchShape& patch_shape, const double* weights, const double* eigenvalues)
    : kernels(kernel_table),
      k(n_components),
      shape(patch_shape),
      d(shape.size()),
      q(d - 1),
      weights_(weights, weights + k),
      eigenvalues_(eigenvalues, eigenvalues + k * d),
      spread_(q),
      covariances_(groups() * kernels.lanes * d * (d + 1) / 2, true) {}

Source Mixture::source() const {
  return {weights_.data(), eigenvalues_.data(), spread_.data(), covariances_.get()};
}

// Sizes and what is shared by all Specs.
Tables Mixture::tables() const {
  Tables t{};
  t.k = k;
  t.d = d;
  t.q = q;
  t.height = shape.height;
  t.width = shape.width;
  t.channels = shape.channels;
  t.k_pad = round_up(k, kernels.block);
  t.q_pad = round_up(q, kernels.block);
  t.d_pad = round_up(d, kPad);
  t.vectors_stride = round_up(d, 4) * t.d_pad;
  t.vectors = vectors_.get();
  return t;
}

std::shared_ptr<Mixture> Mixture::make(const KernelTable& kernels, std::size_t k,
                                       const PatchShape& shape, const double* weights,
                                       const double* eigenvalues, const double* eigenvectors,
                                       const double* basis, int n_threads, const Poll& poll) {
  std::shared_ptr<Mixture> result(new Mixture(kernels, k, shape, weights, eigenvalues));
  Mixture& m = *result;
  const std::size_t d = m.d;
  m.vectors_ = Buffer<float>(k * m.tables().vectors_stride, true);
  m.basis_.assign(basis + d, basis + d * d);
  m.nbytes_ = m.covariances_.nbytes() + m.vectors_.nbytes() +
              sizeof(double) * (k + m.q + m.eigenvalues_.size() + m.basis_.size());
  const std::size_t pitch = round_up(d, kPad), room = 4 * pitch * pitch;
  n_threads = static_cast<int>(std::min<std::size_t>(n_threads, m.groups()));
  const Buffer<double> columns(d * pitch), scratch(room * n_threads, true);
  for (std::size_t i = 0; i < d * d; ++i) columns.get()[i % d * pitch + i / d] = basis[i];
  const Tables tables = m.tables();
  const Source source = m.source();
  const auto rotate = [&](std::size_t group, int thread) {
    kernels.rotate(source, eigenvectors, columns.get(), pitch, group, tables,
                   scratch.get() + room * thread);
  };
  if (!parallel_for(m.groups(), n_threads, rotate, poll, 0, 0)) return nullptr;
  const std::size_t lanes = kernels.lanes, triangle = d * (d + 1) / 2;
  for (std::size_t c = 0; c < k; ++c)
    for (std::size_t i = 0; i < m.q; ++i)
      m.spread_[i] +=
          weights[c] *
          source.covariances[(c / lanes * triangle + (i + 1) * (i + 4) / 2) * lanes + c % lanes];
  return result;
}

Prepared::Prepared(std::shared_ptr<const Mixture> mixture, const Spec& spec)
    : mixture_(std::move(mixture)), tables_(mixture_->tables()), ranks_(mixture_->k) {
  const Mixture& m = *mixture_;
  Tables& t = tables_;
  t.spec = spec;
  t.spec.head = std::min(spec.head, m.q);
  t.spec.dims = std::min(spec.dims, m.q);
  t.mixed = spec.mean ? kMixed : 1;
  t.coefs = spec.exact ? m.q : t.spec.dims;
  t.edges[t.bands++] = t.spec.head;
  for (std::size_t edge = 2; edge < t.spec.dims; edge *= 2)
    if (edge > t.spec.head) t.edges[t.bands++] = edge;
  if (t.spec.head < t.spec.dims) t.edges[t.bands++] = t.spec.dims;
  t.edges[t.bands] = m.q;
  t.features = t.spec.head * (t.spec.head + 1) / 2 + t.bands;
  t.blocks = round_up(t.coefs, m.kernels.step) / m.kernels.step;
  t.rows_stride = t.blocks * (t.blocks + 1) / 2 * m.kernels.step * m.kernels.step;
  if (!spec.exact && t.spec.head < kMiddle && kMiddle < t.coefs)
    t.middle_blocks = kMiddle / m.kernels.step;
  const std::size_t exact = spec.exact ? 1 : 0;
  const auto carve = [&](auto place) {  // all arrays in one buffer
    place(t.basis, round_up(t.coefs, m.kernels.block) * m.d);
    place(t.screen, t.k_pad * t.features);
    place(t.screen_cost, t.k_pad);
    place(t.bound, exact * t.k_pad * m.q);
    place(t.diagonal, exact * m.k * t.q_pad);
    place(t.rows, m.k * t.rows_stride);
    place(t.cost, t.k_pad);
    place(t.tail, m.k);
    place(t.middle_cost, t.k_pad);
    place(t.middle_tail, m.k);
    place(t.gains, m.k * t.d_pad);
    place(t.tail_gain, m.k);
    place(t.weight, m.k);
    place(t.down, t.height);
    place(t.across, t.width);
    place(t.window, t.d_pad);
  };
  std::size_t size = 0;
  carve([&](float*&, std::size_t n) { size += round_up(n, kAlign / sizeof(float)); });
  floats_ = Buffer<float>(size, true);
  float* next = floats_.get();
  carve([&](float*& array, std::size_t n) {
    array = next;
    next += round_up(n, kAlign / sizeof(float));
  });
  t.rank = ranks_.data();
  fall_off(t.down, t.height, spec.window);
  fall_off(t.across, t.width, spec.window);
  for (std::size_t i = 0; i < m.d; ++i)
    t.window[i] = t.down[i / t.width % t.height] * t.across[i % t.width];
  const std::size_t block = m.kernels.block;
  for (std::size_t i = 0; i < t.coefs; ++i)
    for (std::size_t j = 0; j < m.d; ++j)
      t.basis[i / block * block * m.d + j * block + i % block] =
          static_cast<float>(m.basis_[i * m.d + j]);
}

std::unique_ptr<Prepared> Prepared::make(std::shared_ptr<const Mixture> mixture, const Spec& spec,
                                         int n_threads, const Poll& poll) {
  std::unique_ptr<Prepared> result(new Prepared(std::move(mixture), spec));
  const Mixture& m = result->mixture();
  const Tables& t = result->tables();
  const std::size_t room = m.kernels.prepare_scratch(t), lanes = m.kernels.lanes;
  const Source source = m.source();
  n_threads = std::min<int>(n_threads, useful_threads(t));
  std::vector<double> costs(3 * m.k);
  const Buffer<double> scratch(room * n_threads, true);
  std::atomic<bool> definite{true};
  const auto prepare = [&](std::size_t group, int thread) {
    if (!m.kernels.prepare(source, group, t, &costs[3 * lanes * group],
                           scratch.get() + room * thread))
      definite = false;
  };
  if (!parallel_for(m.groups(), n_threads, prepare, poll, 0, 0)) return nullptr;
  if (!definite) throw std::invalid_argument("a covariance of the model is not positive definite");
  float* const targets[] = {t.screen_cost, t.cost, t.middle_cost};
  for (std::size_t which = 0; which < 3; ++which) {  // float32 holds differences to the lowest
    double lowest = costs[which];
    for (std::size_t c = 0; c < m.k; ++c) lowest = std::min(lowest, costs[3 * c + which]);
    std::fill_n(targets[which], t.k_pad, 3e38f);
    for (std::size_t c = 0; c < m.k; ++c)
      targets[which][c] = static_cast<float>(costs[3 * c + which] - lowest);
    if (which == 1) result->lowest_cost_ = lowest;
  }
  return result;
}

}  // namespace fastepll
