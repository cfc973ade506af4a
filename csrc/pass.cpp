#include "pass.hpp"

#include <algorithm>
#include <vector>

#include "buffer.hpp"

namespace fastepll {
namespace {

constexpr std::size_t kTileCols = 64;  // not less than the widest patch minus one

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// How an image is cut into tiles of patch positions: the same for any number of threads.
struct Grid {
  std::size_t rows, cols;    // patch positions
  std::size_t tile_rows;     // such that the coefficients of 8x8 patches take 128 kB
  std::size_t down, across;  // tiles
  std::size_t colors;        // tiles this many rows of tiles apart touch no common pixel

  Grid(const Image& image, const Mixture& m)
      : rows(image.height - m.height + 1),
        cols(image.width - m.width + 1),
        tile_rows(m.d <= 64 ? 8 : 4),
        down(ceil_div(rows, tile_rows)),
        across(ceil_div(cols, kTileCols)),
        colors(1 + ceil_div(m.height - 1, tile_rows)) {}
};

// The memory that one thread needs to work on a tile.
class Workspace {
 public:
  Workspace(const Grid& grid, const MixtureView& view, const Mixture& m)
      : covered_rows_(grid.tile_rows + m.height - 1) {
    const std::size_t groups = grid.tile_rows * kTileCols / kLanes;
    tile_.pitch = ceil_div(kTileCols + m.width - 1, kLanes) * kLanes;
    tile_.coefficient_stride = (view.q + kMaxRows) * kLanes;
    tile_.estimate_stride = view.d * kLanes;
    for (std::size_t y = 0; y < m.height; ++y)
      for (std::size_t x = 0; x < m.width; ++x) offsets_.push_back(y * tile_.pitch + x);
    tile_.offsets = offsets_.data();
    tile_.pixels = hold(pixels_, covered_rows_ * tile_.pitch);
    tile_.sums = hold(sums_, covered_rows_ * tile_.pitch);
    tile_.means = hold(means_, groups * kLanes);
    tile_.coefficients = hold(coefficients_, groups * tile_.coefficient_stride);
    tile_.norms = hold(norms_, groups * view.blocks * kLanes);
    tile_.best = hold(best_, groups * kLanes);
    tile_.chosen = hold(chosen_, groups * kLanes);
    tile_.estimates = hold(estimates_, groups * tile_.estimate_stride);
    tile_.scratch = hold(scratch_, 3 * (view.d + kMaxRows) * kLanes);
    tile_.order = hold(order_, groups * kLanes);
    tile_.starts = hold(starts_, view.k + 1);
  }

  // The tile with top-left position (y, x), its pixels copied in; zeros where the image has none.
  const Tile& load(const Grid& grid, const Image& image, std::size_t y, std::size_t x) {
    tile_.rows = std::min(grid.tile_rows, grid.rows - y);
    tile_.cols = std::min(kTileCols, grid.cols - x);
    tile_.down = ceil_div(tile_.rows, kSide);
    tile_.across = ceil_div(tile_.cols, kSide);
    const std::size_t size = covered_rows_ * tile_.pitch;
    std::fill_n(pixels_.get(), size, 0.0f);
    std::fill_n(sums_.get(), size, 0.0f);
    covered_height_ = std::min(covered_rows_, image.height - y);
    covered_width_ = std::min(tile_.pitch, image.width - x);
    for (std::size_t r = 0; r < covered_height_; ++r)
      std::copy_n(image.data + (y + r) * image.width + x, covered_width_,
                  pixels_.get() + r * tile_.pitch);
    return tile_;
  }

  // Adds the tile's sums to the image-sized ones.
  void add_sums(float* result, std::size_t image_width, std::size_t y, std::size_t x) const {
    for (std::size_t r = 0; r < covered_height_; ++r)
      for (std::size_t i = 0; i < covered_width_; ++i)
        result[(y + r) * image_width + x + i] += sums_.get()[r * tile_.pitch + i];
  }

