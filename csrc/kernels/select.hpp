// select: the components of lowest cost, -2 log(weight x density), for every patch.
#pragma once
#include "refine.hpp"
#include "screen.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

constexpr float kNoCost = 3e38f;

inline void clear_choice(const Tile& tile, std::size_t n_top) {
  for (std::size_t p = 0; p < tile.n; ++p)
    tile.cost_limit[p] = 2e38f;  // below that of what fills up lists
  for (std::size_t i = 0; i < tile.n * n_top; ++i) {
    tile.best_costs[i] = kNoCost;
    tile.chosen[i] = -1;
  }
}

// Exact: the lower bound of a cost that the diagonal of the precision gives.
inline float diagonal_cost(const Tile& tile, const Tables& tables, std::size_t p, std::size_t c) {
  const float *x = tile.coefs + p * round_up(tables.n_active, kPad),
              *weights = tables.diagonal + c * tables.coefs_pad;
  vec total = zero();
  for (std::size_t j = 0; j < tables.coefs_pad; j += kFloatLanes)
    total = fma(mul(load(x + j), load(x + j)), load(weights + j), total);
  return tables.refine_offset[c] + reduce_add(total);
}

inline void clear_lists(const Tile& tile, std::size_t k) {
  for (std::size_t c = 0; c < k; ++c)
    tile.list_ends[c] = static_cast<std::int32_t>(c * kListCapacity);
}

inline void add_to_list(const Tile& tile, std::size_t component, std::size_t patch, float cost) {
  const std::int32_t end = tile.list_ends[component]++;
  tile.patch_list[end] = static_cast<std::int16_t>(patch);
  tile.cost_list[end] = cost;
}

// exp(-x / 2) for x in [0, kTopMargin]: the tenth power of two of a power series of -x / 2048.
inline float half_exp(float x) {
  const float y = -x / 2048.0f;
  float e = y * (1.0f + y * (0.5f + y * (1.0f / 6.0f)));  // exp(y) - 1
  for (int i = 0; i < 10; ++i) e = e * (2.0f + e);
  return 1.0f + e;
}

// From costs to the weights of the components' estimates: probability times confidence.
inline void set_weights(const Tile& tile, const Tables& tables) {
  const std::size_t n_top = tables.n_top;
  for (std::size_t p = 0; p < tile.n; ++p) {
    const float* best = tile.best_costs + p * n_top;
    std::int32_t* chosen = tile.chosen + p * n_top;
    float* weights = tile.weights + p * n_top;
    float probability = 0, total = 0;
    if (chosen[0] < 0) {  // no cost is a number, and so will be no estimate
      chosen[0] = 0;
      tile.best_costs[p * n_top] = 0;
    }
    for (std::size_t i = 0; i < n_top; ++i) {
      if (chosen[i] >= 0 && best[i] - best[0] > kTopMargin) chosen[i] = -1;
      weights[i] = chosen[i] >= 0 ? half_exp(best[i] - best[0]) : 0;
      probability += weights[i];
    }
    for (std::size_t i = 0; i < n_top; ++i) {
      if (chosen[i] >= 0) weights[i] *= tables.confidence[chosen[i]] / probability;
      total += weights[i];
    }
    tile.total_weight[p] = total;
    if (tile.hints) tile.hints[p] = chosen[0];
  }
}

// The best of the screen.
inline void find_incumbents(const Tile& tile, const Tables& tables) {
  for_each_screened(tile, tables, [&](std::size_t begin, std::size_t n) {
    float lowest[kScreenPatches];
    lowest_costs(tile, tables, lowest);
    for (std::size_t p = 0; p < n; ++p) {
      std::size_t c = 0;
      while (c < tables.k && !(tile.costs[c * kScreenPatches + p] <= lowest[p])) ++c;
      tile.incumbents[begin + p] = c < tables.k ? static_cast<std::int32_t>(c) : 0;
    }
  });
}

