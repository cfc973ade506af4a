#include "layout.hpp"

#include <algorithm>

#include "kernels.hpp"

namespace fastepll {

Layout::Layout(const std::vector<std::size_t>& at, std::size_t n_cols, std::size_t p,
               std::size_t height, int n_threads) {
  const std::size_t n_rows = at.size(), threads = static_cast<std::size_t>(n_threads);
  const std::size_t share = ceil_div(n_rows * n_cols, kPiecesPerThread * threads);
  const std::size_t wanted =
      threads == 1 ? kMostPatches : std::min(round_up(share, kRoom), kMostPatches);
  const std::size_t apart = n_rows > 1 ? ceil_div(at.back(), n_rows - 1) : p;
  const std::size_t tall = std::max({wanted / n_cols, ceil_div(p, apart), std::size_t{1}});
  const std::size_t most = std::max<std::size_t>(1, kBandPatches / n_cols);
  n_bands = ceil_div(n_rows, std::min({tall, most, n_rows}));
  band_rows = ceil_div(n_rows, n_bands);
  n_bands = ceil_div(n_rows, band_rows);
  band_room = band_rows * n_cols;
  for (std::size_t b = 0; b < n_bands; ++b) {
    const std::size_t n = (std::min((b + 1) * band_rows, n_rows) - b * band_rows) * n_cols;
    const bool late = threads > 1 && b + threads >= n_bands;
    n_pieces.push_back(ceil_div(n, late ? kRoom : wanted));
    for (std::size_t i = 0; i < n_pieces[b]; ++i) {
      pieces.push_back({b, i * n / n_pieces[b], (i + 1) * n / n_pieces[b]});
      piece_room = std::max(piece_room, pieces.back().end - pieces.back().begin);
    }
  }
  for (std::size_t b = 0; b < n_bands; ++b) top.push_back(b == 0 ? 0 : at[b * band_rows]);
  top.push_back(height);
  std::size_t behind = 0;  // strips that a band reaches beyond its own
  first.resize(n_bands);
  last.resize(n_bands);
  for (std::size_t b = n_bands; b-- > 0;) {
    const std::size_t end = at[std::min((b + 1) * band_rows, n_rows) - 1] + p;
    last[b] = b;
    while (last[b] + 1 < n_bands && top[last[b] + 1] < end) ++last[b];
    for (std::size_t s = b; s <= last[b]; ++s) first[s] = b;
    behind = std::max(behind, last[b] - b);
  }
  slots = std::min(n_bands, behind + 1 + ceil_div(kPiecesPerThread * threads, n_pieces[0]));
}

}  // namespace fastepll
