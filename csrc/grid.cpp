#include "grid.hpp"

namespace fastepll {

std::vector<std::size_t> positions(std::size_t n, std::size_t p, std::size_t stride,
                                   std::size_t shift) {
  std::vector<std::size_t> at{0};
  for (std::size_t i = shift == 0 ? stride : shift; i < n - p; i += stride) at.push_back(i);
  if (n > p) at.push_back(n - p);
  return at;
}

}  // namespace fastepll
