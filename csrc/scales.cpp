#include "scales.hpp"

#include <algorithm>
#include <vector>

namespace fastepll {
namespace {

constexpr std::size_t kRows = 16;  // of the coarse image, done by one thread at a time

template <class Body>
void for_each_row(std::size_t n, int n_threads, const Body& body) {
  const auto work = [&](std::size_t i, int thread) {
    for (std::size_t y = i * kRows; y < std::min(n, (i + 1) * kRows); ++y) body(y, thread);
  };
  parallel_for((n + kRows - 1) / kRows, n_threads, work, [](double) { return true; }, 0, 0);
}

float mean4(const float* image, std::size_t pitch) {
  return 0.25f * (image[0] + image[pitch] + image[1] + image[pitch + 1]);
}

}  // namespace

void halve(const float* image, std::size_t height, std::size_t width, int n_threads,
           float* result) {
  for_each_row(height / 2, n_threads, [=](std::size_t y, int) {
    const float* from = image + 2 * y * width;
    float* to = result + y * (width / 2);
    for (std::size_t x = 0; x < width / 2; ++x) to[x] = mean4(from + 2 * x, width);
  });
}

void add_coarse(float* image, std::size_t height, std::size_t width, const float* coarse,
                float weight, int n_threads, float* scratch) {
  const std::size_t h = height / 2, w = width / 2;
  for_each_row(h, n_threads, [=](std::size_t y, int) {
    for (std::size_t x = 0; x < w; ++x)
      scratch[y * w + x] = weight * (coarse[y * w + x] - mean4(image + 2 * (y * width + x), width));
  });
  std::vector<float> rows((w + 2) * static_cast<std::size_t>(n_threads));
  for_each_row(h, n_threads, [&](std::size_t y, int thread) {
    const float* near = scratch + y * w;
    for (const bool below : {false, true}) {
      const float* far = below ? (y + 1 < h ? near + w : near) : (y > 0 ? near - w : near);
      float* mixed = rows.data() + static_cast<std::size_t>(thread) * (w + 2) + 1;
      for (std::size_t x = 0; x < w; ++x) mixed[x] = 0.75f * near[x] + 0.25f * far[x];
      mixed[-1] = mixed[0];
      mixed[w] = mixed[w - 1];
      float* target = image + (2 * y + (below ? 1 : 0)) * width;
      for (std::size_t x = 0; x < w; ++x) {
        target[2 * x] += 0.75f * mixed[x] + 0.25f * mixed[x - 1];
        target[2 * x + 1] += 0.75f * mixed[x] + 0.25f * mixed[x + 1];
      }
    }
  });
}

}  // namespace fastepll
