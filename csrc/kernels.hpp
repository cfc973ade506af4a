// The contract between the pass and the kernels: layouts, padding, one table of functions per
// instruction-set level. Plain data only, so that every level can include it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fastepll {

constexpr std::size_t kAlign = 64;
// Rows of patches and coefficients are padded with zeros to a multiple of this many floats.
constexpr std::size_t kPad = 32;
// Components that a posterior mean is made of, at most, and how far their cost may be above the
// lowest.
constexpr std::size_t kMixed = 4;
constexpr float kMixedCost = 14;
// Patches that extract and screen work on at a time.
constexpr std::size_t kBatch = 24;
constexpr std::size_t kMaxBands = 10;  // enough for 256 values per patch: 1, 2, 4 ... 128, the rest
constexpr std::size_t kMiddle = 16;    // leading coefficients of the cascade's middle cost
constexpr std::size_t kRoom = 512;     // most patches of a tile
// Room in the list of a component for all of them and a group to fill up. No power of two, so that
// the lists do not all begin in the same few sets of the cache.
constexpr std::size_t kListRoom = kRoom + 32;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

constexpr std::size_t round_up(std::size_t n, std::size_t step) { return ceil_div(n, step) * step; }

// How a pass uses the mixture; the definition is fastepll/backends/reference.py.
struct Spec {
  double noise_var;
  bool exact;              // selection by full costs, else by the cascade
  std::size_t head, dims;  // cascade: leading coefficients of the screen and of the refined cost
  // Cascade, nats: how far above the lowest cost of the screen, and of the middle stage, a
  // candidate may be; less in flat patches.
  double margin, middle_margin;
  bool mean;              // posterior mean over the best components, else the best one
  bool weighted;          // patches count by (1 + sum of gains)^-1/2, else alike
  double rank_tolerance;  // eigenvalues above this many noise variances are filtered one by one
  double window;          // how steeply the weight of a pixel falls off towards the patch border
};

// A mixture prepared for one Spec. d values per patch; q = d - 1 coefficients in a shared
// orthonormal basis without its constant vector, because patches come with their mean removed.
// Matrices are packed in blocks of `block` or `step` rows (of the level), column by column within a
// block, padded with zero rows. A cost is -2 log(weight x density) up to a constant.
struct Tables {
  Spec spec;
  std::size_t k, d, q;
  std::size_t height, width, channels;  // of a patch; d is their product
  std::size_t coefs;                    // leading coefficients in use: q if exact, else dims
  float* basis;                         // block rows, coefs x d: pixels -> coefficients

  // screen: a cost that is linear in the products c_i c_j of the head and the energies of bands
  std::size_t bands, features;
  std::size_t edges[kMaxBands + 1];  // band b has the coefficients edges[b] to edges[b + 1]
  float *screen, *screen_cost;       // block rows, k x features; per component

  // exact: the precision is diag(diagonal) + R'R with R lower triangular, so the diagonal alone,
  // and then any number of rows of R, give a lower bound of the cost
  float *bound, *diagonal;  // block rows, k x q; the same numbers, q_pad per component

  // refined cost: cost + tail x energy of the coefficients from `coefs` on + |R c|^2
  std::size_t blocks;  // of `step` rows of R; block b has (b + 1) * step columns
  float *rows, *cost, *tail;

  // middle cost: the same with the first `middle_blocks` blocks only (0: no such stage), and with
  // middle_tail x energy of the coefficients from kMiddle to `coefs`
  std::size_t middle_blocks;
  float *middle_cost, *middle_tail;

  // Wiener filter: tail_gain z + U (gains - tail_gain) U'z, U the first `rank` eigenvectors
  float* vectors;                 // d rows of d_pad per component: U', as many as a multiple of 4
  float *gains, *tail_gain;       // d_pad per component, the tail's subtracted; per component
  float* weight;                  // per component
  float *down, *across, *window;  // of the pixels of a patch: height, width; their products, d_pad,
                                  // channel by channel
  std::size_t* rank;

  std::size_t mixed;  // components kept per patch: kMixed for a posterior mean, else 1
  std::size_t k_pad, q_pad, d_pad;
  std::size_t rows_stride, vectors_stride;  // floats per component
};

// A mixture in float64: what its tables are made from, `lanes` components (of the level) at a time.
struct Source {
  const double *weights, *eigenvalues;  // k; k x d, descending
  const double* spread;                 // q: variances of the whole mixture
  // In the basis, constant first: lower triangles row by row, each entry that of `lanes` components
  // side by side.
  double* covariances;
};

