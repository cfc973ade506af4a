// diffuse: what a trained reaction diffusion changes in the patches of one or two rows.
//
// A filter of two parts (h0, h1) at two places that lie a part apart has one part x1 of the image
// (x0, x1, x2) under it both times, so that three products of parts make two responses,
//   y0 = h0 (x0 - x1) + (h0 + h1) x1,    y1 = (h0 + h1) x1 + h1 (x2 - x1)
// (S. Winograd, "Arithmetic complexity of computations", SIAM 1980), and along both axes nine make
// four. A product is named by its role, 0 to 2, along each axis. The changes that a group of four
// patches makes are the transpose of that.
#pragma once
#include <algorithm>
#include <type_traits>

#include "../simd_parts.hpp"
#include "product.hpp"

namespace fastepll::FASTEPLL_ISA {
namespace {

// From products by role to responses by place, and the transpose.
template <std::size_t n_roles>
inline void to_places(const vec (&roles)[n_roles], vec* places) {
  if constexpr (n_roles == 1)
    places[0] = roles[0];
  else
    places[0] = add(roles[0], roles[1]), places[1] = add(roles[1], roles[2]);
}
template <std::size_t n_roles>
inline void to_roles(const vec* places, vec (&roles)[n_roles]) {
  roles[0] = places[0];
  if constexpr (n_roles == 3) roles[1] = add(places[0], places[1]), roles[2] = places[1];
}

// Of patches with so many roles along each axis; `fixed` is the length of the parts where the
// compiler may know it to be that along both, else 0.
template <std::size_t row_roles, std::size_t col_roles, std::size_t fixed>
class Diffusion {
  using Index = std::ptrdiff_t;
  static constexpr std::size_t row_places = row_roles == 1 ? 1 : 2,
                               col_places = col_roles == 1 ? 1 : 2;
  // Whether the changes of the groups of a block are added together.
  static constexpr bool in_blocks =
      row_roles == 3 && col_roles == 3 && fixed == 4 && kFloatLanes % fixed == 0;

 public:
  Diffusion(const PatchRows& rows, const DiffusionTables& t, float* scratch)
      : rows_(rows),
        t_(t),
        size_(t),
        lines_(scratch),
        features_(lines_ + size_.lines),
        responses_(features_ + size_.features),
        changes_(responses_ + size_.responses),
        room_(changes_ + size_.changes) {}

  void run() {
    if constexpr (in_blocks) std::fill_n(room_, size_.room, 0.0f);
    const std::size_t n_groups =
        ceil_div(static_cast<std::size_t>(n_cols() - rows_.left), t_.cols.block()) *
        t_.cols.groups();
    for (std::size_t first = 0; first < n_groups; first += kGroups) {
      n_ = std::min(kGroups, n_groups - first);
      const std::size_t start = t_.cols.place(first);
      left_ = rows_.left + static_cast<Index>(start);
      for (std::size_t g = 0; g < kGroups; ++g)  // those of padding are the last again
        columns_[g] = t_.cols.place(first + std::min(g, n_ - 1)) - start;
      take_lines();
      for (std::size_t u = 0, term = 0; u < row_roles; ++u)
        for (std::size_t v = 0; v < col_roles; ++v, ++term) {
          pack(u, v);
          analyse(term);
        }
      respond();
      for (std::size_t term = 0; term < row_roles * col_roles; ++term)
        multiply<kTriangleRows>(
            t_.synthesis + term * size_.synthesis, round_up(part(), kTriangleRows), t_.n_filters,
            responses_ + term * kGroups * t_.n_filters, 1, n_, nullptr,
            changes_ + term * kGroups * size_.change_pitch, size_.change_pitch, kGroups);
      if constexpr (in_blocks) {
        for (std::size_t g = 0; g < n_; ++g) spread_changes(g);
        for (std::size_t g = 0; g < n_; g += fixed) add_block(g);
        continue;
      }
      for (std::size_t g = 0; g < n_; ++g) {
        const Index left = left_ + static_cast<Index>(columns_[g]),
                    right = left + static_cast<Index>(col_roles * col_part());
        if (left >= 0 && right <= rows_.width)
          add_changes<true>(g, left);
        else
          add_changes<false>(g, left);
      }
    }
  }

