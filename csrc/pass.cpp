#include "pass.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fastepll {
namespace {

constexpr std::size_t kBand = 16384;  // patches, about, that are in memory at a time
constexpr std::size_t kRun = 128;     // entries filtered at a time

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// Reciprocal of the sum of the weights over each of the n pixels of an axis, from patches that
// begin at `at`.
std::vector<float> shares(const std::vector<std::size_t>& at, const float* weights, std::size_t p,
                          std::size_t n) {
  std::vector<float> total(n);
  for (const std::size_t begin : at)
    for (std::size_t i = 0; i < p; ++i) total[begin + i] += weights[i];
  for (float& value : total) value = 1 / value;
  return total;
}

// row = (1 - blend) noisy + blend scale row shares; without noisy, blend is 1.
void finish(float* __restrict row, const float* __restrict noisy, float blend, float scale,
            const float* __restrict shares, std::size_t n) {
  if (!noisy)
    for (std::size_t x = 0; x < n; ++x) row[x] *= scale * shares[x];
  else
    for (std::size_t x = 0; x < n; ++x)
      row[x] = (1 - blend) * noisy[x] + blend * (row[x] * (scale * shares[x]));
}

// The workspaces of a call, one per thread.
class Team {
 public:
  Team(const Prepared& prepared, int n_threads) {
    for (int t = 0; t < n_threads; ++t) {
      workspaces_.push_back(prepared.mixture().workspaces().take());
      tiles_.push_back(workspaces_.back()->tile(prepared.tables()));
    }
  }
  Tile& operator[](int thread) { return tiles_[thread]; }

 private:
  std::vector<decltype(std::declval<WorkspacePool>().take())> workspaces_;
  std::vector<Tile> tiles_;
};

// The patches of some rows of the grid, and what becomes of them.
struct Band {
  std::size_t begin = 0, end = 0;  // rows of the grid
  std::size_t n = 0;               // patches
  float *patches, *means, *weights, *total, *estimates;
  float* scratch;  // kPad * d_pad per thread
  Entry* sorted;   // by component
  std::int32_t *chosen, *place;
  std::vector<std::int32_t> starts;

  Band(std::size_t room, const Tables& t, int n_threads, Workspace& memory) : starts(t.k + 1) {
    memory.hold([&](auto hold) {
      hold(patches, room * t.d_pad);
      hold(estimates, room * t.mixed * t.d_pad);
      hold(means, room);
      hold(weights, room * t.mixed);
      hold(total, room);
      hold(scratch, kPad * t.d_pad * n_threads);
      hold(sorted, room * t.mixed);
      hold(chosen, room * t.mixed);
      hold(place, room * t.mixed);
    });
  }
};

class Pass {
 public:
  Pass(const Image& image, const Prepared& prepared, const Grid& grid, std::int32_t* hints,
       int n_threads, const Poll& poll)
      : image_(image),
        tables_(prepared.tables()),
        kernels_(prepared.mixture().kernels),
        rows_(positions(image.height, tables_.height, grid.stride, grid.shift_y)),
        cols_(positions(image.width, tables_.width, grid.stride, grid.shift_x)),
        hints_(hints),
        n_threads_(n_threads),
        poll_(poll),
        team_(prepared, n_threads),
        band_rows_(std::min(rows_.size(), std::max<std::size_t>(1, kBand / cols_.size()))),
        memory_(prepared.mixture().bands().take()),
        band_(band_rows_ * cols_.size(), tables_, n_threads, *memory_) {}

  // Has `choose(tile)` done with the patches band by band, and `use()` with each band; false stops.
  template <class Choose, class Use>
  bool run(const Choose& choose, const Use& use) {
    const double n_rows = static_cast<double>(rows_.size());
    for (std::size_t begin = 0; begin < rows_.size(); begin = band_.end) {
      band_.begin = begin;
      band_.end = std::min(begin + band_rows_, rows_.size());
      band_.n = (band_.end - begin) * cols_.size();
      const std::size_t size = tile_size(band_.n);
      const auto work = [&](std::size_t i, int thread) {
        const Tile& tile = place(team_[thread], i * size, size);
        kernels_.extract(tile, tables_);
        choose(tile);
      };
      if (!parallel_for(ceil_div(band_.n, size), n_threads_, work, poll_,
                        static_cast<double>(begin) / n_rows,
                        static_cast<double>(band_.end) / n_rows) ||
          !use())
        return false;
    }
    return true;
  }

  const Tables& tables() const { return tables_; }
  const KernelTable& kernels() const { return kernels_; }
  const Band& band() const { return band_; }
  std::size_t n_cols() const { return cols_.size(); }

