// One pass of the prior over an image, tile by tile.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gmm.hpp"
#include "parallel.hpp"

namespace fastepll {

// A row-major float image, channel by channel, at least as large as a patch.
struct Image {
  const float* data;
  std::size_t height, width;
};

// Which patches a pass works on: those at shift, shift + stride, ... in both directions, and at
// the borders.
struct Grid {
  std::size_t stride, shift_y, shift_x;  // shifts below the stride
};

// Positions of patches of length p along n pixels.
std::vector<std::size_t> positions(std::size_t n, std::size_t p, std::size_t stride,
                                   std::size_t shift);

// result = (1 - blend) noisy + blend average, all of the size of the image; result is neither
// image nor noisy. noisy may be null: then blend is not used. hints (one per patch of the grid, row
// by row, or null) are components that may win, -1 if unknown; replaced by the winners.
struct PriorPass {
  Image image;
  const float* noisy;
  float blend;
  const Prepared* prepared;
  Grid grid;
  std::int32_t* hints;
  float* result;
};

// Passes that do not need one another's results, in one loop: where one runs out of pieces threads
// go on to the next. False if poll stopped it.
bool prior_passes(const std::vector<PriorPass>& passes, int n_threads, const Poll& poll);

// chosen: the component of each patch of the grid, row by row.
bool select_pass(const Image& image, const Prepared& prepared, const Grid& grid, bool exhaustive,
                 int n_threads, const Poll& poll, std::int32_t* chosen);

// log_probs: of each patch of the grid, row by row, the log density of its coefficients under the
// mixture. The tables are those of the cascade, with as many dims as there are coefficients.
bool likelihood_pass(const Image& image, const Prepared& prepared, const Grid& grid, int n_threads,
                     const Poll& poll, double* log_probs);

}  // namespace fastepll
