#include "noise.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "buffer.hpp"

namespace fastepll {
namespace {

constexpr std::size_t kPiece = 2048;  // patches inspected at a time
constexpr std::size_t kWeighed = 32;  // patches whose evidence is computed at a time

// Which pixels of some rows lie in a square of equal pixels.
class Constant {
 public:
  Constant(std::size_t n_rows, std::size_t width)
      : width_(width), inside_(n_rows * width), depth_(width), ends_(width) {}

  void find(const Plane& plane, std::size_t top, std::size_t bottom, std::size_t side) {
    some_ = begun_ = false;
    const std::size_t last = std::min(plane.height, bottom + side - 1);
    for (std::size_t y = std::max<std::size_t>(1, top > side ? top - side + 1 : 0); y < last; ++y) {
      const float* row = plane.data + y * width_;
      if (!touch(row)) {
        begun_ = false;
        continue;
      }
      if (!begun_) begin(row - width_, side);
      if (!end_in_row(row, side)) continue;
      if (!some_) std::fill(inside_.begin(), inside_.end(), 0);
      some_ = true;
      for (std::size_t r = std::max(top, y + 1 > side ? y + 1 - side : 0);
           r < std::min(bottom, y + 1); ++r)
        for (std::size_t x = 0; x < width_; ++x) inside_[(r - top) * width_ + x] |= ends_[x];
    }
  }

  bool any(std::size_t row, std::size_t x, const Probe& probe) const {
    if (!some_) return false;
    std::uint8_t found = 0;
    for (std::size_t r = 0; r < probe.height; ++r)
      for (std::size_t c = 0; c < probe.width; ++c) found |= inside_[(row + r) * width_ + x + c];
    return found != 0;
  }

 private:
  // Whether some pixel equals those to the left and above: else no square goes on in this row.
  bool touch(const float* row) const {
    int found = 0;
    for (std::size_t x = 1; x < width_; ++x)
      found |= (row[x] == row[x - 1]) & (row[x] == row[x - width_]);
    return found != 0;
  }

  // depth_ of a row in which squares may begin.
  void begin(const float* row, std::size_t side) {
    std::size_t run = 0;
    for (std::size_t x = 0; x < width_; ++x) {
      run = x > 0 && row[x] == row[x - 1] ? run + 1 : 1;
      depth_[x] = run >= side;
    }
    begun_ = true;
  }

  // depth_ of the next row. If squares end in it, ends_ gets their columns; else false.
  bool end_in_row(const float* row, std::size_t side) {
    bool found = false;
    std::size_t run = 0;
    for (std::size_t x = 0; x < width_; ++x) {
      run = x > 0 && row[x] == row[x - 1] ? run + 1 : 1;
      const bool on = depth_[x] > 0 && row[x] == row[x - width_];
      const std::size_t depth = run < side ? 0 : on ? depth_[x] + 1u : 1;
      depth_[x] = static_cast<std::uint8_t>(std::min(depth, side));
      found |= depth >= side;
    }
    if (!found) return false;
    std::size_t left = 0;
    for (std::size_t x = width_; x-- > 0;) {
      left = depth_[x] >= side ? side : left > 0 ? left - 1 : 0;
      ends_[x] = left > 0;
    }
    return true;
  }

  std::size_t width_;
  bool some_ = false, begun_ = false;  // are inside_ and depth_ filled?
  std::vector<std::uint8_t> inside_;
  std::vector<std::uint8_t> depth_;  // per column: rows so far of a square that ends in it
  std::vector<std::uint8_t> ends_;
};

// Rows of the image that a piece of the patches covers.
struct Rows {
  std::size_t top, bottom;
};

std::vector<Rows> rows_of_pieces(const std::int32_t* corners, std::size_t n, const Probe& probe) {
  std::vector<Rows> rows;
  for (std::size_t begin = 0; begin < n; begin += kPiece) {
    std::int32_t low = corners[2 * begin], high = low;
    for (std::size_t i = begin; i < std::min(n, begin + kPiece); ++i) {
      low = std::min(low, corners[2 * i]);
      high = std::max(high, corners[2 * i]);
    }
    rows.push_back({static_cast<std::size_t>(low), static_cast<std::size_t>(high) + probe.height});
  }
  return rows;
}

// What one thread needs to inspect a piece.
struct Bench {
  Constant constant;
  Buffer<float> floats;
  std::vector<std::ptrdiff_t> corners;
  std::vector<std::size_t> places;
  std::vector<float> found;

