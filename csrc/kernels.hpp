// The contract between the pass and the kernels: layouts, padding, one table of functions per
// instruction set (isa). Plain data only, so that the kernels of every isa can include it. The
// terms are those of docs/glossary.md.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fastepll {

constexpr std::size_t kAlign = 64;
// Rows of patches and coefficients are padded with zeros to a multiple of this many floats.
constexpr std::size_t kPad = 32;
// Estimator "top_mean": the most components that it averages over, and how far their cost may be
// above the lowest.
constexpr std::size_t kTopComponents = 4;
constexpr float kTopMargin = 14;
// How far above the lowest a cost may be and still have a share in a density in float32.
constexpr float kLikelyMargin = 40;
// Patches that extract and screen work on at a time.
constexpr std::size_t kBatch = 24;
constexpr std::size_t kMaxBands = 10;  // enough for 256 values per patch: 1, 2, 4 ... 128, the rest
constexpr std::size_t kMiddleCoefs = 16;  // leading coefficients of the cascade's middle cost
constexpr std::size_t kMaxTilePatches = 512;
// Room in a component's list of candidates for all patches of a tile and some to fill up. No power
// of two, so that the lists do not all begin in the same few sets of the cache.
constexpr std::size_t kListCapacity = kMaxTilePatches + 32;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

constexpr std::size_t round_up(std::size_t n, std::size_t step) { return ceil_div(n, step) * step; }

// How a pass uses the mixture; the definition is fastepll/backends/reference.py.
struct PassOptions {
  double noise_var;
  bool exact;                      // selection by full costs, else by the cascade
  std::size_t n_screen, n_refine;  // cascade: leading coefficients of the first and the last stage
  // Cascade, nats: how far above the lowest cost of the screen, and of the middle stage, a
  // candidate may be; less in flat patches.
  double margin, middle_margin;
  bool top_mean;          // mean over the best components by their probabilities, else the best one
  bool weighted;          // patches count by (1 + sum of gains)^-1/2, else alike
  double rank_tolerance;  // eigenvalues above this many noise variances are filtered one by one
  double window_decay;    // how steeply the weight of a pixel falls off towards the patch border
};

// A mixture prepared for one PassOptions. d values per patch; n_coefs = d - 1 coefficients in a
// shared orthonormal basis without its constant vector, because patches come with their mean
// removed. A cost is -2 log(weight x density) up to a constant.
//
// Panels are matrices packed in groups of `panel_rows` rows (of the isa), column by column within a
// group, padded with zero rows.
struct Tables {
  PassOptions options;
  std::size_t k, d, n_coefs;
  std::size_t height, width, channels;  // of a patch; d is their product
  std::size_t n_active;  // leading coefficients in use: n_coefs if exact, else n_refine
  float* basis;          // panels, n_active x d: pixels -> coefficients

  // Screen: a cost that is linear in features, the products c_i c_j of the first n_screen
  // coefficients and the squared norms of bands of the others.
  std::size_t n_bands, n_screen_features;
  std::size_t band_edges[kMaxBands + 1];  // band b: coefficients band_edges[b] to band_edges[b + 1]
  float *screen_weights, *screen_offset;  // panels, k x n_screen_features; per component

  // Exact: the precision is diag(diagonal) + R'R with R lower triangular, so the diagonal alone,
  // and then any number of rows of R, give a lower bound of the cost.
  float *bound_weights, *diagonal;  // panels, k x n_coefs; the same, coefs_pad per component

  // Refined cost: refine_offset + tail_precision x (squared norm of the coefficients from n_active
  // on) + |R c|^2, with R in n_blocks blocks of `triangle_rows` rows (of the isa), column by column
  // within a block; block b has (b + 1) * triangle_rows columns.
  std::size_t n_blocks;
  float *factor_rows, *refine_offset, *tail_precision;

  // Middle cost: the same with the first n_middle_blocks blocks only (0: no such stage), and with
  // middle_precision x (squared norm of the coefficients from kMiddleCoefs to n_active).
  std::size_t n_middle_blocks;
  float *middle_offset, *middle_precision;

  // Wiener filter: tail_gain z + U (gains - tail_gain) U'z, U the first `rank` eigenvectors.
  float* eigenvectors;       // d rows of d_pad per component: U', as many as a multiple of 4
  float *gains, *tail_gain;  // d_pad per component, the tail's subtracted; per component

  // Averaging: what a patch counts by its component, and a pixel by its place in the patch.
  float* confidence;
  float *row_window, *col_window;  // height; width
  float* window;                   // their products, d_pad, channel by channel

