#include "scales.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

namespace fastepll {
namespace {

constexpr std::size_t kChunkPixels =
    1 << 15;  // of the coarse image: less does not pay to wake a thread

// Rows of the coarse image, cut into chunks of about the same size.
struct Rows {
  Rows(std::size_t height, std::size_t width)
      : n(height), chunks(std::clamp<std::size_t>(height * width / kChunkPixels, 1, height)) {}
  std::size_t begin(std::size_t chunk) const { return chunk * n / chunks; }
  const std::size_t n, chunks;
};

float mean4(const float* image, std::size_t pitch) {
  return 0.25f * (image[0] + image[pitch] + image[1] + image[pitch + 1]);
}

}  // namespace

void halve(const float* image, std::size_t height, std::size_t width, int n_threads,
           float* result) {
  const Rows rows(height / 2, width / 2);
  parallel_for(rows.chunks, n_threads, [&](std::size_t chunk, int) {
    for (std::size_t y = rows.begin(chunk); y < rows.begin(chunk + 1); ++y) {
      const float* from = image + 2 * y * width;
      float* to = result + y * (width / 2);
      for (std::size_t x = 0; x < width / 2; ++x) to[x] = mean4(from + 2 * x, width);
    }
  });
}

void add_coarse(float* image, std::size_t height, std::size_t width, const float* coarse,
                float weight, int n_threads, float* scratch) {
  const std::size_t h = height / 2, w = width / 2;
  const Rows rows(h, w);
  const auto subtract = [&](std::size_t chunk) {
    for (std::size_t y = rows.begin(chunk); y < rows.begin(chunk + 1); ++y)
      for (std::size_t x = 0; x < w; ++x)
        scratch[y * w + x] =
            weight * (coarse[y * w + x] - mean4(image + 2 * (y * width + x), width));
  };
  const auto add = [&](std::size_t chunk, float* mixed) {
    for (std::size_t i = 2 * rows.begin(chunk); i < 2 * rows.begin(chunk + 1); ++i) {
      const std::size_t y = i / 2;
      const float* near = scratch + y * w;
      const float* far = i % 2 ? (y + 1 < h ? near + w : near) : (y > 0 ? near - w : near);
      for (std::size_t x = 0; x < w; ++x) mixed[x] = 0.75f * near[x] + 0.25f * far[x];
      mixed[-1] = mixed[0];
      mixed[w] = mixed[w - 1];
      float* target = image + i * width;
      for (std::size_t x = 0; x < w; ++x) {
        target[2 * x] += 0.75f * mixed[x] + 0.25f * mixed[x - 1];
        target[2 * x + 1] += 0.75f * mixed[x] + 0.25f * mixed[x + 1];
      }
    }
  };
  const std::size_t threads = std::min<std::size_t>(rows.chunks, n_threads);
  std::vector<float> lines((w + 2) * threads);
  // A chunk is added when the differences of its neighbours are known too, by who finds the last.
  std::vector<std::atomic<int>> waiting(rows.chunks);
  for (std::size_t i = 0; i < rows.chunks; ++i)
    waiting[i] = 1 + (i > 0 ? 1 : 0) + (i + 1 < rows.chunks ? 1 : 0);
  parallel_for(rows.chunks, n_threads, [&](std::size_t chunk, int thread) {
    subtract(chunk);
    for (std::size_t i = chunk > 0 ? chunk - 1 : 0; i < std::min(chunk + 2, rows.chunks); ++i)
      if (--waiting[i] == 0) add(i, lines.data() + static_cast<std::size_t>(thread) * (w + 2) + 1);
  });
}

}  // namespace fastepll