// Exact, by branch and bound: an incumbent, the component of the hint or the best of the screen, is
// tried before the others; it sets the limit for them.
void select_exact(const Tile& tile, const Tables& tables) {
  std::int32_t* incumbents = tile.incumbents;
  bool known = tile.hints != nullptr;
  for (std::size_t p = 0; p < tile.n && known; ++p) {
    incumbents[p] = tile.hints[p];
    known = 0 <= incumbents[p] && static_cast<std::size_t>(incumbents[p]) < tables.k;
  }
  if (!known) find_incumbents(tile, tables);
  clear_lists(tile, tables.k);
  for (std::size_t p = 0; p < tile.n; ++p) {
    const std::size_t incumbent = static_cast<std::size_t>(incumbents[p]);
    add_to_list(tile, incumbent, p, diagonal_cost(tile, tables, p, incumbent));
  }
  for (std::size_t c = 0; c < tables.k; ++c)
    refine<true>(tile, tables, c, 0, candidate_list(tile, c));
  clear_lists(tile, tables.k);
  for_each_bounded(tile, tables, [&](std::size_t begin, std::size_t n) {
    float limits[kScreenPatches];
    for (std::size_t p = 0; p < kScreenPatches; ++p)
      limits[p] = p < n ? tile.cost_limit[begin + p] : -kNoCost;
    for (std::size_t p = 0; p < n; ++p)
      tile.costs[static_cast<std::size_t>(incumbents[begin + p]) * kScreenPatches + p] = kNoCost;
    add_to_lists<true>(tile, tables, begin, limits);
  });
  for (std::size_t c = 0; c < tables.k; ++c)
    refine<true>(tile, tables, c, 0, candidate_list(tile, c));
}

// Middle costs of the candidates, of which those within the margin are left in the lists with their
// refined costs so far.
inline void prune_by_middle_cost(const Tile& tile, const Tables& tables) {
  for (std::size_t p = 0; p < tile.n; ++p) tile.middle_limit[p] = kNoCost;
  for (std::size_t c = 0; c < tables.k; ++c) {
    CandidateList list = candidate_list(tile, c);
    if (list.n == 0) continue;
    const float cost = tables.middle_offset[c], near = tables.middle_precision[c],
                far = tables.tail_precision[c];
    for (std::size_t i = 0; i < list.n; ++i)
      list.costs[i] = cost + near * tile.middle_squared_norm[list.patches[i]] +
                      far * tile.tail_squared_norm[list.patches[i]];
    for (std::size_t block = 0; block < tables.n_middle_blocks; ++block)
      refine_block<false>(tile, tables, c, block, list);
    for (std::size_t i = 0; i < list.n; ++i) {
      float& least = tile.middle_limit[list.patches[i]];
      least = list.costs[i] < least ? list.costs[i] : least;
    }
  }
  for (std::size_t p = 0; p < tile.n; ++p) tile.middle_limit[p] += tile.margin[p];
  for (std::size_t c = 0; c < tables.k; ++c) {
    const CandidateList list = candidate_list(tile, c);
    const float change = tables.refine_offset[c] - tables.middle_offset[c],
                near = tables.middle_precision[c];
    std::size_t kept = 0;
    for (std::size_t i = 0; i < list.n; ++i) {
      const std::int16_t p = list.patches[i];
      const float cost = list.costs[i];
      list.patches[kept] = p;
      list.costs[kept] = cost;
      kept += cost <= tile.middle_limit[p];
    }
    for (std::size_t i = 0; i < kept; ++i)
      list.costs[i] += change - near * tile.middle_squared_norm[list.patches[i]];
    tile.list_ends[c] = static_cast<std::int32_t>(c * kListCapacity + kept);
  }
}

