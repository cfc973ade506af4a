// Passes over an image: of the prior, and of the selection or the likelihood alone.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "grid.hpp"
#include "parallel.hpp"
#include "prepared_mixture.hpp"

namespace fastepll {

// result = (1 - blend) noisy + blend average, all of the size of the image; result is neither
// image nor noisy. noisy may be null: then blend is not used. hints (one per patch of the grid, row
// by row, or null) are components that may win, -1 if unknown; replaced by the winners.
struct PassCall {
  Image image;
  const float* noisy;
  float blend;
  const PreparedMixture* prepared;
  Grid grid;
  std::int32_t* hints;
  float* result;
};

// Passes that do not need one another's results, in one loop: where one runs out of chunks threads
// go on to the next. False if poll stopped it.
bool prior_passes(const std::vector<PassCall>& passes, int n_threads, const Poll& poll);

// chosen: the component of each patch of the grid, row by row.
bool select_pass(const Image& image, const PreparedMixture& prepared, const Grid& grid,
                 bool exhaustive, int n_threads, const Poll& poll, std::int32_t* chosen);

// log_probs: of each patch of the grid, row by row, the log density of its coefficients under the
// mixture. The tables are those of the cascade, with n_refine the number of coefficients.
bool likelihood_pass(const Image& image, const PreparedMixture& prepared, const Grid& grid,
                     int n_threads, const Poll& poll, double* log_probs);

}  // namespace fastepll
