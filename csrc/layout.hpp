// How a pass cuts its grid of patches into pieces of work, and what has to wait for what.
#pragma once
#include <cstddef>
#include <vector>

namespace fastepll {

// Patches that one thread takes at a time: some full tiles, so that it pays to wake a thread for
// them, and at most so many that their memory stays in the cache.
constexpr std::size_t kMostPatches = 4096;
constexpr std::size_t kBandPatches = 16384;  // most in a band of several rows
constexpr std::size_t kPiecesPerThread = 4;

// Some of the patches of a band, from its patch number `begin` to `end`.
struct Piece {
  std::size_t band, begin, end;
};

// Bands are rows of the grid, each cut into pieces, the last bands into small ones so that threads
// end at about the same time. The strip of band b is the rows of the image from its first patches
// to those of band b + 1; the patches that reach into it are those of bands first[b] to b. A band's
// estimates are in memory until strip last[b] is done, in one of `slots` places, so that pieces of
// band b wait for strip last[b - slots] at most.
struct Layout {
  // `at` are the positions of the grid's rows, p and height the rows of a patch and of the image.
  Layout(const std::vector<std::size_t>& at, std::size_t n_cols, std::size_t p, std::size_t height,
         int n_threads);

  std::size_t n_bands, slots;
  std::size_t band_rows, band_room;      // rows of the grid, and patches, of a band at most
  std::size_t piece_room = 0;            // patches of a piece at most
  std::vector<Piece> pieces;             // in the order of the grid
  std::vector<std::size_t> n_pieces;     // of each band
  std::vector<std::size_t> top;          // n_bands + 1: where strips begin
  std::vector<std::size_t> first, last;  // n_bands
};

}  // namespace fastepll
