// The patches of an image that a pass works on.
#pragma once
#include <cstddef>
#include <vector>

#include "kernels.hpp"

namespace fastepll {

// A row-major float image, channel by channel, at least as large as a patch.
struct Image {
  const float* data;
  std::size_t height, width;
};

// Where patches are: at shift, shift + stride, ... in both directions, and at the borders.
struct Grid {
  std::size_t stride, shift_y, shift_x;  // shifts below the stride
};

// Positions of patches of length p along n pixels.
std::vector<std::size_t> positions(std::size_t n, std::size_t p, std::size_t stride,
                                   std::size_t shift);

// The patches of an image on a grid, row by row.
struct GridPatches {
  GridPatches(const Image& from, const Tables& t, const Grid& grid)
      : image(from),
        tables(t),
        rows(positions(image.height, tables.height, grid.stride, grid.shift_y)),
        cols(positions(image.width, tables.width, grid.stride, grid.shift_x)) {}

  std::size_t size() const { return rows.size() * cols.size(); }

  // The n patches from `begin` on, as the kernels find them.
  void set_tile(Tile& tile, std::size_t begin, std::size_t n) const {
    tile.image = image.data;
    tile.pitch = image.width;
    tile.channel_pitch = image.height * image.width;
    tile.n = n;
    for (std::size_t p = 0; p < n; ++p)
      tile.corners[p] = static_cast<std::ptrdiff_t>(rows[(begin + p) / cols.size()] * image.width +
                                                    cols[(begin + p) % cols.size()]);
  }

  const Image image;
  const Tables& tables;
  const std::vector<std::size_t> rows, cols;
};

}  // namespace fastepll
