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

// Cost of a component without the rows of its matrix.
inline float first_cost(const Tile& tile, const Tables& tables, std::size_t p, std::size_t c) {
  if (!tables.spec.exact) return tables.cost[c] + tables.tail[c] * tile.energy[p];
  const float *x = tile.coefs + p * round_up(tables.coefs, kPad),
              *weights = tables.diagonal + c * tables.q_pad;
  vec total = zero();
  for (std::size_t j = 0; j < tables.q_pad; j += kWidth)
    total = fma(mul(load(x + j), load(x + j)), load(weights + j), total);
  return tables.cost[c] + sum(total);
}

// Refines what was found, component by component (a counting sort; refine needs room after a list).
inline void refine_found(const Tile& tile, const Tables& tables, const Found* found,
                         const Found* end) {
  for (std::size_t c = 0; c < tables.k; ++c) tile.counts[c] = 0;
  for (const Found* f = found; f != end; ++f) ++tile.counts[f->component];
  std::int32_t at = 0;
  for (std::size_t c = 0; c < tables.k; ++c) {
    tile.ends[c] = at;
    at += tile.counts[c] + static_cast<std::int32_t>(kPairs);
  }
  for (const Found* f = found; f != end; ++f) {
    const std::int32_t to = tile.ends[f->component]++;
    tile.patch_list[to] = f->patch;
    tile.cost_list[to] = f->cost;
  }
  for (std::size_t c = 0; c < tables.k; ++c) {
    const std::int32_t begin = tile.ends[c] - tile.counts[c];
    refine<true>(tile, tables, static_cast<std::int32_t>(c), tile.patch_list + begin,
                 tile.cost_list + begin, static_cast<std::size_t>(tile.counts[c]));
  }
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

// A component that is likely to win is tried first, and the hint: they set the limits.
void select(const Tile& tile, const Tables& tables) {
  const bool exact = tables.spec.exact;
  const float margin = static_cast<float>(2 * tables.spec.margin);
  const float flat =  // twice the noise that is expected in a patch
      static_cast<float>(2 * tables.spec.noise_var) * static_cast<float>(tables.q);
  std::int32_t* seeds = tile.seeds;
  Found* found = tile.found;  // the end of what was found
  const auto add = [&](std::size_t component, std::size_t p, float cost) {
    *found++ = {static_cast<std::int32_t>(component), static_cast<std::int32_t>(p), cost};
  };
  clear_choice(tile, tables.mixed);
  for_each_screened(tile, tables, [&](std::size_t p, const float* costs) {
    const float lowest = lowest_cost(costs, tables.k_pad);
    const float share = tile.power[p] < flat ? tile.power[p] / flat : 1;
    const float limit = exact ? lowest : lowest + margin * (share * share);
    seeds[2 * p] = seeds[2 * p + 1] = -1;
    for_each_below(costs, tables.k_pad, limit, [&](std::size_t c) {
      if (costs[c] <= lowest && seeds[2 * p] < 0)
        seeds[2 * p] = static_cast<std::int32_t>(c);
      else if (!exact)
        add(c, p, first_cost(tile, tables, p, c));
    });
    if (exact && tile.hints && tile.hints[p] != seeds[2 * p] &&
        tile.hints[p] < static_cast<std::int32_t>(tables.k))
      seeds[2 * p + 1] = tile.hints[p];
  });
  const Found* candidates_end = found;
  for (std::size_t i = 0; i < 2 * tile.n; ++i)
    if (seeds[i] >= 0) {
      const std::size_t c = static_cast<std::size_t>(seeds[i]);
      add(c, i / 2, first_cost(tile, tables, i / 2, c));
    }
  refine_found(tile, tables, candidates_end, found);
  if (exact) {
    found = tile.found;
    for_each_bounded(tile, tables, [&](std::size_t p, const float* costs) {
      for_each_below(costs, tables.k_pad, tile.limit[p], [&](std::size_t c) {
        const std::int32_t component = static_cast<std::int32_t>(c);
        if (component != seeds[2 * p] && component != seeds[2 * p + 1]) add(c, p, costs[c]);
      });
    });
    candidates_end = found;
  }
  refine_found(tile, tables, tile.found, candidates_end);
  weigh(tile, tables);
}

// Exact selection that computes every cost: the yardstick of the one above.
void exhaustive(const Tile& tile, const Tables& tables) {
  clear_choice(tile, tables.mixed);
  for (std::size_t c = 0; c < tables.k; ++c) {
    for (std::size_t p = 0; p < tile.n; ++p) {
      tile.patch_list[p] = static_cast<std::int32_t>(p);
      tile.cost_list[p] = first_cost(tile, tables, p, c);
    }
    refine<false>(tile, tables, static_cast<std::int32_t>(c), tile.patch_list, tile.cost_list,
                  tile.n);
  }
  weigh(tile, tables);
}

}  // namespace
}  // namespace fastepll::FASTEPLL_LEVEL
