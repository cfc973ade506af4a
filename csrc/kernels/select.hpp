// select: the components of lowest cost, -2 log(weight x density), for every patch.
#pragma once
#include "refine.hpp"
#include "screen.hpp"

namespace fastepll::FASTEPLL_LEVEL {
namespace {

inline void clear_choice(const Tile& tile, std::size_t mixed) {
  for (std::size_t p = 0; p < tile.n; ++p)
    tile.limit[p] = 2e38f;  // below that of what fills up lists
  for (std::size_t i = 0; i < tile.n * mixed; ++i) {
    tile.best[i] = 3e38f;
    tile.chosen[i] = -1;
  }
}

// Exact: the cost of a component without the rows of its matrix.
inline float first_cost(const Tile& tile, const Tables& tables, std::size_t p, std::size_t c) {
  const float *x = tile.coefs + p * round_up(tables.coefs, kPad),
              *weights = tables.diagonal + c * tables.q_pad;
  vec total = zero();
  for (std::size_t j = 0; j < tables.q_pad; j += kWidth)
    total = fma(mul(load(x + j), load(x + j)), load(weights + j), total);
  return tables.cost[c] + sum(total);
}

inline void clear_lists(const Tile& tile, std::size_t k_pad) {
  for (std::size_t c = 0; c < k_pad; ++c) tile.ends[c] = static_cast<std::int32_t>(c * kListRoom);
}

inline void add_to_list(const Tile& tile, std::size_t component, std::size_t patch) {
  tile.patch_list[tile.ends[component]++] = static_cast<std::int16_t>(patch);
}

inline void add_to_list(const Tile& tile, std::size_t component, std::size_t patch, float cost) {
  tile.cost_list[tile.ends[component]] = cost;
  add_to_list(tile, component, patch);
}

// exp(-x / 2) for x in [0, kMixedCost]: the tenth power of two of a power series of -x / 2048.
inline float half_exp(float x) {
  const float y = -x / 2048.0f;
  float e = y * (1.0f + y * (0.5f + y * (1.0f / 6.0f)));  // exp(y) - 1
  for (int i = 0; i < 10; ++i) e = e * (2.0f + e);
  return 1.0f + e;
}

// From costs to the weights of the components' estimates: probability times confidence.
inline void weigh(const Tile& tile, const Tables& tables) {
  const std::size_t mixed = tables.mixed;
  for (std::size_t p = 0; p < tile.n; ++p) {
    const float* best = tile.best + p * mixed;
    std::int32_t* chosen = tile.chosen + p * mixed;
    float* weights = tile.weights + p * mixed;
    float probability = 0, total = 0;
    if (chosen[0] < 0) {  // no cost is a number, and so will be no estimate
      chosen[0] = 0;
      tile.best[p * mixed] = 0;
    }
    for (std::size_t i = 0; i < mixed; ++i) {
      if (chosen[i] >= 0 && best[i] - best[0] > kMixedCost) chosen[i] = -1;
      weights[i] = chosen[i] >= 0 ? half_exp(best[i] - best[0]) : 0;
      probability += weights[i];
    }
    for (std::size_t i = 0; i < mixed; ++i) {
      if (chosen[i] >= 0) weights[i] *= tables.weight[chosen[i]] / probability;
      total += weights[i];
    }
    tile.total[p] = total;
    if (tile.hints) tile.hints[p] = chosen[0];
  }
}

// Exact: one component that is likely to win, the hint or the first of the screen, is tried before
// the others; it sets the limit for them.
void select_exact(const Tile& tile, const Tables& tables) {
  std::int32_t* seeds = tile.seeds;
  bool known = tile.hints != nullptr;
  for (std::size_t p = 0; p < tile.n && known; ++p) {
    seeds[p] = tile.hints[p];
    known = 0 <= seeds[p] && static_cast<std::size_t>(seeds[p]) < tables.k;
  }
  if (!known)
    for_each_screened(tile, tables, [&](std::size_t p, const float* costs) {
      const float lowest = lowest_cost(costs, tables.k_pad);
      const bool found = all_below(costs, tables.k_pad, lowest, tile.candidates) > 0 &&
                         static_cast<std::size_t>(tile.candidates[0]) < tables.k;
      seeds[p] = found ? tile.candidates[0] : 0;
    });
  clear_lists(tile, tables.k_pad);
  for (std::size_t p = 0; p < tile.n; ++p) {
    const std::size_t seed = static_cast<std::size_t>(seeds[p]);
    add_to_list(tile, seed, p, first_cost(tile, tables, p, seed));
  }
  for (std::size_t c = 0; c < tables.k; ++c) refine<true>(tile, tables, c, 0, list_of(tile, c));
  clear_lists(tile, tables.k_pad);
  for_each_bounded(tile, tables, [&](std::size_t p, const float* costs) {
    const std::size_t n = all_below(costs, tables.k_pad, tile.limit[p], tile.candidates);
    for (std::size_t i = 0; i < n; ++i)
      if (const std::int32_t c = tile.candidates[i]; c != seeds[p])
        add_to_list(tile, static_cast<std::size_t>(c), p, costs[c]);
  });
  for (std::size_t c = 0; c < tables.k; ++c) refine<true>(tile, tables, c, 0, list_of(tile, c));
}

// Middle costs of the candidates, of which those within the margin are left in the lists with their
// refined costs so far.
inline void narrow(const Tile& tile, const Tables& tables) {
  for (std::size_t p = 0; p < tile.n; ++p) tile.least[p] = 3e38f;
  for (std::size_t c = 0; c < tables.k; ++c) {
    List list = list_of(tile, c);
    if (list.n == 0) continue;
    const float cost = tables.middle_cost[c], near = tables.middle_tail[c], far = tables.tail[c];
    for (std::size_t i = 0; i < list.n; ++i)
      list.costs[i] =
          cost + near * tile.middle[list.patches[i]] + far * tile.energy[list.patches[i]];
    for (std::size_t block = 0; block < tables.middle_blocks; ++block)
      refine_block<false>(tile, tables, c, block, list);
    for (std::size_t i = 0; i < list.n; ++i) {
      float& least = tile.least[list.patches[i]];
      least = list.costs[i] < least ? list.costs[i] : least;
    }
  }
  for (std::size_t p = 0; p < tile.n; ++p) tile.least[p] += tile.slack[p];
  for (std::size_t c = 0; c < tables.k; ++c) {
    const List list = list_of(tile, c);
    const float change = tables.cost[c] - tables.middle_cost[c], near = tables.middle_tail[c];
    std::size_t kept = 0;
    for (std::size_t i = 0; i < list.n; ++i) {
      const std::int16_t p = list.patches[i];
      const float cost = list.costs[i];
      list.patches[kept] = p;
      list.costs[kept] = cost;
      kept += cost <= tile.least[p];
    }
    for (std::size_t i = 0; i < kept; ++i)
      list.costs[i] += change - near * tile.middle[list.patches[i]];
    tile.ends[c] = static_cast<std::int32_t>(c * kListRoom + kept);
  }
}

// The cascade: screen, middle cost, refined cost.
void select_cascade(const Tile& tile, const Tables& tables) {
  const float margin = static_cast<float>(2 * tables.spec.margin);
  const float middle_margin = static_cast<float>(2 * tables.spec.middle_margin);
  const float flat =  // twice the noise that is expected in a patch
      static_cast<float>(2 * tables.spec.noise_var) * static_cast<float>(tables.q);
  clear_lists(tile, tables.k_pad);
  for_each_screened(tile, tables, [&](std::size_t p, const float* costs) {
    const float share = tile.power[p] < flat ? tile.power[p] / flat : 1;
    const float limit = lowest_cost(costs, tables.k_pad) + margin * (share * share);
    tile.slack[p] = middle_margin * (share * share);
    const std::size_t n = all_below(costs, tables.k_pad, limit, tile.candidates);
    for (std::size_t i = 0; i < n; ++i)
      add_to_list(tile, static_cast<std::size_t>(tile.candidates[i]), p);
  });
  if (tables.middle_blocks > 0) {
    narrow(tile, tables);
  } else {
    for (std::size_t c = 0; c < tables.k; ++c) {
      const List list = list_of(tile, c);
      for (std::size_t i = 0; i < list.n; ++i)
        list.costs[i] = tables.cost[c] + tables.tail[c] * tile.energy[list.patches[i]];
    }
  }
  for (std::size_t c = 0; c < tables.k; ++c)
    refine<true>(tile, tables, c, tables.middle_blocks, list_of(tile, c));
}

void select(const Tile& tile, const Tables& tables) {
  clear_choice(tile, tables.mixed);
  if (tables.spec.exact)
    select_exact(tile, tables);
  else
    select_cascade(tile, tables);
  weigh(tile, tables);
}

// Exact selection that computes every cost: the yardstick of the one above.
void exhaustive(const Tile& tile, const Tables& tables) {
  clear_choice(tile, tables.mixed);
  clear_lists(tile, tables.k_pad);
  for (std::size_t c = 0; c < tables.k; ++c) {
    for (std::size_t p = 0; p < tile.n; ++p)
      add_to_list(tile, c, p, first_cost(tile, tables, p, c));
    refine<false>(tile, tables, c, 0, list_of(tile, c));
  }
  weigh(tile, tables);
}

// The refined cost of every component for every patch, left in the lists of costs.
void evaluate(const Tile& tile, const Tables& tables) {
  clear_lists(tile, tables.k_pad);
  for (std::size_t c = 0; c < tables.k; ++c) {
    for (std::size_t p = 0; p < tile.n; ++p)
      add_to_list(tile, c, p, tables.cost[c] + tables.tail[c] * tile.energy[p]);
    List list = list_of(tile, c);
    for (std::size_t block = 0; block < tables.blocks; ++block)
      refine_block<false>(tile, tables, c, block, list);
  }
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
