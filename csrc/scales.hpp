// Two scales of an image; the definition is fastepll/backends/scales.py.
#pragma once
#include <cstddef>

#include "parallel.hpp"

namespace fastepll {

// Means of 2x2 pixels; the result is height / 2 x width / 2.
void halve(const float* image, std::size_t height, std::size_t width, int n_threads, float* result);

// image += weight * enlarged(coarse - halve(image)); scratch is like coarse.
void add_coarse(float* image, std::size_t height, std::size_t width, const float* coarse,
                float weight, int n_threads, float* scratch);

}  // namespace fastepll
