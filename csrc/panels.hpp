// Matrices as the kernels want them: panels (kernels.hpp).
#pragma once
#include <cstddef>

namespace fastepll {

// A matrix, row by row, times `scale`; rows of padding stay as they are.
template <class T>
void pack_panels(const T* from, std::size_t rows, std::size_t cols, std::size_t panel_rows,
                 float* to, T scale = 1) {
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j)
      to[i / panel_rows * panel_rows * cols + j * panel_rows + i % panel_rows] =
          static_cast<float>(scale * from[i * cols + j]);
}

}  // namespace fastepll
