#include "pass.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "desk.hpp"
#include "layout.hpp"

namespace fastepll {
namespace {

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

// Has use(tile, begin) done with all patches, tile by tile; begin is the number of its first.
template <class Use>
bool for_each_tile(const Patches& patches, const KernelTable& kernels, int n_threads,
                   const Poll& poll, const Use& use) {
  const std::size_t n = patches.size(), n_tiles = ceil_div(n, kRoom);
  std::vector<Desk> desk = desks(n_tiles, n_threads, kRoom, patches.tables);
  const auto work = [&](std::size_t i, int thread) {
    Desk& here = desk[thread];
    here.tile.patches = here.patches;
    here.tile.means = here.means;
    here.tile.total = here.total;
    here.tile.weights = here.weights;
    here.tile.chosen = here.chosen;
    patches.place(here.tile, i * kRoom, std::min(kRoom, n - i * kRoom));
    kernels.extract(here.tile, patches.tables);
    use(here.tile, i * kRoom);
  };
  return parallel_for(n_tiles, static_cast<int>(desk.size()), work, poll, 0, 1);
}

// The estimates of all patches and their average, band by band but without a barrier between them:
// who finishes the last band that a strip waits for averages that strip.
class Pass {
 public:
  Pass(const PriorPass& from, int n_threads)
      : tables_(from.prepared->tables()),
        kernels_(from.prepared->mixture().kernels),
        patches_(from.image, tables_, from.grid),
        noisy_(from.noisy),
        blend_(from.blend),
        hints_(from.hints),
        result_(from.result),
        down_(shares(patches_.rows, tables_.down, tables_.height, from.image.height)),
        across_(shares(patches_.cols, tables_.across, tables_.width, from.image.width)),
        layout_(patches_.rows, patches_.cols.size(), tables_.height, from.image.height, n_threads),
        memory_([&](const auto& place) {
          const std::size_t room = layout_.slots * layout_.band_room;
          place(estimates_, room * tables_.mixed * tables_.d_pad);
          place(place_, room * tables_.mixed);
          place(total_, room);
        }),
        unready_(layout_.n_bands),
        waiting_(layout_.n_bands),
        strips_done_(layout_.n_bands) {
    for (std::size_t b = 0; b < layout_.n_bands; ++b) {
      unready_[b] = layout_.n_pieces[b];
      waiting_[b] = b - layout_.first[b] + 1;
    }
  }

  const Tables& tables() const { return tables_; }
  std::size_t n_pieces() const { return layout_.pieces.size(); }
  std::size_t piece_room() const { return layout_.piece_room; }

  // Weights that a desk needs room for: those of the tallest strip.
  std::size_t strip_room() const {
    std::size_t rows = 0;
    for (std::size_t b = 0; b < layout_.n_bands; ++b)
      rows = std::max(rows, layout_.top[b + 1] - layout_.top[b]);
    return tables_.spec.weighted ? rows * patches_.image.width : 0;
  }

  // Piece number i, and the strips that waited for it alone. Those before it must be begun.
  void work(std::size_t i, Desk& desk) {
    const std::size_t band = layout_.pieces[i].band;
    wait_for_room(band);
    estimate(layout_.pieces[i], desk);
    if (--unready_[band] > 0) return;
    for (std::size_t s = band; s <= layout_.last[band]; ++s)
      if (--waiting_[s] == 0) {
        average(s, desk.sums);
        done(s);
      }
  }

 private:
  // Rows of the grid in a band; where it has its estimates.
  std::size_t begin(std::size_t band) const { return band * layout_.band_rows; }
  std::size_t end(std::size_t band) const {
    return std::min(begin(band + 1), patches_.rows.size());
  }
  std::size_t slot(std::size_t band) const { return band % layout_.slots * layout_.band_room; }

  // Until the band that had the same place is averaged.
  void wait_for_room(std::size_t band) {
    if (band < layout_.slots) return;
    const std::size_t last = layout_.last[band - layout_.slots];
    std::unique_lock<std::mutex> lock(mutex_);
    moved_.wait(lock, [&] { return n_done_ > last; });
  }

