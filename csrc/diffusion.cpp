#include "diffusion.hpp"

#include <algorithm>
#include <vector>

#include "panels.hpp"
#include "workspace.hpp"

namespace fastepll {
namespace {

constexpr std::size_t kBandsPerThread = 3;
// Rows that a thread takes at a time: of fewer, too much is computed for two of them, and more do
// not stay in the cache.
constexpr std::size_t kLeastBand = 16, kTallestBand = 128;

// Reciprocals of the number of patches of length p that cover each of n pixels.
std::vector<float> inverse_counts(std::size_t n, std::size_t p) {
  std::vector<float> result(n);
  for (std::size_t i = 0; i < n; ++i)
    result[i] = 1.0f / static_cast<float>(std::min({i + 1, n - i, p, n - p + 1}));
  return result;
}

}  // namespace

DiffusionStep::DiffusionStep(const DiffusionParameters& from, const KernelTable& kernels)
    : kernels_(kernels), reaction_(static_cast<float>(from.reaction)) {
  DiffusionTables& t = tables_;
  t.height = from.height;
  t.width = from.width;
  t.d = from.height * from.width;
  t.n_filters = from.n_filters;
  t.n_knots = from.n_knots;
  const std::size_t padded = round_up(t.n_filters, kPad);
  const auto for_each_array = [&](auto reserve) {
    reserve(t.analysis, padded * 2 * t.d);
    reserve(t.middle, padded);
    reserve(t.synthesis, round_up(t.d, kPad) * t.n_filters);
    reserve(t.values, padded * t.n_knots);
    reserve(t.slopes, padded * t.n_knots);
  };
  floats_ = buffer_of_arrays(for_each_array);
  const double knots = static_cast<double>(t.n_knots - 1) / (2 * from.reach);  // in a unit
  pack_panels(from.analysis, t.n_filters, 2 * t.d, kernels.panel_rows, t.analysis, knots);
  pack_panels(from.synthesis, t.d, t.n_filters, kernels.panel_rows, t.synthesis);
  std::fill_n(t.middle, t.n_filters, static_cast<float>(knots * from.reach));
  for (std::size_t i = 0; i < t.n_filters * t.n_knots; ++i) {
    t.values[i] = static_cast<float>(from.values[i]);
    if ((i + 1) % t.n_knots != 0)
      t.slopes[i] = static_cast<float>(from.values[i + 1] - from.values[i]);
  }
}

bool diffuse(const Image& image, const float* noisy, const DiffusionStep& step, int n_threads,
             const Poll& poll, float* result) {
  const DiffusionTables& t = step.tables();
  const std::size_t height = image.height, width = image.width;
  const std::size_t n_patches = width - t.width + 1, threads = static_cast<std::size_t>(n_threads);
  const std::vector<float> row_factors = inverse_counts(height, t.height),
                           col_factors = inverse_counts(width, t.width);
  const std::size_t n_bands = ceil_div(
      height, std::clamp(ceil_div(height, kBandsPerThread * threads), kLeastBand, kTallestBand));
  float* scratch = nullptr;
  const std::size_t size = round_up(diffusion_scratch(t), kAlign / sizeof(float));
  const Workspace memory(
      [&](const auto& reserve) { reserve(scratch, size * std::min(threads, n_bands)); });
  const auto work = [&](std::size_t band, int thread) {
    const std::size_t top = band * height / n_bands, bottom = (band + 1) * height / n_bands;
    std::fill(result + top * width, result + bottom * width, 0.0f);
    const std::size_t end = std::min(bottom, height - t.height + 1);
    for (std::size_t y = top + 1 > t.height ? top + 1 - t.height : 0; y < end; ++y) {
      const std::size_t first = std::max(y, top);
      step.kernels().diffuse(
          {image.data + y * width, noisy + y * width, width, n_patches, first - y,
           std::min(y + t.height, bottom) - y, result + first * width},
          t, scratch + size * static_cast<std::size_t>(thread));
    }
    for (std::size_t y = top; y < bottom; ++y) {
      const float *now = image.data + y * width, *before = noisy + y * width;
      float* row = result + y * width;
      for (std::size_t x = 0; x < width; ++x)
        row[x] = now[x] + row[x] * (row_factors[y] * col_factors[x]) +
                 step.reaction() * (before[x] - now[x]);
    }
  };
  return parallel_for(n_bands, n_threads, work, poll, 0, 1) && poll(1);
}

}  // namespace fastepll
