// What each thread of a pass needs.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "workspace.hpp"

namespace fastepll {

// For `capacity` patches at a time: a tile, and what comes out of it.
struct ThreadScratch {
  ThreadScratch(std::size_t capacity, const Tables& t, std::size_t n_strip_weights = 0)
      : memory([&](const auto& reserve) {
          reserve_tile(tile, t, reserve);
          reserve(patches, capacity * t.d_pad);
          reserve(means, capacity);
          reserve(total_weight, capacity);
          reserve(weights, capacity * t.n_top);
          reserve(chosen, capacity * t.n_top);
          reserve(sorted, capacity * t.n_top);
          reserve(starts, t.k + 1);
          reserve(filter_scratch, kPad * t.d_pad);
          reserve(strip_weights, n_strip_weights);
        }) {}

  Tile tile{};
  float *patches, *means, *total_weight, *weights;
  std::int32_t* chosen;
  Assignment* sorted;  // by component
  std::int32_t* starts;
  float *filter_scratch, *strip_weights;
  Workspace memory;
};

// Tables with the largest sizes of several, for scratch that is to do for all of them.
inline Tables largest_sizes(Tables a, const Tables& b) {
  a.k = std::max(a.k, b.k);
  a.k_pad = std::max(a.k_pad, b.k_pad);
  a.coefs_pad = std::max(a.coefs_pad, b.coefs_pad);
  a.d_pad = std::max(a.d_pad, b.d_pad);
  a.n_active = std::max(a.n_active, b.n_active);
  a.n_top = std::max(a.n_top, b.n_top);
  a.n_screen_features = std::max(a.n_screen_features, b.n_screen_features);
  return a;
}

// One for each thread that takes part in a loop over so many chunks, or for as many as there is
// memory for.
inline std::vector<ThreadScratch> make_scratch(std::size_t n_chunks, int n_threads,
                                               std::size_t capacity, const Tables& tables,
                                               std::size_t n_strip_weights = 0) {
  std::vector<ThreadScratch> result;
  const std::size_t n = std::min<std::size_t>(n_chunks, n_threads);
  result.reserve(n);
  try {
    for (std::size_t i = 0; i < n; ++i) result.emplace_back(capacity, tables, n_strip_weights);
  } catch (const std::bad_alloc&) {
    if (result.empty()) throw;
  }
  return result;
}

}  // namespace fastepll