  // Counts the strips that are done without a gap.
  void done(std::size_t strip) {
    const std::lock_guard<std::mutex> lock(mutex_);
    strips_done_[strip] = true;
    while (n_done_ < layout_.n_bands && strips_done_[n_done_]) ++n_done_;
    moved_.notify_all();
  }

  // Estimates of the patches of a piece, and where they are.
  void estimate(const Piece& piece, Desk& desk) {
    const std::size_t n = piece.end - piece.begin, n_tiles = ceil_div(n, kRoom);
    const std::size_t at = slot(piece.band) + piece.begin;
    for (std::size_t t = 0; t < n_tiles; ++t) {
      const std::size_t begin_t = t * n / n_tiles, n_t = (t + 1) * n / n_tiles - begin_t;
      const std::size_t number = begin(piece.band) * patches_.cols.size() + piece.begin + begin_t;
      Tile& tile = desk.tile;
      tile.patches = desk.patches + begin_t * tables_.d_pad;
      tile.means = desk.means + begin_t;
      tile.chosen = desk.chosen + begin_t * tables_.mixed;
      tile.weights = desk.weights + begin_t * tables_.mixed;
      tile.total = total_ + at + begin_t;
      tile.hints = hints_ ? hints_ + number : nullptr;
      patches_.place(tile, number, n_t);
      kernels_.extract(tile, tables_);
      kernels_.select(tile, tables_);
    }
    const std::size_t first = at * tables_.mixed;
    sort(desk, n * tables_.mixed, first);
    float* estimates = estimates_ + first * tables_.d_pad;
    for (std::size_t c = 0; c < tables_.k; ++c) {
      const std::int32_t start = desk.starts[c], count = desk.starts[c + 1] - start;
      if (count > 0)
        kernels_.filter(tables_, c, desk.sorted + start, static_cast<std::size_t>(count),
                        desk.patches, desk.means, estimates + start * tables_.d_pad, desk.scratch);
    }
  }

  // The n choices of a piece by component (counting sort, stable): those of component c are
  // sorted[starts[c]] to sorted[starts[c + 1] - 1]; `place` leads to their estimates, which begin
  // at number `first`.
  void sort(Desk& desk, std::size_t n, std::size_t first) {
    std::int32_t* starts = desk.starts;
    std::fill_n(starts, tables_.k + 1, 0);
    for (std::size_t i = 0; i < n; ++i)
      if (desk.chosen[i] >= 0) ++starts[desk.chosen[i]];
    for (std::size_t c = 1; c <= tables_.k; ++c) starts[c] += starts[c - 1];
    for (std::size_t i = n; i-- > 0;) {
      std::int32_t& place = place_[first + i];
      place = -1;
      if (desk.chosen[i] < 0) continue;
      const std::int32_t to = --starts[desk.chosen[i]];
      desk.sorted[to] = {static_cast<std::int32_t>(i / tables_.mixed), desk.weights[i]};
      place = static_cast<std::int32_t>(first) + to;
    }
  }

  // The rows of a strip of the result: sums over the patches in the order of the grid, so that
  // they do not depend on the layout, then the blend.
  void average(std::size_t s, float* weights) {
    const std::size_t width = patches_.image.width, height = patches_.image.height;
    const bool weighted = tables_.spec.weighted;
    Strip strip{};
    strip.top = layout_.top[s];
    strip.bottom = layout_.top[s + 1];
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
      for (std::size_t b = layout_.first[s]; b <= s; ++b) {
        strip.rows = patches_.rows.data() + begin(b);
        strip.n_rows = end(b) - begin(b);
        strip.estimates = estimates_ + c * tables_.height * tables_.width;
        strip.place = place_ + slot(b) * tables_.mixed;
        strip.total = total_ + slot(b);
        kernels_.average(strip, tables_);
      }
      for (std::size_t i = 0; weighted && c == 0 && i < n_pixels; ++i) weights[i] = 1 / weights[i];
      for (std::size_t y = strip.top; y < strip.bottom; ++y) {
        const std::size_t row = (y - strip.top) * width;
        finish(strip.sums + row, noisy_ ? noisy_ + offset + row : nullptr, blend_,
               weighted ? 1 : down_[y], weighted ? weights + row : across_.data(), width);
      }
    }
  }

