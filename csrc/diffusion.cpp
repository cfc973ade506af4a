#include "diffusion.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "panels.hpp"
#include "workspace.hpp"

namespace fastepll {
namespace {

// Reciprocals of the number of patches of length p that cover each of n pixels.
std::vector<float> inverse_counts(std::size_t n, std::size_t p) {
  std::vector<float> result(n);
  for (std::size_t i = 0; i < n; ++i)
    result[i] = 1.0f / static_cast<float>(std::min({i + 1, n - i, p, n - p + 1}));
  return result;
}

// What stands in a role (kernels/diffuse.hpp) for one value of a part: the sum of the values at its
// place in the parts that have it.
template <class Value>
double in_role(const DiffusionAxis& axis, std::size_t role, std::size_t i, const Value& value) {
  if (axis.n_roles == 1) return value(i);
  return (role < 2 ? value(i) : 0) + (role > 0 ? value(axis.part + i) : 0);
}

}  // namespace

DiffusionStep::DiffusionStep(const DiffusionParameters& from, const KernelTable& kernels)
    : kernels_(kernels), reaction_(static_cast<float>(from.reaction)) {
  DiffusionTables& t = tables_;
  t.rows = DiffusionAxis(from.height);
  t.cols = DiffusionAxis(from.width);
  t.n_filters = from.n_filters;
  t.n_knots = from.n_knots;
  const DiffusionSizes size(t);
  const std::size_t d = from.height * from.width, part = t.rows.part * t.cols.part, n = t.n_filters,
                    n_roles = t.rows.n_roles * t.cols.n_roles;
  floats_ = buffer_of_arrays([&](auto reserve) {
    reserve(t.analysis, n_roles * size.analysis);
    reserve(t.synthesis, n_roles * size.synthesis);
    reserve(t.curves, n * size.curve_pitch);
  });
  const double knots = static_cast<double>(t.n_knots - 1) / (2 * from.reach);  // in a unit
  t.middle = static_cast<float>(knots * from.reach);
  t.less = from.guided ? 0.0f : 1.0f;
  // Without the sum of the filter in its first value, any pixel may be subtracted from all.
  std::vector<double> analysis(from.analysis, from.analysis + n * 2 * d), matrix(part * n);
  for (std::size_t k = 0; k < n; ++k) {
    double* const filter = &analysis[k * 2 * d];
    filter[0] -= std::accumulate(filter, filter + d, 0.0);
  }
  for (std::size_t u = 0, role = 0; u < t.rows.n_roles; ++u)
    for (std::size_t v = 0; v < t.cols.n_roles; ++v, ++role) {
      const auto of_part = [&](std::size_t at, const auto& value) {
        return in_role(t.rows, u, at / t.cols.part, [&](std::size_t y) {
          return in_role(t.cols, v, at % t.cols.part,
                         [&](std::size_t x) { return value(y * from.width + x); });
        });
      };
      for (std::size_t k = 0; k < n; ++k)
        for (std::size_t at = 0; at < 2 * part; ++at) {
          const double value = of_part(at % part, [&](std::size_t pixel) {
            return analysis[(2 * k + at / part) * d + pixel];
          });
          t.analysis[role * size.analysis + k * 2 * part + at] = static_cast<float>(knots * value);
        }
      for (std::size_t at = 0; at < part; ++at)
        for (std::size_t k = 0; k < n; ++k)
          matrix[at * n + k] =
              of_part(at, [&](std::size_t pixel) { return from.synthesis[pixel * n + k]; });
      pack_panels(matrix.data(), part, n, kernels.triangle_rows,
                  t.synthesis + role * size.synthesis);
    }
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = 0; i < t.n_knots; ++i) {
      const double* const value = from.values + k * t.n_knots + i;
      float* const pair = t.curves + k * size.curve_pitch + 2 * i;
      pair[0] = static_cast<float>(value[0]);
      if (i + 1 < t.n_knots) pair[1] = static_cast<float>(value[1] - value[0]);
    }
}

bool diffuse(const Image& image, const float* noisy, std::size_t top, std::size_t left,
             const DiffusionStep& step, int n_threads, const Poll& poll, float* result) {
  const DiffusionTables& t = step.tables();
  const std::size_t height = image.height, width = image.width;
  const std::vector<float> row_factors = inverse_counts(height, t.rows.length),
                           col_factors = inverse_counts(width, t.cols.length);
  // A thread takes a band of rows of patches at a time. What the patches of a band cover ends in
  // the next one. Bands begin in pairs: the first one `before` rows before the image.
  const std::size_t band = t.rows.length, before = top % (2 * band),
                    n_rows = height - t.rows.length + 1, n_bands = ceil_div(before + n_rows, band);
  const std::size_t size = round_up(DiffusionSizes(t).scratch(), kAlign / sizeof(float));
  float* scratch = nullptr;
  const Workspace memory([&](const auto& reserve) {
    reserve(scratch, size * std::min(static_cast<std::size_t>(n_threads), ceil_div(n_bands, 2)));
  });
  const auto diffuse_band = [&](std::size_t k, int thread) {
    PatchRows rows{image.data,
                   noisy,
                   result,
                   static_cast<std::ptrdiff_t>(height),
                   static_cast<std::ptrdiff_t>(width),
                   static_cast<std::ptrdiff_t>(n_rows),
                   0,
                   -static_cast<std::ptrdiff_t>(left % t.cols.block())};
    for (std::size_t group = 0; group < band / t.rows.block() * t.rows.groups(); ++group) {
      rows.top = static_cast<std::ptrdiff_t>(k * band + t.rows.place(group)) -
                 static_cast<std::ptrdiff_t>(before);
      if (rows.top < rows.n_rows && rows.top + static_cast<std::ptrdiff_t>(t.rows.part) >= 0)
        step.kernels().diffuse(rows, t, scratch + size * static_cast<std::size_t>(thread));
    }
  };
  const auto finish = [&](std::size_t k, int) {
    for (std::size_t y = k * band; y < std::min((k + 1) * band, height); ++y) {
      const float *now = image.data + y * width, *first = noisy + y * width;
      float* row = result + y * width;
      for (std::size_t x = 0; x < width; ++x)
        row[x] = now[x] + row[x] * (row_factors[y] * col_factors[x]) +
                 step.reaction() * (first[x] - now[x]);
    }
  };
  // Bands of which one lies between are added to different rows, and each pixel gets what is added
  // in one order, whichever thread does it.
  std::fill_n(result, height * width, 0.0f);
  for (const std::size_t odd : {0, 1})
    if (!parallel_for((n_bands + 1 - odd) / 2, n_threads,
                      [&](std::size_t k, int thread) { diffuse_band(2 * k + odd, thread); }, poll,
                      0.5 * static_cast<double>(odd), 0.5 + 0.5 * static_cast<double>(odd)))
      return false;
  parallel_for(ceil_div(height, band), n_threads, finish);
  return poll(1);
}

}  // namespace fastepll