  Bench(std::size_t n_rows, std::size_t width, std::size_t n_floats)
      : constant(n_rows, width),
        floats(n_floats),
        corners(kPiece),
        places(kPiece),
        found(3 * kPiece) {}
};

}  // namespace

bool inspect(const KernelTable& kernels, const Plane& plane, const std::int32_t* corners,
             std::size_t n, const Probe& probe, std::size_t side, int n_threads, const Poll& poll,
             float* result) {
  const std::size_t d = probe.height * probe.width, block = kernels.block;
  const std::size_t n_packed = round_up(probe.n_high, block);
  Buffer<float> high(n_packed * d);
  for (std::size_t i = 0; i < probe.n_high; ++i)
    for (std::size_t j = 0; j < d; ++j)
      high.get()[i / block * block * d + j * block + i % block] = probe.high[i * d + j];
  const Sample sample{plane.data, plane.width, probe.height, probe.width, high.get(), probe.n_high};
  const std::vector<Rows> pieces = rows_of_pieces(corners, n, probe);
  std::size_t most = 0;
  for (const Rows& rows : pieces) most = std::max(most, rows.bottom - rows.top);
  std::vector<Bench> benches;
  for (std::size_t t = 0; t < std::min<std::size_t>(n_threads, pieces.size()); ++t)
    benches.emplace_back(most, plane.width, kBatch * (round_up(d, kPad) + n_packed));
  const auto work = [&](std::size_t piece, int thread) {
    Bench& bench = benches[thread];
    bench.constant.find(plane, pieces[piece].top, pieces[piece].bottom, side);
    std::size_t kept = 0;
    for (std::size_t i = piece * kPiece; i < std::min(n, (piece + 1) * kPiece); ++i) {
      const std::size_t y = corners[2 * i], x = corners[2 * i + 1];
      if (bench.constant.any(y - pieces[piece].top, x, probe)) {
        result[3 * i] = std::numeric_limits<float>::infinity();
        result[3 * i + 1] = result[3 * i + 2] = 0;
      } else {
        bench.corners[kept] = static_cast<std::ptrdiff_t>(y * plane.width + x);
        bench.places[kept++] = i;
      }
    }
    kernels.inspect(sample, bench.corners.data(), kept, bench.floats.get(), bench.found.data());
    for (std::size_t i = 0; i < kept; ++i)
      std::copy_n(&bench.found[3 * i], 3, result + 3 * bench.places[i]);
  };
  return parallel_for(pieces.size(), n_threads, work, poll, 0, 1);
}

bool evidence(const KernelTable& kernels, const float* energies, std::size_t n,
              const Levels& levels, int n_threads, const Poll& poll, double* result) {
  const std::size_t k = levels.k, k_pad = round_up(k, kPad), n_bands = levels.n_bands;
  const std::size_t n_pieces = (n + kWeighed - 1) / kWeighed, size = (n_bands + 2) * k_pad;
  Buffer<float> tables(levels.n * size);
  for (std::size_t s = 0; s < levels.n; ++s) {
    float *factors = tables.get() + s * size, *offsets = factors + n_bands * k_pad;
    for (std::size_t b = 0; b < n_bands; ++b)
      for (std::size_t c = 0; c < k; ++c)
        factors[b * k_pad + c] =
            static_cast<float>(-0.5 * levels.precisions[(s * n_bands + b) * k + c]);
    for (std::size_t which = 0; which < 2; ++which)
      for (std::size_t c = 0; c < k_pad; ++c)
        offsets[which * k_pad + c] =
            c < k ? static_cast<float>(levels.offsets[(2 * s + which) * k + c]) : -1e30f;
  }
  Buffer<float> scratch(2 * k_pad * std::min<std::size_t>(n_threads, n_pieces));
  const auto work = [&](std::size_t piece, int thread) {
    for (std::size_t s = 0; s < levels.n; ++s)
      for (std::size_t i = piece * kWeighed; i < std::min(n, (piece + 1) * kWeighed); ++i)
        result[i * levels.n + s] =
            kernels.evidence(energies + i * n_bands, tables.get() + s * size, n_bands, levels.n_low,
                             k_pad, scratch.get() + 2 * k_pad * thread);
  };
  return parallel_for(n_pieces, n_threads, work, poll, 0, 1);
}

}  // namespace fastepll