  const Tables& tables_;
  const KernelTable& kernels_;
  const Patches patches_;
  const float* const noisy_;
  const float blend_;
  std::int32_t* const hints_;
  float* const result_;
  const std::vector<float> down_, across_;  // what a patch counts, down and across
  const Layout layout_;
  float* estimates_;
  std::int32_t* place_;  // of the estimates of each patch, or -1
  float* total_;         // per patch: their weight
  const Workspace memory_;
  std::vector<std::atomic<std::size_t>> unready_, waiting_;  // pieces of a band, bands of a strip
  std::mutex mutex_;
  std::condition_variable moved_;
  std::vector<char> strips_done_;
  std::size_t n_done_ = 0;  // strips, without a gap
};

}  // namespace

std::vector<std::size_t> positions(std::size_t n, std::size_t p, std::size_t stride,
                                   std::size_t shift) {
  std::vector<std::size_t> at{0};
  for (std::size_t i = shift == 0 ? stride : shift; i < n - p; i += stride) at.push_back(i);
  if (n > p) at.push_back(n - p);
  return at;
}

bool prior_passes(const std::vector<PriorPass>& passes, int n_threads, const Poll& poll) {
  std::vector<std::unique_ptr<Pass>> all;
  std::vector<std::size_t> begin{0};  // numbers of the first pieces of the passes
  Tables sizes = passes.front().prepared->tables();
  std::size_t room = 0, strip_room = 0;
  for (const PriorPass& pass : passes) {
    all.push_back(std::make_unique<Pass>(pass, n_threads));
    begin.push_back(begin.back() + all.back()->n_pieces());
    sizes = roomiest(sizes, all.back()->tables());
    room = std::max(room, all.back()->piece_room());
    strip_room = std::max(strip_room, all.back()->strip_room());
  }
  std::vector<Desk> desk = desks(begin.back(), n_threads, room, sizes, strip_room);
  const auto work = [&](std::size_t i, int thread) {
    const std::size_t pass = std::upper_bound(begin.begin(), begin.end(), i) - begin.begin() - 1;
    all[pass]->work(i - begin[pass], desk[thread]);
  };
  return parallel_for(begin.back(), static_cast<int>(desk.size()), work, poll, 0, 1) && poll(1);
}

bool select_pass(const Image& image, const Prepared& prepared, const Grid& grid, bool exhaustive,
                 int n_threads, const Poll& poll, std::int32_t* chosen) {
  const Tables& tables = prepared.tables();
  const KernelTable& kernels = prepared.mixture().kernels;
  const auto choose = exhaustive ? kernels.exhaustive : kernels.select;
  return for_each_tile(Patches(image, tables, grid), kernels, n_threads, poll,
                       [&](Tile& tile, std::size_t begin) {
                         choose(tile, tables);
                         for (std::size_t p = 0; p < tile.n; ++p)
                           chosen[begin + p] = tile.chosen[p * tables.mixed];
                       });
}

bool likelihood_pass(const Image& image, const Prepared& prepared, const Grid& grid, int n_threads,
                     const Poll& poll, double* log_probs) {
  const Tables& tables = prepared.tables();
  const KernelTable& kernels = prepared.mixture().kernels;
  const double constant =
      prepared.lowest_cost() + static_cast<double>(tables.q) * std::log(2 * 3.14159265358979323846);
  return for_each_tile(
      Patches(image, tables, grid), kernels, n_threads, poll, [&](Tile& tile, std::size_t begin) {
        kernels.evaluate(tile, tables);
        for (std::size_t p = 0; p < tile.n; ++p) {
          const float* costs = tile.cost_list + p;
          float lowest = costs[0];
          for (std::size_t c = 1; c < tables.k; ++c)
            lowest = std::min(lowest, costs[c * kListRoom]);
          double total = 0;
          for (std::size_t c = 0; c < tables.k; ++c)
            total += std::exp(-0.5 * static_cast<double>(costs[c * kListRoom] - lowest));
          log_probs[begin + p] = std::log(total) - 0.5 * (static_cast<double>(lowest) + constant);
        }
      });
}

}  // namespace fastepll