// The cascade: screen, middle cost, refined cost.
void select_cascade(const Tile& tile, const Tables& tables) {
  const float margin = static_cast<float>(2 * tables.options.margin);
  const float middle_margin = static_cast<float>(2 * tables.options.middle_margin);
  const float flat =  // twice the noise that is expected in a patch
      static_cast<float>(2 * tables.options.noise_var) * static_cast<float>(tables.n_coefs);
  clear_lists(tile, tables.k);
  for_each_screened(tile, tables, [&](std::size_t begin, std::size_t n) {
    float limits[kScreenPatches];
    lowest_costs(tile, tables, limits);
    for (std::size_t p = 0; p < n; ++p) {
      const float squared_norm = tile.squared_norm[begin + p],
                  share = squared_norm < flat ? squared_norm / flat : 1;
      limits[p] += margin * (share * share);
      tile.margin[begin + p] = middle_margin * (share * share);
    }
    for (std::size_t p = n; p < kScreenPatches; ++p) limits[p] = -kNoCost;
    add_to_lists<false>(tile, tables, begin, limits);
  });
  if (tables.n_middle_blocks > 0) {
    prune_by_middle_cost(tile, tables);
  } else {
    for (std::size_t c = 0; c < tables.k; ++c) {
      const CandidateList list = candidate_list(tile, c);
      for (std::size_t i = 0; i < list.n; ++i)
        list.costs[i] = tables.refine_offset[c] +
                        tables.tail_precision[c] * tile.tail_squared_norm[list.patches[i]];
    }
  }
  for (std::size_t c = 0; c < tables.k; ++c)
    refine<true>(tile, tables, c, tables.n_middle_blocks, candidate_list(tile, c));
}

void select(const Tile& tile, const Tables& tables) {
  clear_choice(tile, tables.n_top);
  if (tables.options.exact)
    select_exact(tile, tables);
  else
    select_cascade(tile, tables);
  set_weights(tile, tables);
}

// Exact selection that computes every cost: the yardstick of the one above.
void select_exhaustive(const Tile& tile, const Tables& tables) {
  clear_choice(tile, tables.n_top);
  clear_lists(tile, tables.k);
  for (std::size_t c = 0; c < tables.k; ++c) {
    for (std::size_t p = 0; p < tile.n; ++p)
      add_to_list(tile, c, p, diagonal_cost(tile, tables, p, c));
    refine<false>(tile, tables, c, 0, candidate_list(tile, c));
  }
  set_weights(tile, tables);
}

// The refined cost of every component that has a share in the density of a patch, left in the
// lists, and the lowest. The best of the screen sets a limit, which the others are dropped at.
void refine_likely(const Tile& tile, const Tables& tables) {
  clear_choice(tile, tables.n_top);
  find_incumbents(tile, tables);
  const auto first_cost = [&](std::size_t c, std::size_t p) {
    return tables.refine_offset[c] + tables.tail_precision[c] * tile.tail_squared_norm[p];
  };
  clear_lists(tile, tables.k);
  for (std::size_t p = 0; p < tile.n; ++p) {
    const std::size_t c = static_cast<std::size_t>(tile.incumbents[p]);
    add_to_list(tile, c, p, first_cost(c, p));
  }
  for (std::size_t c = 0; c < tables.k; ++c) {
    CandidateList list = candidate_list(tile, c);
    for (std::size_t block = 0; block < tables.n_blocks && list.n > 0; ++block)
      refine_block<false>(tile, tables, c, block, list);
    for (std::size_t i = 0; i < list.n; ++i)
      tile.cost_limit[list.patches[i]] = list.costs[i] * (1 + 1e-5f) + kLikelyMargin;
  }
  clear_lists(tile, tables.k);
  for (std::size_t c = 0; c < tables.k; ++c) {
    for (std::size_t p = 0; p < tile.n; ++p)
      if (const float cost = first_cost(c, p); cost <= tile.cost_limit[p])
        add_to_list(tile, c, p, cost);
    CandidateList list = candidate_list(tile, c);
    for (std::size_t block = 0; block < tables.n_blocks && list.n > 0; ++block)
      refine_block<true>(tile, tables, c, block, list);
    tile.list_ends[c] = static_cast<std::int32_t>(c * kListCapacity + list.n);
    for (std::size_t i = 0; i < list.n; ++i) {
      float& lowest = tile.best_costs[list.patches[i]];
      lowest = list.costs[i] < lowest ? list.costs[i] : lowest;
    }
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