  // Estimates of all patches of the band, component by component.
  bool filter() {
    sort();
    const std::size_t n = static_cast<std::size_t>(band_.starts[tables_.k]);
    const auto work = [&](std::size_t i, int thread) {
      std::size_t at = i * kRun;
      const std::size_t end = std::min(at + kRun, n);
      std::size_t c = std::upper_bound(band_.starts.begin(), band_.starts.end(),
                                       static_cast<std::int32_t>(at)) -
                      band_.starts.begin() - 1;
      for (; at < end; ++c) {
        const std::size_t stop = std::min<std::size_t>(end, band_.starts[c + 1]);
        kernels_.filter(tables_, c, band_.sorted + at, stop - at, band_.patches, band_.means,
                        band_.estimates + at * tables_.d_pad,
                        band_.scratch + kPad * tables_.d_pad * thread);
        at = stop;
      }
    };
    return parallel_for(ceil_div(n, kRun), n_threads_, work, idle, 0, 0);
  }

  // Adds the estimates to `result`; rows that no later band covers become the blend.
  bool average(const float* noisy, float blend, float* result) {
    const std::size_t width = image_.width;
    const std::size_t covered = rows_[band_.end - 1] + tables_.height;
    const std::size_t next = band_.end < rows_.size() ? rows_[band_.end] : image_.height;
    const bool weighted = tables_.spec.weighted;
    if (weighted) weights_.resize((covered - finished_) * width);
    if (finished_ == 0) {
      down_ = shares(rows_, tables_.down, tables_.height, image_.height);
      across_ = shares(cols_, tables_.across, tables_.width, width);
    }
    const std::size_t n_rows = covered - finished_;
    const std::size_t step =
        std::max(tables_.height, ceil_div(n_rows, 4 * static_cast<std::size_t>(n_threads_)));
    const auto work = [&](std::size_t i, int) {
      Strip strip{};
      strip.top = finished_ + i * step;
      strip.bottom = std::min(strip.top + step, covered);
      strip.rows = rows_.data() + band_.begin;
      strip.n_rows = band_.end - band_.begin;
      strip.cols = cols_.data();
      strip.n_cols = cols_.size();
      strip.estimates = band_.estimates;
      strip.place = band_.place;
      strip.total = band_.total;
      strip.pitch = width;
      float* weights = weighted ? weights_.data() + (strip.top - finished_) * width : nullptr;
      for (std::size_t c = 0; c < tables_.channels; ++c) {
        float* plane = result + c * image_.height * width;
        const float* beside = noisy ? noisy + c * image_.height * width : nullptr;
        if (strip.bottom > begun_)
          std::fill(plane + std::max(strip.top, begun_) * width, plane + strip.bottom * width,
                    0.0f);
        strip.sums = plane + strip.top * width;
        strip.weights = c == 0 ? weights : nullptr;  // the channels share them
        kernels_.average(strip, tables_);
        strip.estimates += tables_.height * tables_.width;
        for (std::size_t y = strip.top; y < std::min(strip.bottom, next); ++y) {
          float* row = weighted ? weights + (y - strip.top) * width : nullptr;
          for (std::size_t x = 0; weighted && c == 0 && x < width; ++x) row[x] = 1 / row[x];
          finish(plane + y * width, beside ? beside + y * width : nullptr, blend,
                 weighted ? 1 : down_[y], weighted ? row : across_.data(), width);
        }
      }
    };
    if (!parallel_for(ceil_div(n_rows, step), n_threads_, work, idle, 0, 0)) return false;
    if (weighted)
      weights_.erase(weights_.begin(),
                     weights_.begin() + static_cast<std::ptrdiff_t>((next - finished_) * width));
    finished_ = next;
    begun_ = covered;
    return true;
  }

 private:
  static bool idle(double) { return true; }

  // Tiles of about the same size, as many for every thread.
  std::size_t tile_size(std::size_t n) const {
    const std::size_t threads = static_cast<std::size_t>(n_threads_);
    return ceil_div(n, ceil_div(n, kRoom * threads) * threads);
  }

  // The tile of the patches of the band from `begin` on, `size` at most.
  const Tile& place(Tile& tile, std::size_t begin, std::size_t size) {
    tile.image = image_.data;
    tile.pitch = image_.width;
    tile.plane = image_.height * image_.width;
    tile.n = std::min(size, band_.n - begin);
    for (std::size_t p = 0; p < tile.n; ++p) {
      const std::size_t row = band_.begin + (begin + p) / cols_.size();
      const std::size_t col = (begin + p) % cols_.size();
      tile.corners[p] = static_cast<std::ptrdiff_t>(rows_[row] * image_.width + cols_[col]);
    }
    tile.hints = hints_ ? hints_ + band_.begin * cols_.size() + begin : nullptr;
    tile.patches = band_.patches + begin * tables_.d_pad;
    tile.means = band_.means + begin;
    tile.chosen = band_.chosen + begin * tables_.mixed;
    tile.weights = band_.weights + begin * tables_.mixed;
    tile.total = band_.total + begin;
    return tile;
  }

