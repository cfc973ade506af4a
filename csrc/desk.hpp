// The patches of an image as the kernels find them, and what each thread needs to work on some.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "pass.hpp"
#include "workspace.hpp"

namespace fastepll {

// The patches of an image on a grid, row by row.
struct Patches {
  Patches(const Image& from, const Tables& t, const Grid& grid)
      : image(from),
        tables(t),
        rows(positions(image.height, tables.height, grid.stride, grid.shift_y)),
        cols(positions(image.width, tables.width, grid.stride, grid.shift_x)) {}

  std::size_t size() const { return rows.size() * cols.size(); }

  // The n patches from `begin` on, as the kernels find them.
  void place(Tile& tile, std::size_t begin, std::size_t n) const {
    tile.image = image.data;
    tile.pitch = image.width;
    tile.plane = image.height * image.width;
    tile.n = n;
    for (std::size_t p = 0; p < n; ++p)
      tile.corners[p] = static_cast<std::ptrdiff_t>(rows[(begin + p) / cols.size()] * image.width +
                                                    cols[(begin + p) % cols.size()]);
  }

  const Image image;
  const Tables& tables;
  const std::vector<std::size_t> rows, cols;
};

// What a thread needs to work on `room` patches at a time: a tile, and what comes out of it.
struct Desk {
  Desk(std::size_t room, const Tables& t, std::size_t strip_weights = 0)
      : memory([&](const auto& place) {
          carve_tile(tile, t, place);
          place(patches, room * t.d_pad);
          place(means, room);
          place(total, room);
          place(weights, room * t.mixed);
          place(chosen, room * t.mixed);
          place(sorted, room * t.mixed);
          place(starts, t.k + 1);
          place(scratch, kPad * t.d_pad);
          place(sums, strip_weights);
        }) {}

  Tile tile{};
  float *patches, *means, *total, *weights;
  std::int32_t* chosen;
  Entry* sorted;  // by component
  std::int32_t* starts;
  float *scratch, *sums;
  Workspace memory;
};

// Tables with the largest sizes of several, for desks that are to do for all of them.
inline Tables roomiest(Tables a, const Tables& b) {
  a.k = std::max(a.k, b.k);
  a.k_pad = std::max(a.k_pad, b.k_pad);
  a.q_pad = std::max(a.q_pad, b.q_pad);
  a.d_pad = std::max(a.d_pad, b.d_pad);
  a.coefs = std::max(a.coefs, b.coefs);
  a.mixed = std::max(a.mixed, b.mixed);
  a.features = std::max(a.features, b.features);
  return a;
}

// One for each thread that takes part in a loop over so many pieces, or for as many as there is
// memory for.
inline std::vector<Desk> desks(std::size_t n_pieces, int n_threads, std::size_t room,
                               const Tables& tables, std::size_t strip_weights = 0) {
  std::vector<Desk> result;
  const std::size_t n = std::min<std::size_t>(n_pieces, n_threads);
  result.reserve(n);
  try {
    for (std::size_t i = 0; i < n; ++i) result.emplace_back(room, tables, strip_weights);
  } catch (const std::bad_alloc&) {
    if (result.empty()) throw;
  }
  return result;
}

}  // namespace fastepll