 private:
  std::size_t row_part() const { return fixed ? fixed : t_.rows.part; }
  std::size_t col_part() const { return fixed ? fixed : t_.cols.part; }
  std::size_t part() const { return row_part() * col_part(); }
  Index n_cols() const { return rows_.width - static_cast<Index>(t_.cols.length) + 1; }
  float* line(std::size_t u, std::size_t channel, std::size_t i) {
    return lines_ + ((2 * u + channel) * row_part() + i) * size_.span;
  }

  // Groups at work, with those that fill up a vector.
  std::size_t n_lanes() const { return round_up(n_, kFloatLanes); }

  // Responses by role: n_filters x kGroups.
  void analyse(std::size_t term) {
    const auto run = [&](auto rows, std::size_t g) {
      multiply_panel<rows.value>(features_ + g, kGroups, 2 * part(),
                                 t_.analysis + term * size_.analysis, 2 * part(), 1, t_.n_filters,
                                 nullptr, responses_ + term * kGroups * t_.n_filters + g, kGroups);
    };
    std::size_t g = 0;
    for (; g + kWidePanelRows <= n_lanes(); g += kWidePanelRows)
      run(std::integral_constant<std::size_t, kWidePanelRows>(), g);
    for (; g < n_lanes(); g += kFloatLanes)
      run(std::integral_constant<std::size_t, kFloatLanes>(), g);
  }

  // Differences down the columns, in their roles, of the rows under the groups: of the image, and
  // of the noisy image less it, or the guide. Beyond the image they repeat its last pixels.
  void take_lines() {
    const float less = t_.less;
    const std::size_t span = columns_[n_ - 1] + col_roles * col_part();
    const std::size_t begin = static_cast<std::size_t>(std::max<Index>(-left_, 0)),
                      end = static_cast<std::size_t>(
                          std::min<Index>(rows_.width - left_, static_cast<Index>(span)));
    for (std::size_t i = 0; i < row_part(); ++i) {
      const float *image[3], *noisy[3];
      for (std::size_t u = 0; u < row_roles; ++u) {
        const Index y = std::clamp<Index>(rows_.top + static_cast<Index>(u * row_part() + i), 0,
                                          rows_.height - 1),
                    at = y * rows_.width + left_ + static_cast<Index>(begin);
        image[u] = rows_.image + at;
        noisy[u] = rows_.noisy + at;
      }
      for (std::size_t u = 0; u < row_roles; ++u) {
        float *own = line(u, 0, i), *rest = line(u, 1, i);
        const bool difference = row_roles == 3 && u != 1;
        for (std::size_t x = begin; x < end; ++x) {
          const std::size_t j = x - begin;
          own[x] = image[u][j];
          rest[x] = noisy[u][j] - less * image[u][j];
          if (difference) {
            own[x] -= image[1][j];
            rest[x] -= noisy[1][j] - less * image[1][j];
          }
        }
        for (float* each : {own, rest}) {
          std::fill(each, each + begin, each[begin]);
          std::fill(each + end, each + span, each[end - 1]);
        }
      }
    }
  }

  // The values that the product of a role along each axis is of: 2 parts x kGroups.
  void pack(std::size_t u, std::size_t v) {
    const bool difference = col_roles == 3 && v != 1,
               centred = !difference && (row_roles == 1 || u == 1);
    const std::size_t own = col_roles == 3 ? v * col_part() : 0, n = n_lanes();
    float* to = features_;
    for (std::size_t channel = 0; channel < 2; ++channel)
      for (std::size_t i = 0; i < row_part(); ++i)
        for (std::size_t j = 0; j < col_part(); ++j, to += kGroups) {
          const float *from = line(u, channel, i) + own + j,
                      *middle = line(u, channel, i) + col_part() + j;
          if constexpr (in_blocks) {
            for (std::size_t g = 0; g < n; g += kFloatLanes) {
              const vec values = load_fours(from + 2 * g);
              store(to + g, difference ? sub(values, load_fours(middle + 2 * g)) : values);
            }
          } else {
            for (std::size_t g = 0; g < n; ++g)
              to[g] = difference ? from[columns_[g]] - middle[columns_[g]] : from[columns_[g]];
          }
        }
    if (!centred) return;
    for (std::size_t k = part(); k-- > 0;)
      for (std::size_t g = 0; g < n; ++g) features_[k * kGroups + g] -= features_[g];
  }