  // The patches of the band by component (counting sort, stable): those of component c are
  // sorted[starts[c]] to sorted[starts[c + 1] - 1]; `place` leads from a patch to its entries.
  void sort() {
    Band& b = band_;
    const std::size_t n = b.n * tables_.mixed;
    std::fill(b.starts.begin(), b.starts.end(), 0);
    for (std::size_t i = 0; i < n; ++i)
      if (b.chosen[i] >= 0) ++b.starts[b.chosen[i]];
    for (std::size_t c = 1; c <= tables_.k; ++c) b.starts[c] += b.starts[c - 1];
    for (std::size_t i = n; i-- > 0;) {
      b.place[i] = b.chosen[i] >= 0 ? --b.starts[b.chosen[i]] : -1;
      if (b.place[i] >= 0)
        b.sorted[b.place[i]] = {static_cast<std::int32_t>(i / tables_.mixed), b.weights[i]};
    }
  }

  const Image image_;
  const Tables& tables_;
  const KernelTable& kernels_;
  const std::vector<std::size_t> rows_, cols_;
  std::int32_t* const hints_;
  const int n_threads_;
  const Poll& poll_;
  Team team_;
  const std::size_t band_rows_;
  const decltype(std::declval<WorkspacePool>().take()) memory_;
  Band band_;
  std::size_t finished_ = 0, begun_ = 0;  // rows of the result: done, and holding sums
  std::vector<float> weights_;            // of the rows that are not finished
  std::vector<float> down_, across_;      // what a patch counts, down and across
};

}  // namespace

std::vector<std::size_t> positions(std::size_t n, std::size_t p, std::size_t stride,
                                   std::size_t shift) {
  std::vector<std::size_t> at{0};
  for (std::size_t i = shift == 0 ? stride : shift; i < n - p; i += stride) at.push_back(i);
  if (n > p) at.push_back(n - p);
  return at;
}

bool prior_pass(const Image& image, const float* noisy, float blend, const Prepared& prepared,
                const Grid& grid, std::int32_t* hints, int n_threads, const Poll& poll,
                float* result) {
  Pass pass(image, prepared, grid, hints, n_threads, poll);
  return pass.run([&](const Tile& tile) { pass.kernels().select(tile, pass.tables()); },
                  [&] { return pass.filter() && pass.average(noisy, blend, result); }) &&
         poll(1);
}

bool select_pass(const Image& image, const Prepared& prepared, const Grid& grid, bool exhaustive,
                 int n_threads, const Poll& poll, std::int32_t* chosen) {
  Pass pass(image, prepared, grid, nullptr, n_threads, poll);
  const std::size_t mixed = prepared.tables().mixed;
  const auto choose = exhaustive ? pass.kernels().exhaustive : pass.kernels().select;
  return pass.run([&](const Tile& tile) { choose(tile, pass.tables()); },
                  [&] {
                    const Band& band = pass.band();
                    for (std::size_t p = 0; p < band.n; ++p)
                      chosen[band.begin * pass.n_cols() + p] = band.chosen[p * mixed];
                    return true;
                  });
}

bool likelihood_pass(const Image& image, const Prepared& prepared, const Grid& grid, int n_threads,
                     const Poll& poll, double* log_probs) {
  Pass pass(image, prepared, grid, nullptr, n_threads, poll);
  const Tables& tables = prepared.tables();
  const double constant =
      prepared.lowest_cost() + static_cast<double>(tables.q) * std::log(2 * 3.14159265358979323846);
  const auto evaluate = [&](const Tile& tile) {
    pass.kernels().evaluate(tile, tables);
    for (std::size_t p = 0; p < tile.n; ++p) {
      const float* costs = tile.cost_list + p;
      float lowest = costs[0];
      for (std::size_t c = 1; c < tables.k; ++c) lowest = std::min(lowest, costs[c * kListRoom]);
      double total = 0;
      for (std::size_t c = 0; c < tables.k; ++c)
        total += std::exp(-0.5 * static_cast<double>(costs[c * kListRoom] - lowest));
      const std::ptrdiff_t at =
          pass.band().begin * pass.n_cols() + (tile.means - pass.band().means) + p;
      log_probs[at] = std::log(total) - 0.5 * (static_cast<double>(lowest) + constant);
    }
  };
  return pass.run(evaluate, [] { return true; });
}

}  // namespace fastepll
