// Squares of exactly equal pixels, which an image without noise or a clipped one has.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "noise.hpp"

namespace fastepll {

// Which pixels of some rows lie in a square of equal pixels.
class ConstantSquares {
 public:
  ConstantSquares(std::size_t n_rows, std::size_t width)
      : width_(width), inside_(n_rows * width), depth_(width), ends_(width) {}

  void find(const Plane& plane, std::size_t top, std::size_t bottom, std::size_t side) {
    any_ = in_run_ = false;
    const std::size_t last = std::min(plane.height, bottom + side - 1);
    for (std::size_t y = std::max<std::size_t>(1, top > side ? top - side + 1 : 0); y < last; ++y) {
      const float* row = plane.data + y * width_;
      if (!extends(row)) {
        in_run_ = false;
        continue;
      }
      if (!in_run_) start(row - width_, side);
      if (!end_in_row(row, side)) continue;
      if (!any_) std::fill(inside_.begin(), inside_.end(), 0);
      any_ = true;
      for (std::size_t r = std::max(top, y + 1 > side ? y + 1 - side : 0);
           r < std::min(bottom, y + 1); ++r)
        for (std::size_t x = 0; x < width_; ++x) inside_[(r - top) * width_ + x] |= ends_[x];
    }
  }

  // Whether a patch, its first row and column given, has such a pixel.
  bool touches(std::size_t row, std::size_t x, std::size_t patch_height,
               std::size_t patch_width) const {
    if (!any_) return false;
    std::uint8_t found = 0;
    for (std::size_t r = 0; r < patch_height; ++r)
      for (std::size_t c = 0; c < patch_width; ++c) found |= inside_[(row + r) * width_ + x + c];
    return found != 0;
  }

 private:
  // Whether some pixel equals those to the left and above: else no square goes on in this row.
  bool extends(const float* row) const {
    int found = 0;
    for (std::size_t x = 1; x < width_; ++x)
      found |= (row[x] == row[x - 1]) & (row[x] == row[x - width_]);
    return found != 0;
  }

  // depth_ of a row in which squares may begin.
  void start(const float* row, std::size_t side) {
    std::size_t run = 0;
    for (std::size_t x = 0; x < width_; ++x) {
      run = x > 0 && row[x] == row[x - 1] ? run + 1 : 1;
      depth_[x] = run >= side;
    }
    in_run_ = true;
  }

  // depth_ of the next row. If squares end in it, ends_ gets their columns; else false.
  bool end_in_row(const float* row, std::size_t side) {
    bool found = false;
    std::size_t run = 0;
    for (std::size_t x = 0; x < width_; ++x) {
      run = x > 0 && row[x] == row[x - 1] ? run + 1 : 1;
      const bool on = depth_[x] > 0 && row[x] == row[x - width_];
      const std::size_t depth = run < side ? 0 : on ? depth_[x] + 1u : 1;
      depth_[x] = static_cast<std::uint8_t>(std::min(depth, side));
      found |= depth >= side;
    }
    if (!found) return false;
    std::size_t left = 0;
    for (std::size_t x = width_; x-- > 0;) {
      left = depth_[x] >= side ? side : left > 0 ? left - 1 : 0;
      ends_[x] = left > 0;
    }
    return true;
  }

  std::size_t width_;
  bool any_ = false, in_run_ = false;  // are inside_ and depth_ filled?
  std::vector<std::uint8_t> inside_;
  std::vector<std::uint8_t> depth_;  // per column: rows so far of a square that ends in it
  std::vector<std::uint8_t> ends_;
};

}  // namespace fastepll