  std::size_t* ranks;  // per component, of the filter
  std::size_t n_top;   // components kept per patch: kTopComponents for a top mean, else 1
  std::size_t k_pad, coefs_pad, d_pad;
  std::size_t factor_stride, eigenvectors_stride;  // floats per component
};

// A mixture in float64: what its tables are made from, `double_lanes` components (of the isa) at a
// time.
struct MixtureParameters {
  const double *weights, *eigenvalues;  // k; k x d, descending
  const double* variances;              // n_coefs: of each coefficient under the whole mixture
  // In the basis, constant first: lower triangles row by row, each entry that of `double_lanes`
  // components side by side.
  double* covariances;
};

struct Assignment {  // a patch to a component, and the weight of the estimate
  std::int32_t patch;
  float weight;
};

// Some neighbouring patches, and what one thread needs to choose their components. `capacity` is
// kMaxTilePatches.
struct Tile {
  std::size_t n;                     // patches, at most capacity
  std::ptrdiff_t* corners;           // offset of each patch's first pixel in the image
  const float* image;                // channel by channel
  std::size_t pitch, channel_pitch;  // floats per row and per channel of the image
  std::int32_t* hints;  // null, or per patch a component that may win or -1; becomes the winner

  // What comes out, n_top components per patch: -1 where there are fewer.
  float *patches, *means;         // n x d_pad, mean-free; n
  std::int32_t* chosen;           // n x n_top
  float *weights, *total_weight;  // n x n_top: of the components' estimates in the average; sums

  float* coefs;                    // capacity x round_up(n_active, kPad)
  float* tail_squared_norm;        // capacity: of the coefficients from n_active on
  float* middle_squared_norm;      // capacity: of the coefficients from kMiddleCoefs to n_active
  float* squared_norm;             // capacity: of the patch
  float *best_costs, *cost_limit;  // capacity x n_top, lowest first; what cost is worth a look
  float *middle_limit, *margin;    // capacity: the same for the middle cost; above its lowest
  std::int32_t* incumbents;        // capacity: components tried first
  // Lists by component.
  std::int16_t* patch_list;  // k x kListCapacity: patches of which a component is a candidate
  float* cost_list;          // k x kListCapacity: their costs so far
  std::int32_t* list_ends;   // k
  // Of up to kPad patches side by side: the larger of n_screen_features and n_coefs if exact; the
  // coefficients that those are made of; k_pad.
  float *features, *turned, *costs;
};

// Rows of one channel of the image that one thread adds estimates to.
struct Strip {
  std::size_t top, bottom;         // rows of the image
  const std::size_t *rows, *cols;  // positions of patches: those of a slab, all
  std::size_t n_rows, n_cols;
  const float* estimates;              // d_pad each, from the channel's values on
  const std::int32_t* estimate_index;  // per patch, n_top: or -1
  const float* total_weight;           // per patch, of its estimates
  float *sums, *weights;               // rows of the image from `top` on; no weights if all are 1
  std::size_t pitch;                   // floats per row of those
};

// An axis of the patches of a step of a trained reaction diffusion. Patches that lie a part of
// their length apart are worked on in a group (kernels/diffuse.hpp); those of even length have two
// parts.
struct DiffusionAxis {
  std::size_t length, part, n_roles;

  constexpr DiffusionAxis() : DiffusionAxis(1) {}
  constexpr explicit DiffusionAxis(std::size_t n)
      : length(n), part(n % 2 ? n : n / 2), n_roles(n % 2 ? 1 : 3) {}
  // Places after which groups come again, the groups that begin in a block of so many, and where.
  constexpr std::size_t block() const { return n_roles == 1 ? 1 : length; }
  constexpr std::size_t groups() const { return n_roles == 1 ? 1 : part; }
  constexpr std::size_t place(std::size_t group) const {
    return group / groups() * block() + group % groups();
  }
};

// One step; the definition is fastepll/backends/diffusion.py. Of a patch of the image, its first
// pixel subtracted, and of the noisy image less it (or the guide), 2 d values. The matrices come
// part by part, in the order of the roles of rows and columns.
struct DiffusionTables {
  DiffusionAxis rows, cols;
  std::size_t n_filters, n_knots;
  float* analysis;   // n_filters x 2 parts: to the places of the responses among the knots
  float* synthesis;  // panels of triangle_rows, part x n_filters
  float* curves;     // n_filters x curve_pitch: pairs of a value of the influence, and the slope
  float middle;      // the place of a response of 0
  float less;        // how much of the image the noisy one has subtracted: 1, or 0 from a guide
};