  // From products to what the changes are products of.
  void respond() {
    const std::size_t step = kGroups * t_.n_filters, n = n_lanes();
    const vec middle = set1(t_.middle);
    bool row_there[row_places];
    for (std::size_t a = 0; a < row_places; ++a) {
      const Index y = rows_.top + static_cast<Index>(a * row_part());
      row_there[a] = y >= 0 && y < rows_.n_rows;
    }
    alignas(kAlign) float there[col_places][kGroups];  // 1 where a patch begins, else 0
    for (std::size_t b = 0; b < col_places; ++b)
      for (std::size_t g = 0; g < n; ++g) {
        const Index x = left_ + static_cast<Index>(columns_[g] + b * col_part());
        there[b][g] = x >= 0 && x < n_cols() ? 1.0f : 0.0f;
      }
    for (std::size_t i = 0; i < t_.n_filters; ++i) {
      const Curve curve(t_.curves + i * size_.curve_pitch, t_.n_knots);
      for (std::size_t g = 0; g < n; g += kFloatLanes) {
        float* const at = responses_ + i * kGroups + g;
        vec by_row[col_places][row_roles], by_both[col_places][row_places];
        FASTEPLL_UNROLL
        for (std::size_t u = 0; u < row_roles; ++u) {
          vec roles[col_roles], places[col_places];
          FASTEPLL_UNROLL
          for (std::size_t v = 0; v < col_roles; ++v)
            roles[v] = load(at + (u * col_roles + v) * step);
          to_places(roles, places);
          FASTEPLL_UNROLL
          for (std::size_t b = 0; b < col_places; ++b) by_row[b][u] = places[b];
        }
        FASTEPLL_UNROLL
        for (std::size_t b = 0; b < col_places; ++b) {
          to_places(by_row[b], by_both[b]);
          FASTEPLL_UNROLL
          for (std::size_t a = 0; a < row_places; ++a)
            by_both[b][a] =
                row_there[a] ? mul(curve(add(by_both[b][a], middle)), load(there[b] + g)) : zero();
          to_roles(by_both[b], by_row[b]);
        }
        FASTEPLL_UNROLL
        for (std::size_t u = 0; u < row_roles; ++u) {
          vec roles[col_roles], places[col_places];
          FASTEPLL_UNROLL
          for (std::size_t b = 0; b < col_places; ++b) places[b] = by_row[b][u];
          to_roles(places, roles);
          FASTEPLL_UNROLL
          for (std::size_t v = 0; v < col_roles; ++v)
            store(at + (u * col_roles + v) * step, roles[v]);
        }
      }
    }
  }

  // Where the rows that a group changes are: each of the width of a block and a part, and zero
  // there but for the pixels of the group, which begin after a part.
  static constexpr std::size_t kWide = 4 * fixed;
  float* changed_rows(std::size_t g) const { return room_ + g * (3 * fixed + 1) * kWide; }

  // What the patches of a group change, row by row.
  void spread_changes(std::size_t g) const {
    constexpr std::size_t size = fixed * fixed;
    for (std::size_t at = 0; at < size; at += kFloatLanes) {
      const float* from = changes_ + g * size_.change_pitch + at;
      vec c[3][3];
      FASTEPLL_UNROLL
      for (std::size_t k = 0; k < 9; ++k)
        c[k / 3][k % 3] = load(from + k * kGroups * size_.change_pitch);
      FASTEPLL_UNROLL
      for (auto& row : c) row[1] = sub(row[1], add(row[0], row[2]));
      FASTEPLL_UNROLL
      for (std::size_t v = 0; v < 3; ++v) c[1][v] = sub(c[1][v], add(c[0][v], c[2][v]));
      float* to = changed_rows(g) + at / fixed * kWide + fixed;
      FASTEPLL_UNROLL
      for (std::size_t k = 0; k < 9; ++k)
        store_fours(to + k / 3 * fixed * kWide + k % 3 * fixed, kWide, c[k / 3][k % 3]);
    }
  }

