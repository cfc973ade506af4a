#include "noise.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "buffer.hpp"
#include "constant_squares.hpp"
#include "panels.hpp"

namespace fastepll {
namespace {

constexpr std::size_t kStatisticsChunk = 2048;  // patches that a thread takes at a time
constexpr std::size_t kLogProbsChunk = 32;      // the same of conditional_log_probs

// Rows of the image that a chunk of the patches covers.
struct Rows {
  std::size_t top, bottom;
};

std::vector<Rows> rows_of_chunks(const std::int32_t* corners, std::size_t n,
                                 const HighBands& bands) {
  std::vector<Rows> rows;
  for (std::size_t begin = 0; begin < n; begin += kStatisticsChunk) {
    std::int32_t low = corners[2 * begin], high = low;
    for (std::size_t i = begin; i < std::min(n, begin + kStatisticsChunk); ++i) {
      low = std::min(low, corners[2 * i]);
      high = std::max(high, corners[2 * i]);
    }
    rows.push_back({static_cast<std::size_t>(low), static_cast<std::size_t>(high) + bands.height});
  }
  return rows;
}

// What one thread needs for a chunk.
struct StatisticsScratch {
  ConstantSquares constant;
  Buffer<float> floats;
  std::vector<std::ptrdiff_t> corners;
  std::vector<std::size_t> places;
  std::vector<float> found;

  StatisticsScratch(std::size_t n_rows, std::size_t width, std::size_t n_floats)
      : constant(n_rows, width),
        floats(n_floats),
        corners(kStatisticsChunk),
        places(kStatisticsChunk),
        found(3 * kStatisticsChunk) {}
};

}  // namespace

bool patch_statistics(const KernelTable& kernels, const Plane& plane, const std::int32_t* corners,
                      std::size_t n, const HighBands& bands, std::size_t side, int n_threads,
                      const Poll& poll, float* result) {
  const std::size_t d = bands.height * bands.width, rows = kernels.panel_rows;
  const std::size_t n_packed = round_up(bands.n_high, rows);
  Buffer<float> high(n_packed * d);
  pack_panels(bands.high, bands.n_high, d, rows, high.get());
  const PatchSample sample{plane.data,  plane.width, bands.height,
                           bands.width, high.get(),  bands.n_high};
  const std::vector<Rows> chunks = rows_of_chunks(corners, n, bands);
  std::size_t most = 0;
  for (const Rows& chunk : chunks) most = std::max(most, chunk.bottom - chunk.top);
  std::vector<StatisticsScratch> scratches;
  for (std::size_t t = 0; t < std::min<std::size_t>(n_threads, chunks.size()); ++t)
    scratches.emplace_back(most, plane.width, kBatch * (round_up(d, kPad) + n_packed));
  const auto work = [&](std::size_t chunk, int thread) {
    StatisticsScratch& scratch = scratches[thread];
    scratch.constant.find(plane, chunks[chunk].top, chunks[chunk].bottom, side);
    std::size_t kept = 0;
    for (std::size_t i = chunk * kStatisticsChunk; i < std::min(n, (chunk + 1) * kStatisticsChunk);
         ++i) {
      const std::size_t y = corners[2 * i], x = corners[2 * i + 1];
      if (scratch.constant.touches(y - chunks[chunk].top, x, bands.height, bands.width)) {
        result[3 * i] = std::numeric_limits<float>::infinity();
        result[3 * i + 1] = result[3 * i + 2] = 0;
      } else {
        scratch.corners[kept] = static_cast<std::ptrdiff_t>(y * plane.width + x);
        scratch.places[kept++] = i;
      }
    }
    kernels.patch_statistics(sample, scratch.corners.data(), kept, scratch.floats.get(),
                             scratch.found.data());
    for (std::size_t i = 0; i < kept; ++i)
      std::copy_n(&scratch.found[3 * i], 3, result + 3 * scratch.places[i]);
  };
  return parallel_for(chunks.size(), n_threads, work, poll, 0, 1);
}

bool conditional_log_probs(const KernelTable& kernels, const float* squared_norms, std::size_t n,
                           const NoiseLevels& sigmas, int n_threads, const Poll& poll,
                           double* result) {
  const std::size_t k = sigmas.k, k_pad = round_up(k, kPad), n_bands = sigmas.n_bands;
  const std::size_t n_chunks = ceil_div(n, kLogProbsChunk), size = (n_bands + 2) * k_pad;
  Buffer<float> tables(sigmas.n * size);
  for (std::size_t s = 0; s < sigmas.n; ++s) {
    float *factors = tables.get() + s * size, *offsets = factors + n_bands * k_pad;
    for (std::size_t b = 0; b < n_bands; ++b)
      for (std::size_t c = 0; c < k; ++c)
        factors[b * k_pad + c] =
            static_cast<float>(-0.5 * sigmas.precisions[(s * n_bands + b) * k + c]);
    for (std::size_t which = 0; which < 2; ++which)
      for (std::size_t c = 0; c < k_pad; ++c)
        offsets[which * k_pad + c] =
            c < k ? static_cast<float>(sigmas.offsets[(2 * s + which) * k + c]) : -1e30f;
  }
  Buffer<float> scratch(2 * k_pad * std::min<std::size_t>(n_threads, n_chunks));
  const auto work = [&](std::size_t chunk, int thread) {
    for (std::size_t s = 0; s < sigmas.n; ++s)
      for (std::size_t i = chunk * kLogProbsChunk; i < std::min(n, (chunk + 1) * kLogProbsChunk);
           ++i)
        result[i * sigmas.n + s] = kernels.conditional_log_prob(
            squared_norms + i * n_bands, tables.get() + s * size, n_bands, sigmas.n_low, k_pad,
            scratch.get() + 2 * k_pad * thread);
  };
  return parallel_for(n_chunks, n_threads, work, poll, 0, 1);
}

}  // namespace fastepll