// Groups of patches that are worked on together, side by side in panels.
constexpr std::size_t kGroups = 48;

// Floats of what belongs to a step: a matrix of a role; a curve; what a group's changes take; the
// scratch of the kernel.
struct DiffusionSizes {
  std::size_t analysis, synthesis, curve_pitch, change_pitch, span;
  std::size_t lines, features, responses, changes, room;

  constexpr explicit DiffusionSizes(const DiffusionTables& t) : DiffusionSizes(t, t.rows, t.cols) {}
  constexpr std::size_t scratch() const { return lines + features + responses + changes + room; }

 private:
  constexpr DiffusionSizes(const DiffusionTables& t, const DiffusionAxis& y, const DiffusionAxis& x)
      : analysis(t.n_filters * 2 * y.part * x.part),
        synthesis(round_up(y.part * x.part, kPad) * t.n_filters),
        curve_pitch(round_up(2 * t.n_knots, kPad)),
        change_pitch(round_up(y.part * x.part, kPad)),
        span(2 * kGroups + 3 * x.length),
        lines(2 * y.n_roles * y.part * span),
        features(kGroups * 2 * y.part * x.part),
        responses(y.n_roles * x.n_roles * kGroups * t.n_filters),
        changes(y.n_roles * x.n_roles * kGroups * change_pitch),
        room(kGroups * (y.n_roles * y.part + 1) * (x.n_roles + 1) * x.part) {}
};

// The patches that begin in row `top`, and in that a part further, of an image and the sums that
// they are added to.
struct PatchRows {
  const float *image, *noisy;
  float* sums;
  std::ptrdiff_t height, width, n_rows;  // of the images; rows that patches begin in
  std::ptrdiff_t top, left;  // either may lie before the image: a block begins in column `left`
};

// Where noise is looked for: patches of one channel, anywhere.
struct PatchSample {
  const float* image;
  std::size_t pitch, height, width;  // of the image; of a patch
  const float* high;                 // panels, n_high x (height * width)
  std::size_t n_high;
};

struct KernelTable {
  const char* isa;
  std::size_t panel_rows, triangle_rows, double_lanes;
  void (*extract)(const Tile&, const Tables&);
  void (*select)(const Tile&, const Tables&);             // the choice by `options`
  void (*select_exhaustive)(const Tile&, const Tables&);  // exact, without bounds
  // Refined costs of the components that have a share in the density, in the lists; best_costs.
  void (*refine_likely)(const Tile&, const Tables&);
  // Weighted estimates of n patches by component c, d_pad each. Scratch: kPad * d_pad floats.
  void (*filter)(const Tables&, std::size_t c, const Assignment* assignments, std::size_t n,
                 const float* patches, const float* means, float* estimates, float* scratch);
  void (*average)(const Strip&, const Tables&);
  // Adds the changes of the patches. Scratch: as DiffusionSizes says.
  void (*diffuse)(const PatchRows&, const DiffusionTables&, float* scratch);
  // Per mixture and group of `double_lanes` components: their covariances, and their eigenvectors,
  // which come as columns (k x d x d), as rows. The basis comes as columns, too, `pitch` numbers a
  // row, a multiple of kPad and padded with zeros. Scratch: 4 pitch pitch doubles.
  void (*rotate)(const MixtureParameters&, const double* eigenvectors, const double* basis_columns,
                 std::size_t pitch, std::size_t group, const Tables&, double* scratch);
  // Per PassOptions and group: all other tables, but the offsets of the costs come back as numbers,
  // three for each component: of the screen, refined and middle. False if not positive definite.
  bool (*prepare)(const MixtureParameters&, std::size_t group, const Tables&, double* offsets,
                  double* scratch);
  std::size_t (*prepare_scratch)(const Tables&);  // doubles that it takes, aligned
  // Of n patches: squared norm without that along the rows of `high`, squared norm along them,
  // pixels that tie for the least or largest value. Scratch: kBatch * (d_pad + rows of high,
  // padded) floats.
  void (*patch_statistics)(const PatchSample&, const std::ptrdiff_t* corners, std::size_t n,
                           float* scratch, float* result);
  // Log density of the high bands of a patch given the low ones, from the squared norm of each.
  // Tables, k_pad each: factor of each band, offset for the low bands, offset for all. Scratch:
  // 2 k_pad floats.
  double (*conditional_log_prob)(const float* squared_norms, const float* tables,
                                 std::size_t n_bands, std::size_t n_low, std::size_t k_pad,
                                 float* scratch);
};

}  // namespace fastepll
