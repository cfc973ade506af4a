// How a pass cuts its grid of patches into chunks of work, and what has to wait for what.
#pragma once
#include <cstddef>
#include <vector>

namespace fastepll {

// Most patches that one thread takes at a time: some full tiles, so that it pays to wake a thread
// for them and filter finds several of one component, but so few that their memory stays in the
// cache.
constexpr std::size_t kFilterChunk = 4096;
constexpr std::size_t kMaxSlabPatches = 16384;  // most in a slab of several rows
constexpr std::size_t kChunksPerThread = 4;

// Some of the patches of a slab, from its patch number `begin` to `end`.
struct Chunk {
  std::size_t slab, begin, end;
};

// Slabs are rows of the grid, each cut into chunks, the last slabs into small ones so that threads
// end at about the same time. The strip of slab b is the rows of the image from its first patches
// to those of slab b + 1; the patches that reach into it are those of slabs first_slab[b] to b. A
// slab's estimates are in memory until strip last_strip[b] is done, in one of n_slots slots, so
// that chunks of slab b wait for strip last_strip[b - n_slots] at most.
struct Partition {
  // `at` are the positions of the grid's rows, p and height the rows of a patch and of the image.
  Partition(const std::vector<std::size_t>& at, std::size_t n_cols, std::size_t p,
            std::size_t height, int n_threads);

  std::size_t n_slabs, n_slots;
  std::size_t slab_rows, slab_capacity;  // rows of the grid, and patches, of a slab at most
  std::size_t chunk_capacity = 0;        // patches of a chunk at most
  std::vector<Chunk> chunks;             // in the order of the grid
  std::vector<std::size_t> n_chunks;     // of each slab
  std::vector<std::size_t> strip_top;    // n_slabs + 1: where strips begin
  std::vector<std::size_t> first_slab, last_strip;  // n_slabs
};

}  // namespace fastepll