struct Entry {  // a patch, and the weight of one of its estimates
  std::int32_t patch;
  float weight;
};

// Some neighbouring patches, and what one thread needs to choose their components.
struct Tile {
  std::size_t n;             // patches, at most kRoom, the room below
  std::ptrdiff_t* corners;   // offset of each patch's first pixel in the image
  const float* image;        // channel by channel
  std::size_t pitch, plane;  // floats per row and per channel of the image
  std::int32_t* hints;  // null, or per patch a component that may win or -1; becomes the winner

  // What comes out, `mixed` components per patch: -1 where there are fewer.
  float *patches, *means;  // n x d_pad, mean-free; n
  std::int32_t* chosen;    // n x mixed
  float *weights, *total;  // n x mixed: of the components' estimates in the average; their sum

  float* coefs;              // room x round_up(coefs, kPad)
  float *energy, *middle;    // room: squared norm of those from `coefs` on, from kMiddle to `coefs`
  float* power;              // room: squared norm of the patch
  float *best, *limit;       // room x mixed, room: lowest costs, and what cost is worth a look
  float *least, *slack;      // room: lowest middle cost, and the margin above it
  std::int32_t* seeds;       // room: components tried first
  std::int32_t* candidates;  // k_pad + kPad: of one patch
  // Lists by component; of padding components too, which a patch with NaN may choose.
  std::int16_t* patch_list;  // k_pad x kListRoom: patches of which a component is a candidate
  float* cost_list;          // k_pad x kListRoom: their costs so far
  std::int32_t* ends;        // k_pad: where these lists end
  float *features, *costs;   // kBatch x features, and kPad more; kBatch x k_pad
};

// Rows of one channel of the image that one thread adds estimates to.
struct Strip {
  std::size_t top, bottom;         // rows of the image
  const std::size_t *rows, *cols;  // positions of patches: those of the band, all
  std::size_t n_rows, n_cols;
  const float* estimates;     // d_pad each, from the channel's values on
  const std::int32_t* place;  // per patch, mixed: its estimates, or -1
  const float* total;         // per patch: their weight
  float *sums, *weights;      // rows of the image from `top` on; no weights if all are 1
  std::size_t pitch;          // floats per row of those
};

// Where noise is looked for: patches of one channel, anywhere.
struct Sample {
  const float* image;
  std::size_t pitch, height, width;  // of the image; of a patch
  const float* high;                 // block rows, n_high x (height * width)
  std::size_t n_high;
};

struct KernelTable {
  const char* level;
  std::size_t block, step, lanes;
  void (*extract)(const Tile&, const Tables&);
  void (*select)(const Tile&, const Tables&);      // the choice by `spec`
  void (*exhaustive)(const Tile&, const Tables&);  // exact, without bounds
  void (*evaluate)(const Tile&, const Tables&);    // refined costs of all components: cost_list
  // Weighted estimates of n entries of component c, d_pad each. Scratch: kPad * d_pad floats.
  void (*filter)(const Tables&, std::size_t c, const Entry* entries, std::size_t n,
                 const float* patches, const float* means, float* estimates, float* scratch);
  void (*average)(const Strip&, const Tables&);
  // Per mixture and group of `lanes` components: their covariances, and their eigenvectors, which
  // come as columns (k x d x d), as rows. The basis comes as columns, too, `pitch` numbers a row, a
  // multiple of kPad and padded with zeros. Scratch: 4 pitch pitch doubles.
  void (*rotate)(const Source& source, const double* vectors, const double* columns,
                 std::size_t pitch, std::size_t group, const Tables& tables, double* scratch);
  // Per Spec and group: all other tables, but the costs come back as numbers, three for each
  // component: of the screen, refined and middle. False if not positive definite.
  bool (*prepare)(const Source& source, std::size_t group, const Tables& tables, double* costs,
                  double* scratch);
  std::size_t (*prepare_scratch)(const Tables& tables);  // doubles that it takes, aligned
  // Of n patches: energy without that along the rows of `high`, energy along them, pixels that tie
  // for the least or largest value. Scratch: kBatch * (d_pad + rows of high, padded) floats.
  void (*inspect)(const Sample&, const std::ptrdiff_t* corners, std::size_t n, float* scratch,
                  float* result);
  // Log density of the high bands of a patch given the low ones. Tables, k_pad each: factor of the
  // energy of each band, offset for the low bands, offset for all. Scratch: 2 k_pad floats.
  double (*evidence)(const float* energies, const float* tables, std::size_t n_bands,
                     std::size_t n_low, std::size_t k_pad, float* scratch);
};

}  // namespace fastepll
