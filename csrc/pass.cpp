#include "pass.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "partition.hpp"
#include "thread_scratch.hpp"

namespace fastepll {
namespace {

// Reciprocal of the sum of the weights over each of the n pixels of an axis, from patches that
// begin at `at`.
std::vector<float> inverse_sums(const std::vector<std::size_t>& at, const float* weights,
                                std::size_t p, std::size_t n) {
  std::vector<float> total(n);
  for (const std::size_t begin : at)
    for (std::size_t i = 0; i < p; ++i) total[begin + i] += weights[i];
  for (float& value : total) value = 1 / value;
  return total;
}

// row = (1 - blend) noisy + blend scale row factors; without noisy, blend is 1.
void normalise_and_blend(float* __restrict row, const float* __restrict noisy, float blend,
                         float scale, const float* __restrict factors, std::size_t n) {
  if (!noisy)
    for (std::size_t x = 0; x < n; ++x) row[x] *= scale * factors[x];
  else
    for (std::size_t x = 0; x < n; ++x)
      row[x] = (1 - blend) * noisy[x] + blend * (row[x] * (scale * factors[x]));
}

// The estimates of all patches and their average, slab by slab but without a barrier between them:
// the thread that finishes the last slab that a strip waits for averages that strip.
class Pass {
 public:
  Pass(const PassCall& from, int n_threads)
      : tables_(from.prepared->tables()),
        kernels_(from.prepared->mixture().kernels),
        patches_(from.image, tables_, from.grid),
        noisy_(from.noisy),
        blend_(from.blend),
        hints_(from.hints),
        result_(from.result),
        row_factors_(
            inverse_sums(patches_.rows, tables_.row_window, tables_.height, from.image.height)),
        col_factors_(
            inverse_sums(patches_.cols, tables_.col_window, tables_.width, from.image.width)),
        partition_(patches_.rows, patches_.cols.size(), tables_.height, from.image.height,
                   n_threads),
        memory_([&](const auto& reserve) {
          const std::size_t capacity = partition_.n_slots * partition_.slab_capacity;
          reserve(estimates_, capacity * tables_.n_top * tables_.d_pad);
          reserve(estimate_index_, capacity * tables_.n_top);
          reserve(total_weight_, capacity);
        }),
        chunks_left_(partition_.n_slabs),
        slabs_left_(partition_.n_slabs),
        strips_done_(partition_.n_slabs) {
    for (std::size_t b = 0; b < partition_.n_slabs; ++b) {
      chunks_left_[b] = partition_.n_chunks[b];
      slabs_left_[b] = b - partition_.first_slab[b] + 1;
    }
  }

  const Tables& tables() const { return tables_; }
  std::size_t n_chunks() const { return partition_.chunks.size(); }
  std::size_t chunk_capacity() const { return partition_.chunk_capacity; }

  // Weights that scratch needs room for: those of the tallest strip.
  std::size_t n_strip_weights() const {
    std::size_t rows = 0;
    for (std::size_t b = 0; b < partition_.n_slabs; ++b)
      rows = std::max(rows, partition_.strip_top[b + 1] - partition_.strip_top[b]);
    return tables_.options.weighted ? rows * patches_.image.width : 0;
  }

  // Chunk number i, and the strips that waited for it alone. Those before it must be begun.
  void work(std::size_t i, ThreadScratch& scratch) {
    const std::size_t slab = partition_.chunks[i].slab;
    wait_for_slot(slab);
    estimate(partition_.chunks[i], scratch);
    if (--chunks_left_[slab] > 0) return;
    for (std::size_t s = slab; s <= partition_.last_strip[slab]; ++s)
      if (--slabs_left_[s] == 0) {
        average(s, scratch.strip_weights);
        finish(s);
      }
  }

