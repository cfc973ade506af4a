// Passes that give a number for each patch.
#include <algorithm>
#include <cmath>

#include "pass.hpp"
#include "thread_scratch.hpp"

namespace fastepll {
namespace {

// Has use(tile, begin) done with all patches, tile by tile; begin is the number of its first.
template <class Use>
bool for_each_tile(const GridPatches& patches, const KernelTable& kernels, int n_threads,
                   const Poll& poll, const Use& use) {
  const std::size_t n = patches.size(), n_tiles = ceil_div(n, kMaxTilePatches);
  std::vector<ThreadScratch> scratch =
      make_scratch(n_tiles, n_threads, kMaxTilePatches, patches.tables);
  const auto work = [&](std::size_t i, int thread) {
    ThreadScratch& here = scratch[thread];
    here.tile.patches = here.patches;
    here.tile.means = here.means;
    here.tile.total_weight = here.total_weight;
    here.tile.weights = here.weights;
    here.tile.chosen = here.chosen;
    patches.set_tile(here.tile, i * kMaxTilePatches,
                     std::min(kMaxTilePatches, n - i * kMaxTilePatches));
    kernels.extract(here.tile, patches.tables);
    use(here.tile, i * kMaxTilePatches);
  };
  return parallel_for(n_tiles, static_cast<int>(scratch.size()), work, poll, 0, 1);
}

}  // namespace

bool select_pass(const Image& image, const PreparedMixture& prepared, const Grid& grid,
                 bool exhaustive, int n_threads, const Poll& poll, std::int32_t* chosen) {
  const Tables& tables = prepared.tables();
  const KernelTable& kernels = prepared.mixture().kernels;
  const auto choose = exhaustive ? kernels.select_exhaustive : kernels.select;
  return for_each_tile(GridPatches(image, tables, grid), kernels, n_threads, poll,
                       [&](Tile& tile, std::size_t begin) {
                         choose(tile, tables);
                         for (std::size_t p = 0; p < tile.n; ++p)
                           chosen[begin + p] = tile.chosen[p * tables.n_top];
                       });
}

bool likelihood_pass(const Image& image, const PreparedMixture& prepared, const Grid& grid,
                     int n_threads, const Poll& poll, double* log_probs) {
  const Tables& tables = prepared.tables();
  const KernelTable& kernels = prepared.mixture().kernels;
  const double constant = prepared.lowest_cost() + static_cast<double>(tables.n_coefs) *
                                                       std::log(2 * 3.14159265358979323846);
  return for_each_tile(
      GridPatches(image, tables, grid), kernels, n_threads, poll,
      [&](Tile& tile, std::size_t begin) {
        kernels.refine_likely(tile, tables);
        double totals[kMaxTilePatches] = {};
        for (std::size_t c = 0; c < tables.k; ++c)
          for (std::size_t i = c * kListCapacity; i < static_cast<std::size_t>(tile.list_ends[c]);
               ++i) {
            const std::int16_t p = tile.patch_list[i];
            totals[p] +=
                std::exp(-0.5 * static_cast<double>(tile.cost_list[i] - tile.best_costs[p]));
          }
        for (std::size_t p = 0; p < tile.n; ++p)
          log_probs[begin + p] =
              std::log(totals[p]) - 0.5 * (static_cast<double>(tile.best_costs[p]) + constant);
      });
}

}  // namespace fastepll
