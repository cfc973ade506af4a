// A step of a trained reaction diffusion over an image.
#pragma once
#include <cstddef>

#include "buffer.hpp"
#include "grid.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

namespace fastepll {

// What a step is made from: matrices row by row. Responses to `analysis` go to influence functions
// that are linear between n_knots values, evenly from -reach to reach. A guided step sees a guide
// instead of the noisy image, and has no reaction.
struct DiffusionParameters {
  const double *analysis, *values,
      *synthesis;  // n_filters x 2 d, n_filters x n_knots, d x n_filters
  std::size_t height, width, n_filters, n_knots;
  double reach, reaction;
  bool guided;
};

// The same in the layout of the kernels. Immutable.
class DiffusionStep {
 public:
  DiffusionStep(const DiffusionParameters& parameters, const KernelTable& kernels);

  const DiffusionTables& tables() const { return tables_; }
  const KernelTable& kernels() const { return kernels_; }
  float reaction() const { return reaction_; }

 private:
  const KernelTable& kernels_;
  DiffusionTables tables_{};
  float reaction_;
  Buffer<float> floats_;
};

// result = image + average of the changes of the patches that cover a pixel + reaction (noisy -
// image). result is neither of the two. Of an image that is a part of another and begins there at
// the row `top` and the column `left`, it is the same bit for bit where the patches are. False if
// poll stopped it.
bool diffuse(const Image& image, const float* noisy, std::size_t top, std::size_t left,
             const DiffusionStep& step, int n_threads, const Poll& poll, float* result);

}  // namespace fastepll