 private:
  // Rows of the grid in a slab; where it has its estimates.
  std::size_t begin(std::size_t slab) const { return slab * partition_.slab_rows; }
  std::size_t end(std::size_t slab) const {
    return std::min(begin(slab + 1), patches_.rows.size());
  }
  std::size_t slot(std::size_t slab) const {
    return slab % partition_.n_slots * partition_.slab_capacity;
  }

  // Until the slab that had the same slot is averaged.
  void wait_for_slot(std::size_t slab) {
    if (slab < partition_.n_slots) return;
    const std::size_t last = partition_.last_strip[slab - partition_.n_slots];
    std::unique_lock<std::mutex> lock(mutex_);
    strip_done_.wait(lock, [&] { return n_done_ > last; });
  }

  // Counts the strips that are done without a gap.
  void finish(std::size_t strip) {
    const std::lock_guard<std::mutex> lock(mutex_);
    strips_done_[strip] = true;
    while (n_done_ < partition_.n_slabs && strips_done_[n_done_]) ++n_done_;
    strip_done_.notify_all();
  }

  // Estimates of the patches of a chunk, and where they are.
  void estimate(const Chunk& chunk, ThreadScratch& scratch) {
    const std::size_t n = chunk.end - chunk.begin, n_tiles = ceil_div(n, kMaxTilePatches);
    const std::size_t at = slot(chunk.slab) + chunk.begin;
    for (std::size_t t = 0; t < n_tiles; ++t) {
      const std::size_t begin_t = t * n / n_tiles, n_t = (t + 1) * n / n_tiles - begin_t;
      const std::size_t number = begin(chunk.slab) * patches_.cols.size() + chunk.begin + begin_t;
      Tile& tile = scratch.tile;
      tile.patches = scratch.patches + begin_t * tables_.d_pad;
      tile.means = scratch.means + begin_t;
      tile.chosen = scratch.chosen + begin_t * tables_.n_top;
      tile.weights = scratch.weights + begin_t * tables_.n_top;
      tile.total_weight = total_weight_ + at + begin_t;
      tile.hints = hints_ ? hints_ + number : nullptr;
      patches_.set_tile(tile, number, n_t);
      kernels_.extract(tile, tables_);
      kernels_.select(tile, tables_);
    }
    const std::size_t first = at * tables_.n_top;
    sort(scratch, n * tables_.n_top, first);
    float* estimates = estimates_ + first * tables_.d_pad;
    for (std::size_t c = 0; c < tables_.k; ++c) {
      const std::int32_t start = scratch.starts[c], count = scratch.starts[c + 1] - start;
      if (count > 0)
        kernels_.filter(tables_, c, scratch.sorted + start, static_cast<std::size_t>(count),
                        scratch.patches, scratch.means, estimates + start * tables_.d_pad,
                        scratch.filter_scratch);
    }
  }

  // The n choices of a chunk by component (counting sort, stable): those of component c are
  // sorted[starts[c]] to sorted[starts[c + 1] - 1]; estimate_index_ leads to their estimates, which
  // begin at number `first`.
  void sort(ThreadScratch& scratch, std::size_t n, std::size_t first) {
    std::int32_t* starts = scratch.starts;
    std::fill_n(starts, tables_.k + 1, 0);
    for (std::size_t i = 0; i < n; ++i)
      if (scratch.chosen[i] >= 0) ++starts[scratch.chosen[i]];
    for (std::size_t c = 1; c <= tables_.k; ++c) starts[c] += starts[c - 1];
    for (std::size_t i = n; i-- > 0;) {
      std::int32_t& index = estimate_index_[first + i];
      index = -1;
      if (scratch.chosen[i] < 0) continue;
      const std::int32_t to = --starts[scratch.chosen[i]];
      scratch.sorted[to] = {static_cast<std::int32_t>(i / tables_.n_top), scratch.weights[i]};
      index = static_cast<std::int32_t>(first) + to;
    }
  }

