// The contract between the pass and the kernels: layouts, padding, one table of functions per
// instruction-set level. Plain data only, so that every level can include it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fastepll {

// A group is a square of kSide x kSide patches at neighbouring positions, side by side in kLanes
// lanes, row by row: value j of the patch in lane l is group[j * kLanes + l]. Every row of kLanes
// values is 64 bytes and 64-byte aligned.
constexpr std::size_t kSide = 4;
constexpr std::size_t kLanes = kSide * kSide;
constexpr std::size_t kAlign = 64;
// Bound on KernelTable::rows over all levels: what a block may read past the last coefficient.
constexpr std::size_t kMaxRows = 12;

// A mixture prepared for one noise level. d values per patch; q = d - 1 coefficients in a shared
// orthonormal basis without its constant vector, because patches come with their mean removed.
// Matrices are packed in blocks of `rows` rows, column by column within a block (see gmm.cpp).
struct MixtureView {
  std::size_t k, d, q;
  const float* basis;      // q x d: pixels -> coefficients
  const float* whiten;     // per component, lower triangular q x q: |whiten c|^2 is its distance
  const float* cost;       // per component: -2 log weight + log determinant, up to a constant
  const float* tail;       // per component and block of `whiten`, see add_distance in select.hpp
  const float* leak;       // likewise
  const float* analysis;   // per component, d x q: coefficients -> eigenvector coordinates
  const float* gains;      // per component, gain_stride: Wiener gain of each eigenvector
  const float* synthesis;  // per component, d x d: eigenvector coordinates -> pixels
  std::size_t whiten_stride, analysis_stride, gain_stride, synthesis_stride;
  std::size_t blocks;  // of `whiten`: the first has 1 to `rows` rows, all others `rows`
};

// One tile of patch positions and the scratch to work on it; all buffers belong to one thread.
struct Tile {
  std::size_t rows, cols;         // patch positions
  std::size_t down, across;       // groups that cover them, the last ones perhaps in part
  std::size_t pitch;              // floats per row of `pixels` and `sums`
  const std::ptrdiff_t* offsets;  // d offsets from the top-left pixel of a patch to its values
  const float* pixels;            // readable for every lane, valid or not
  float* sums;                    // the averaging kernel adds to it
  float* means;                   // per group: kLanes
  float* coefficients;            // per group: coefficient_stride, zero past q rows
  float* norms;  // per group and block of `whiten`: kLanes, the norm of the coefficients from the
                 // first row of that block on
  float* best;   // per group: kLanes, lowest cost
  std::int32_t* chosen;            // per group: kLanes, the component with that cost
  float* estimates;                // per group: estimate_stride; zero in lanes that are not valid
  std::size_t coefficient_stride;  // (q + kMaxRows) * kLanes
  std::size_t estimate_stride;     // d * kLanes
  float* scratch;                  // 3 * (d + kMaxRows) * kLanes
  std::int32_t* order;             // down * across * kLanes
  std::int32_t* starts;            // k + 1
};

// Ways to find the component with the lowest cost; all of them find the same one.
enum Selection : std::size_t {
  kExhaustive,  // every component to the end
  kBounded,     // gives a component up once it is certain to lose in all lanes of a group
  kSelections
};

struct KernelTable {
  const char* level;
  std::size_t rows;  // rows per block of every packed matrix
  void (*extract)(const Tile&, const MixtureView&);
  void (*select[kSelections])(const Tile&, const MixtureView&);
  void (*wiener)(const Tile&, const MixtureView&);
  void (*average)(const Tile&, const MixtureView&);
};

}  // namespace fastepll
