// One pass of the prior over an image, tile by tile.
#pragma once
#include <cstddef>
#include <cstdint>

#include "gmm.hpp"
#include "parallel.hpp"

namespace fastepll {

// A row-major float image, at least as large as a patch.
struct Image {
  const float* data;
  std::size_t height, width;
};

// result (height x width) = average(wiener(select(extract(image)))). False if poll stopped it.
bool prior_pass(const Image& image, const Prepared& prepared, int n_threads, const Poll& poll,
                float* result);

// chosen ((height - p + 1) x (width - q + 1)): the component of the patch at each position.
bool select_pass(const Image& image, const Prepared& prepared, Selection selection, int n_threads,
                 const Poll& poll, std::int32_t* chosen);

}  // namespace fastepll