  // The rows of a strip of the result: sums over the patches in the order of the grid, so that
  // they do not depend on the partition, then the blend.
  void average(std::size_t s, float* weights) {
    const std::size_t width = patches_.image.width, height = patches_.image.height;
    const bool weighted = tables_.options.weighted;
    Strip strip{};
    strip.top = partition_.strip_top[s];
    strip.bottom = partition_.strip_top[s + 1];
    strip.cols = patches_.cols.data();
    strip.n_cols = patches_.cols.size();
    strip.pitch = width;
    const std::size_t n_pixels = (strip.bottom - strip.top) * width;
    if (weighted) std::fill_n(weights, n_pixels, 0.0f);
    for (std::size_t c = 0; c < tables_.channels; ++c) {
      const std::size_t offset = (c * height + strip.top) * width;
      strip.sums = result_ + offset;
      strip.weights = weighted && c == 0 ? weights : nullptr;  // the channels share them
      std::fill_n(strip.sums, n_pixels, 0.0f);
      for (std::size_t b = partition_.first_slab[s]; b <= s; ++b) {
        strip.rows = patches_.rows.data() + begin(b);
        strip.n_rows = end(b) - begin(b);
        strip.estimates = estimates_ + c * tables_.height * tables_.width;
        strip.estimate_index = estimate_index_ + slot(b) * tables_.n_top;
        strip.total_weight = total_weight_ + slot(b);
        kernels_.average(strip, tables_);
      }
      for (std::size_t i = 0; weighted && c == 0 && i < n_pixels; ++i) weights[i] = 1 / weights[i];
      for (std::size_t y = strip.top; y < strip.bottom; ++y) {
        const std::size_t row = (y - strip.top) * width;
        normalise_and_blend(strip.sums + row, noisy_ ? noisy_ + offset + row : nullptr, blend_,
                            weighted ? 1 : row_factors_[y],
                            weighted ? weights + row : col_factors_.data(), width);
      }
    }
  }

  const Tables& tables_;
  const KernelTable& kernels_;
  const GridPatches patches_;
  const float* const noisy_;
  const float blend_;
  std::int32_t* const hints_;
  float* const result_;
  const std::vector<float> row_factors_, col_factors_;  // of the average, unless weighted
  const Partition partition_;
  float* estimates_;
  std::int32_t* estimate_index_;  // of the estimates of each patch, or -1
  float* total_weight_;           // per patch: their weight
  const Workspace memory_;
  std::vector<std::atomic<std::size_t>> chunks_left_;  // of a slab
  std::vector<std::atomic<std::size_t>> slabs_left_;   // of a strip
  std::mutex mutex_;
  std::condition_variable strip_done_;
  std::vector<char> strips_done_;
  std::size_t n_done_ = 0;  // strips, without a gap
};

}  // namespace

bool prior_passes(const std::vector<PassCall>& passes, int n_threads, const Poll& poll) {
  std::vector<std::unique_ptr<Pass>> all;
  std::vector<std::size_t> begin{0};  // numbers of the first chunks of the passes
  Tables sizes = passes.front().prepared->tables();
  std::size_t capacity = 0, n_strip_weights = 0;
  for (const PassCall& pass : passes) {
    all.push_back(std::make_unique<Pass>(pass, n_threads));
    begin.push_back(begin.back() + all.back()->n_chunks());
    sizes = largest_sizes(sizes, all.back()->tables());
    capacity = std::max(capacity, all.back()->chunk_capacity());
    n_strip_weights = std::max(n_strip_weights, all.back()->n_strip_weights());
  }
  std::vector<ThreadScratch> scratch =
      make_scratch(begin.back(), n_threads, capacity, sizes, n_strip_weights);
  const auto work = [&](std::size_t i, int thread) {
    const std::size_t pass = std::upper_bound(begin.begin(), begin.end(), i) - begin.begin() - 1;
    all[pass]->work(i - begin[pass], scratch[thread]);
  };
  return parallel_for(begin.back(), static_cast<int>(scratch.size()), work, poll, 0, 1) && poll(1);
}

}  // namespace fastepll
