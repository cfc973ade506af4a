#include "prepared_mixture.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "panels.hpp"
#include "workspace.hpp"

namespace fastepll {
namespace {

// exp(-decay u^2), u the distance from the middle in half-sides.
void set_window(float* window, std::size_t n, double decay) {
  for (std::size_t i = 0; i < n; ++i) {
    const double u =
        (static_cast<double>(2 * i + 1) - static_cast<double>(n)) / static_cast<double>(n);
    window[i] = static_cast<float>(std::exp(-decay * u * u));
  }
}

// Threads that preparing these tables is work for: some 300 microseconds each at least.
int useful_threads(const Tables& t) {
  const std::size_t factors = t.options.exact ? 20 : 2;  // that are computed, or what takes as long
  const std::size_t work = t.k * factors * t.n_active * t.n_active * t.n_active / 6;
  return static_cast<int>(std::min<std::size_t>(1 + (work >> 20), 1024));
}

}  // namespace

PreparedMixture::PreparedMixture(std::shared_ptr<const Mixture> mixture, const PassOptions& options)
    : mixture_(std::move(mixture)), tables_(mixture_->tables()), ranks_(mixture_->k) {
  const Mixture& m = *mixture_;
  Tables& t = tables_;
  t.options = options;
  t.options.n_screen = std::min(options.n_screen, m.n_coefs);
  t.options.n_refine = std::min(options.n_refine, m.n_coefs);
  t.n_top = options.top_mean ? kTopComponents : 1;
  t.n_active = options.exact ? m.n_coefs : t.options.n_refine;
  t.band_edges[t.n_bands++] = t.options.n_screen;
  for (std::size_t edge = 2; edge < t.options.n_refine; edge *= 2)
    if (edge > t.options.n_screen) t.band_edges[t.n_bands++] = edge;
  if (t.options.n_screen < t.options.n_refine) t.band_edges[t.n_bands++] = t.options.n_refine;
  t.band_edges[t.n_bands] = m.n_coefs;
  t.n_screen_features = t.options.n_screen * (t.options.n_screen + 1) / 2 + t.n_bands;
  t.n_blocks = ceil_div(t.n_active, m.kernels.triangle_rows);
  t.factor_stride =
      t.n_blocks * (t.n_blocks + 1) / 2 * m.kernels.triangle_rows * m.kernels.triangle_rows;
  if (!options.exact && t.options.n_screen < kMiddleCoefs && kMiddleCoefs < t.n_active)
    t.n_middle_blocks = kMiddleCoefs / m.kernels.triangle_rows;
  const std::size_t exact = options.exact ? 1 : 0;
  const auto for_each_array = [&](auto reserve) {
    reserve(t.basis, round_up(t.n_active, m.kernels.panel_rows) * m.d);
    reserve(t.screen_weights, t.k_pad * t.n_screen_features);
    reserve(t.screen_offset, t.k_pad);
    reserve(t.bound_weights, exact * t.k_pad * m.n_coefs);
    reserve(t.diagonal, exact * m.k * t.coefs_pad);
    reserve(t.factor_rows, m.k * t.factor_stride);
    reserve(t.refine_offset, t.k_pad);
    reserve(t.tail_precision, m.k);
    reserve(t.middle_offset, t.k_pad);
    reserve(t.middle_precision, m.k);
    reserve(t.gains, m.k * t.d_pad);
    reserve(t.tail_gain, m.k);
    reserve(t.confidence, m.k);
    reserve(t.row_window, t.height);
    reserve(t.col_window, t.width);
    reserve(t.window, t.d_pad);
  };
  floats_ = buffer_of_arrays(for_each_array);
  t.ranks = ranks_.data();
  set_window(t.row_window, t.height, options.window_decay);
  set_window(t.col_window, t.width, options.window_decay);
  for (std::size_t i = 0; i < m.d; ++i)
    t.window[i] = t.row_window[i / t.width % t.height] * t.col_window[i % t.width];
  pack_panels(m.basis_.data(), t.n_active, m.d, m.kernels.panel_rows, t.basis);
}

std::unique_ptr<PreparedMixture> PreparedMixture::make(std::shared_ptr<const Mixture> mixture,
                                                       const PassOptions& options, int n_threads,
                                                       const Poll& poll) {
  std::unique_ptr<PreparedMixture> result(new PreparedMixture(std::move(mixture), options));
  const Mixture& m = result->mixture();
  const Tables& t = result->tables();
  const std::size_t size = m.kernels.prepare_scratch(t), lanes = m.kernels.double_lanes;
  const MixtureParameters parameters = m.parameters();
  n_threads = std::min<int>(n_threads, useful_threads(t));
  std::vector<double> offsets(3 * m.k);
  double* scratch;
  const Workspace memory([&](const auto& reserve) { reserve(scratch, size * n_threads); });
  std::atomic<bool> definite{true};
  const auto prepare = [&](std::size_t group, int thread) {
    if (!m.kernels.prepare(parameters, group, t, &offsets[3 * lanes * group],
                           scratch + size * thread))
      definite = false;
  };
  if (!parallel_for(m.groups(), n_threads, prepare, poll, 0, 0)) return nullptr;
  if (!definite) throw std::invalid_argument("a covariance of the model is not positive definite");
  float* const targets[] = {t.screen_offset, t.refine_offset, t.middle_offset};
  for (std::size_t which = 0; which < 3; ++which) {  // float32 holds differences to the lowest
    double lowest = offsets[which];
    for (std::size_t c = 0; c < m.k; ++c) lowest = std::min(lowest, offsets[3 * c + which]);
    for (std::size_t c = 0; c < m.k; ++c)
      targets[which][c] = static_cast<float>(offsets[3 * c + which] - lowest);
    if (which == 1) result->lowest_cost_ = lowest;
  }
  return result;
}

}  // namespace fastepll
