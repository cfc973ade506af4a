#include "partition.hpp"

#include <algorithm>

#include "kernels.hpp"

namespace fastepll {

Partition::Partition(const std::vector<std::size_t>& at, std::size_t n_cols, std::size_t p,
                     std::size_t height, int n_threads) {
  const std::size_t n_rows = at.size(), threads = static_cast<std::size_t>(n_threads);
  const std::size_t share = ceil_div(n_rows * n_cols, kChunksPerThread * threads);
  const std::size_t wanted =
      threads == 1 ? kFilterChunk : std::min(round_up(share, kMaxTilePatches), kFilterChunk);
  const std::size_t apart = n_rows > 1 ? ceil_div(at.back(), n_rows - 1) : p;
  const std::size_t tall = std::max({wanted / n_cols, ceil_div(p, apart), std::size_t{1}});
  const std::size_t most = std::max<std::size_t>(1, kMaxSlabPatches / n_cols);
  n_slabs = ceil_div(n_rows, std::min({tall, most, n_rows}));
  slab_rows = ceil_div(n_rows, n_slabs);
  n_slabs = ceil_div(n_rows, slab_rows);
  slab_capacity = slab_rows * n_cols;
  for (std::size_t b = 0; b < n_slabs; ++b) {
    const std::size_t n = (std::min((b + 1) * slab_rows, n_rows) - b * slab_rows) * n_cols;
    const bool late = threads > 1 && b + threads >= n_slabs;
    n_chunks.push_back(ceil_div(n, late ? kMaxTilePatches : wanted));
    for (std::size_t i = 0; i < n_chunks[b]; ++i) {
      chunks.push_back({b, i * n / n_chunks[b], (i + 1) * n / n_chunks[b]});
      chunk_capacity = std::max(chunk_capacity, chunks.back().end - chunks.back().begin);
    }
  }
  for (std::size_t b = 0; b < n_slabs; ++b) strip_top.push_back(b == 0 ? 0 : at[b * slab_rows]);
  strip_top.push_back(height);
  std::size_t behind = 0;  // strips that a slab reaches beyond its own
  first_slab.resize(n_slabs);
  last_strip.resize(n_slabs);
  for (std::size_t b = n_slabs; b-- > 0;) {
    const std::size_t end = at[std::min((b + 1) * slab_rows, n_rows) - 1] + p;
    last_strip[b] = b;
    while (last_strip[b] + 1 < n_slabs && strip_top[last_strip[b] + 1] < end) ++last_strip[b];
    for (std::size_t s = b; s <= last_strip[b]; ++s) first_slab[s] = b;
    behind = std::max(behind, last_strip[b] - b);
  }
  n_slots = std::min(n_slabs, behind + 1 + ceil_div(kChunksPerThread * threads, n_chunks[0]));
}

}  // namespace fastepll
