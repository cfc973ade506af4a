// What patches tell of the noise in an image: the steps of fastepll/noise.py that take long.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels.hpp"
#include "parallel.hpp"

namespace fastepll {

constexpr std::size_t kMostSide = 16;  // of squares of equal pixels

struct Plane {
  const float* data;
  std::size_t height, width;
};

// Patches of one size, and a basis (n_high x patch, row-major) of their high frequencies.
struct Probe {
  std::size_t height, width;
  const float* high;
  std::size_t n_high;
};

// result, 3 per patch at corners (row, column): roughness, high energy, ties. Roughness is infinite
// and the others 0 for patches with a pixel in a square, `side` wide, of exactly equal pixels.
// False if poll stopped it.
bool inspect(const KernelTable& kernels, const Plane& plane, const std::int32_t* corners,
             std::size_t n, const Probe& probe, std::size_t side, int n_threads, const Poll& poll,
             float* result);

// Noise levels in question: precisions (n, n_bands, k), and offsets (n, 2, k) for the first n_low
// bands and for all.
struct Levels {
  std::size_t n, n_bands, n_low, k;
  const double *precisions, *offsets;
};

// result (n, levels.n): log density of the high bands of each patch given its low ones. energies
// (n, n_bands). False if poll stopped it.
bool evidence(const KernelTable& kernels, const float* energies, std::size_t n,
              const Levels& levels, int n_threads, const Poll& poll, double* result);

}  // namespace fastepll
