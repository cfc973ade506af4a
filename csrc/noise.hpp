// What patches tell of the noise in an image: the steps of fastepll/noise/estimate.py that take
// long.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels.hpp"
#include "parallel.hpp"

namespace fastepll {

constexpr std::size_t kMaxSquareSide = 16;  // of squares of equal pixels

struct Plane {
  const float* data;
  std::size_t height, width;
};

// Patches of one size, and a basis (n_high x patch, row-major) of their high frequencies.
struct HighBands {
  std::size_t height, width;
  const float* high;
  std::size_t n_high;
};

// result, 3 per patch at corners (row, column): roughness, squared norm of the high frequencies,
// ties. Roughness is infinite and the others 0 for patches with a pixel in a square, `side` wide,
// of exactly equal pixels. False if poll stopped it.
bool patch_statistics(const KernelTable& kernels, const Plane& plane, const std::int32_t* corners,
                      std::size_t n, const HighBands& bands, std::size_t side, int n_threads,
                      const Poll& poll, float* result);

// Noise levels in question: precisions (n, n_bands, k), and offsets (n, 2, k) for the first n_low
// bands and for all.
struct NoiseLevels {
  std::size_t n, n_bands, n_low, k;
  const double *precisions, *offsets;
};

// result (n, sigmas.n): log density of the high bands of each patch given its low ones.
// squared_norms (n, n_bands). False if poll stopped it.
bool conditional_log_probs(const KernelTable& kernels, const float* squared_norms, std::size_t n,
                           const NoiseLevels& sigmas, int n_threads, const Poll& poll,
                           double* result);

}  // namespace fastepll
