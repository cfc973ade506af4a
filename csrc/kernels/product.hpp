// Packed matrix times group: the inner loop that all verbs share.
#pragma once
#include "../simd.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

struct Block {
  Row row[kRows];
};

inline Block zero_block() {
  Block sum;
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t i = 0; i < kVecs; ++i) sum.row[r].v[i] = zero();
  return sum;
}

// sum += columns x in, where `packed` holds kRows values per column; `first` rows are known zero.
template <std::size_t first = 0>
inline void add_column(Block& sum, const float* packed, const float* in) {
  const Row x = load_row(in);
  for (std::size_t r = first; r < kRows; ++r) {
    const vec w = set1(packed[r]);
    for (std::size_t i = 0; i < kVecs; ++i) sum.row[r].v[i] = fma(w, x.v[i], sum.row[r].v[i]);
  }
}

inline void add_columns(Block& sum, const float* packed, const float* in, std::size_t cols) {
  for (std::size_t j = 0; j < cols; ++j) add_column(sum, packed + j * kRows, in + j * kLanes);
}

// out (rows, rounded up to kRows, x kLanes) = packed (rows x cols) x in (cols x kLanes).
inline void multiply(const float* packed, std::size_t rows, std::size_t cols, const float* in,
                     float* out) {
  for (std::size_t i = 0; i < rows; i += kRows, packed += cols * kRows, out += kRows * kLanes) {
    Block sum = zero_block();
    add_columns(sum, packed, in, cols);
    for (std::size_t r = 0; r < kRows; ++r) store_row(out + r * kLanes, sum.row[r]);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