  // Adds what the groups of a block change, which begin a pixel apart, to the pixels under them.
  void add_block(std::size_t first) const {
    const Index left = left_ + static_cast<Index>(columns_[first]);
    const bool within = left >= 0 && left + static_cast<Index>(kWide) <= rows_.width;
    for (std::size_t i = 0; i < 3 * fixed; ++i) {
      const Index y = rows_.top + static_cast<Index>(i);
      if (y < 0 || y >= rows_.height) continue;
      float* const to = rows_.sums + y * rows_.width;
      if (within) {
        FASTEPLL_UNROLL
        for (std::size_t j = 0; j < kWide; j += kFloatLanes) {
          vec sum = load(to + left + j);
          FASTEPLL_UNROLL
          for (std::size_t g = 0; g < fixed; ++g)
            sum = add(sum, load(changed_rows(first + g) + i * kWide + fixed - g + j));
          store(to + left + j, sum);
        }
      } else {
        for (std::size_t g = 0; g < fixed; ++g)
          for (std::size_t j = 0; j < 3 * fixed; ++j)
            if (const Index x = left + static_cast<Index>(g + j); x >= 0 && x < rows_.width)
              to[x] += changed_rows(first + g)[i * kWide + fixed + j];
      }
    }
  }

  // Adds what the patches of a group change to the pixels under them, of which all are `within` the
  // image or not. All is in pieces of a part, so that no wide load waits for narrow stores.
  template <bool within>
  void add_changes(std::size_t g, Index left) const {
    const std::size_t part = col_part(), width = col_roles * part;
    float local[fixed ? 9 * fixed : 1], *const roles = fixed ? local : room_;
    const auto middle = [&](std::size_t at, std::size_t apart) {
      for (std::size_t j = 0; j < part; ++j)
        roles[at + j] -= roles[at + j - apart] + roles[at + j + apart];
    };
    for (std::size_t i = 0; i < row_part(); ++i) {
      const float* from = changes_ + g * size_.change_pitch + i * part;
      FASTEPLL_UNROLL
      for (std::size_t k = 0; k < row_roles * col_roles; ++k, from += kGroups * size_.change_pitch)
        for (std::size_t j = 0; j < part; ++j) roles[k * part + j] = from[j];
      if constexpr (col_roles == 3) {
        FASTEPLL_UNROLL
        for (std::size_t u = 0; u < row_roles; ++u) middle(u * width + part, part);
      }
      if constexpr (row_roles == 3) {
        FASTEPLL_UNROLL
        for (std::size_t v = 0; v < col_roles; ++v) middle(width + v * part, width);
      }
      FASTEPLL_UNROLL
      for (std::size_t u = 0; u < row_roles; ++u) {
        const Index y = rows_.top + static_cast<Index>(u * row_part() + i);
        if (y < 0 || y >= rows_.height) continue;
        float* const to = rows_.sums + y * rows_.width;
        FASTEPLL_UNROLL
        for (std::size_t v = 0; v < col_roles; ++v)
          for (std::size_t j = v * part; j < (v + 1) * part; ++j) {
            const Index x = left + static_cast<Index>(j);
            if (within || (x >= 0 && x < rows_.width)) to[x] += roles[u * width + j];
          }
      }
    }
  }

  const PatchRows& rows_;
  const DiffusionTables& t_;
  const DiffusionSizes size_;
  float *lines_, *features_, *responses_, *changes_, *room_;
  // Groups at work: their number, and where the first patch of each is, from that of the first.
  std::size_t n_ = 0, columns_[kGroups];
  Index left_ = 0;  // column of the first
};

void diffuse(const PatchRows& rows, const DiffusionTables& t, float* scratch) {
  const bool split_rows = t.rows.n_roles == 3, split_cols = t.cols.n_roles == 3;
  if (split_rows && split_cols && t.rows.part == 4 && t.cols.part == 4)
    Diffusion<3, 3, 4>(rows, t, scratch).run();
  else if (split_rows && split_cols)
    Diffusion<3, 3, 0>(rows, t, scratch).run();
  else if (split_rows)
    Diffusion<3, 1, 0>(rows, t, scratch).run();
  else if (split_cols)
    Diffusion<1, 3, 0>(rows, t, scratch).run();
  else
    Diffusion<1, 1, 0>(rows, t, scratch).run();
}

}  // namespace
}  // namespace fastepll::FASTEPLL_ISA