 private:
  template <class T>
  static T* hold(Buffer<T>& buffer, std::size_t size) {
    buffer = Buffer<T>(size);
    return buffer.get();
  }

  Tile tile_{};
  std::size_t covered_rows_, covered_height_ = 0, covered_width_ = 0;
  std::vector<std::ptrdiff_t> offsets_;
  Buffer<float> pixels_, sums_, means_, coefficients_, norms_, best_, estimates_, scratch_;
  Buffer<std::int32_t> chosen_, order_, starts_;
};

// Calls action(workspace, y, x) for every tile. Tiles run in parallel only with tiles that share no
// pixel with them, and colours follow each other in a fixed order: so do the sums of every pixel.
template <class Action>
bool for_each_tile(const Grid& grid, const Prepared& prepared, int n_threads, const Poll& poll,
                   const Action& action) {
  const MixtureView view = prepared.view();
  std::vector<Workspace> workspaces;
  for (int t = 0; t < n_threads; ++t) workspaces.emplace_back(grid, view, prepared.mixture());
  double done = 0;
  for (std::size_t color = 0; color < 2 * grid.colors; ++color) {
    const std::size_t top = color / 2, left = color % 2;
    if (top >= grid.down || left >= grid.across) continue;
    const std::size_t down = ceil_div(grid.down - top, grid.colors);
    const std::size_t across = ceil_div(grid.across - left, 2);
    const auto body = [&](std::size_t i, int thread) {
      action(workspaces[thread], view, (top + i / across * grid.colors) * grid.tile_rows,
             (left + i % across * 2) * kTileCols);
    };
    const double share =
        static_cast<double>(down * across) / static_cast<double>(grid.down * grid.across);
    if (!parallel_for(down * across, n_threads, body, poll, done, done + share)) return false;
    done += share;
  }
  return true;
}

// Patches that cover pixel i of n, for patches of length p.
float cover(std::size_t i, std::size_t n, std::size_t p) {
  return static_cast<float>(std::min(std::min(i + 1, n - i), std::min(p, n - p + 1)));
}

}  // namespace

bool prior_pass(const Image& image, const Prepared& prepared, int n_threads, const Poll& poll,
                float* result) {
  const Mixture& m = prepared.mixture();
  const Grid grid(image, m);
  std::fill_n(result, image.height * image.width, 0.0f);
  const auto action = [&](Workspace& workspace, const MixtureView& view, std::size_t y,
                          std::size_t x) {
    const Tile& tile = workspace.load(grid, image, y, x);
    m.kernels.extract(tile, view);
    m.kernels.select[kBounded](tile, view);
    m.kernels.wiener(tile, view);
    m.kernels.average(tile, view);
    workspace.add_sums(result, image.width, y, x);
  };
  if (!for_each_tile(grid, prepared, n_threads, poll, action)) return false;
  const auto divide = [&](std::size_t y, int) {
    const float down = cover(y, image.height, m.height);
    for (std::size_t x = 0; x < image.width; ++x)
      result[y * image.width + x] /= down * cover(x, image.width, m.width);
  };
  return parallel_for(image.height, n_threads, divide, poll, 1, 1);
}

bool select_pass(const Image& image, const Prepared& prepared, Selection selection, int n_threads,
                 const Poll& poll, std::int32_t* chosen) {
  const Mixture& m = prepared.mixture();
  const Grid grid(image, m);
  const auto action = [&](Workspace& workspace, const MixtureView& view, std::size_t y,
                          std::size_t x) {
    const Tile& tile = workspace.load(grid, image, y, x);
    m.kernels.extract(tile, view);
    m.kernels.select[selection](tile, view);
    for (std::size_t r = 0; r < tile.rows; ++r)
      for (std::size_t i = 0; i < tile.cols; ++i)
        chosen[(y + r) * grid.cols + x + i] =
            tile.chosen[(r / kSide * tile.across + i / kSide) * kLanes + r % kSide * kSide +
                        i % kSide];
  };
  return for_each_tile(grid, prepared, n_threads, poll, action);
}

}  // namespace fastepll
