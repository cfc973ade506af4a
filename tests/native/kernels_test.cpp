// The core against a plain float64 loop, without Python: every instruction set that runs here,
// patch shapes and image sizes that cross lane, group and tile band_edges, several thread counts.
// It is what the sanitizer build and the emulated aarch64 build run.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <vector>

#include "dispatch.hpp"
#include "noise.hpp"
#include "pass.hpp"

using namespace fastepll;
using Doubles = std::vector<double>;

namespace {

int failures = 0;

void expect(bool condition, const char* what, const std::string& where) {
  if (condition) return;
  std::printf("FAILED %s: %s\n", where.c_str(), what);
  ++failures;
}

struct Problem {
  std::size_t k, height, width, channels, d, rows, cols;
  double noise_var = 0.01;
  Doubles weights, eigenvalues, vectors /* k x d x d, as rows */, basis;
  std::vector<float> image;
};

// n orthonormal rows of length n; the first is constant if asked for.
Doubles orthonormal(std::size_t n, bool constant_first, std::mt19937& random) {
  std::normal_distribution<double> normal;
  Doubles rows(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    double* row = &rows[i * n];
    for (std::size_t j = 0; j < n; ++j) row[j] = constant_first && i == 0 ? 1 : normal(random);
    for (int twice = 0; twice < 2; ++twice)
      for (std::size_t other = 0; other < i; ++other) {
        double dot = 0;
        for (std::size_t j = 0; j < n; ++j) dot += row[j] * rows[other * n + j];
        for (std::size_t j = 0; j < n; ++j) row[j] -= dot * rows[other * n + j];
      }
    double norm = 0;
    for (std::size_t j = 0; j < n; ++j) norm += row[j] * row[j];
    for (std::size_t j = 0; j < n; ++j) row[j] /= std::sqrt(norm);
  }
  return rows;
}

Problem make_problem(std::size_t k, std::size_t height, std::size_t width, std::size_t rows,
                     std::size_t cols, std::size_t channels = 1) {
  std::mt19937 random(static_cast<unsigned>(k + 100 * height + 1000 * width + 10000 * cols));
  std::uniform_real_distribution<double> uniform;
  Problem p{k,  height, width, channels, height * width * channels, rows, cols, 0.01, {},
            {}, {},     {},    {}};
  for (std::size_t c = 0; c < k; ++c) {
    p.weights.push_back(1.0 / static_cast<double>(k));
    const Doubles vectors = orthonormal(p.d, false, random);
    p.vectors.insert(p.vectors.end(), vectors.begin(), vectors.end());
    for (std::size_t j = 0; j < p.d; ++j)
      p.eigenvalues.push_back(std::pow(10.0, -4 * uniform(random)) * static_cast<double>(c + 1) /
                              static_cast<double>(k));
  }
  p.basis = orthonormal(p.d, true, random);
  for (std::size_t i = 0; i < channels * rows * cols; ++i)
    p.image.push_back(static_cast<float>(uniform(random)));
  return p;
}

std::shared_ptr<const Mixture> make_mixture(const Problem& p, const KernelTable& table) {
  const std::size_t d = p.d;
  Doubles columns(p.k * d * d);
  for (std::size_t i = 0; i < p.k * d * d; ++i)
    columns[i / (d * d) * d * d + i % d * d + i / d % d] = p.vectors[i];
  return Mixture::make(table, p.k, {p.height, p.width, p.channels}, p.weights.data(),
                       p.eigenvalues.data(), columns.data(), p.basis.data(), 2,
                       [](double) { return true; });
}

struct Answer {
  std::vector<std::size_t> chosen;
  Doubles gap;  // cost of the second best component above the best
  Doubles pass;
};

Answer naive(const Problem& p) {
  Answer answer;
  answer.pass.resize(p.image.size());
  Doubles count(p.image.size()), z(p.d), coordinates(p.d);
  for (std::size_t y = 0; y + p.height <= p.rows; ++y)
    for (std::size_t x = 0; x + p.width <= p.cols; ++x) {
      const auto pixel = [&](std::size_t j) {
        const std::size_t plane = j / (p.height * p.width), row = y + j / p.width % p.height;
        return (plane * p.rows + row) * p.cols + x + j % p.width;
      };
      double mean = 0;
      for (std::size_t j = 0; j < p.d; ++j) mean += p.image[pixel(j)];
      mean /= static_cast<double>(p.d);
      for (std::size_t j = 0; j < p.d; ++j) z[j] = p.image[pixel(j)] - mean;
      double best = 1e300, second = 1e300;
      std::size_t chosen = 0;
      Doubles estimate;
      for (std::size_t c = 0; c < p.k; ++c) {
        double cost = -2 * std::log(p.weights[c]);
        Doubles candidate(p.d, mean);
        for (std::size_t j = 0; j < p.d; ++j) {
          const double* vector = &p.vectors[(c * p.d + j) * p.d];
          const double variance = p.eigenvalues[c * p.d + j];
          double dot = 0;
          for (std::size_t i = 0; i < p.d; ++i) dot += vector[i] * z[i];
          cost += std::log(variance + p.noise_var) + dot * dot / (variance + p.noise_var);
          for (std::size_t i = 0; i < p.d; ++i)
            candidate[i] += variance / (variance + p.noise_var) * dot * vector[i];
        }
        if (cost < best) {
          second = best;
          best = cost;
          chosen = c;
          estimate = candidate;
        } else if (cost < second) {
          second = cost;
        }
      }
      answer.chosen.push_back(chosen);
      answer.gap.push_back(second - best);
      for (std::size_t j = 0; j < p.d; ++j) {
        answer.pass[pixel(j)] += estimate[j];
        count[pixel(j)] += 1;
      }
    }
  for (std::size_t i = 0; i < count.size(); ++i) answer.pass[i] /= count[i];
  return answer;
}

const Poll go = [](double) { return true; };

bool prior_pass(const Image& image, const float* noisy, float blend,
                const PreparedMixture& prepared, const Grid& grid, std::int32_t* hints,
                int n_threads, const Poll& poll, float* result) {
  return prior_passes({{image, noisy, blend, &prepared, grid, hints, result}}, n_threads, poll);
}

PassOptions exact(double noise_var) { return {noise_var, true, 8, 32, 0, 0, false, false, 0, 0}; }

// Sparse grids, cascades and weights: tests/backends holds them against the reference, here they
// run under the sanitizers and emulated.
void check_cascade(const Problem& p, const std::shared_ptr<const Mixture>& mixture,
                   const Image& image, const std::string& where) {
  std::vector<float> first(p.image.size()), other(p.image.size());
  for (const std::size_t dims : {1, 9, 17, 64})
    for (const bool mean : {false, true}) {
      const PassOptions options{
          p.noise_var, false, std::min<std::size_t>(dims, 6), dims, 3, 1, mean, !mean, 0.3, 0.7};
      const auto prepared = PreparedMixture::make(mixture, options, 2, go);
      const Grid grid{std::min(p.height, p.width), 1, 2};
      prior_pass(image, p.image.data(), 0.5f, *prepared, grid, nullptr, 1, go, first.data());
      for (const float value : first) expect(std::isfinite(value), "not finite", where);
      for (const int n_threads : {2, 7}) {
        prior_pass(image, p.image.data(), 0.5f, *prepared, grid, nullptr, n_threads, go,
                   other.data());
        expect(first == other, "cascade not bit-identical over threads", where);
      }
    }
}

// Against the definition in tests/backends; here under the sanitizers and emulated.
void check_likelihood(const Problem& p, const std::shared_ptr<const Mixture>& mixture,
                      const Image& image, const std::string& where) {
  const PassOptions options{0, false, 1, p.d, 0, 0, false, false, 0, 0};
  const auto prepared = PreparedMixture::make(mixture, options, 2, go);
  const std::size_t n = (p.rows - p.height + 1) * (p.cols - p.width + 1);
  Doubles first(n), other(n);
  likelihood_pass(image, *prepared, {1, 0, 0}, 1, go, first.data());
  for (const double value : first) expect(std::isfinite(value), "likelihood not finite", where);
  likelihood_pass(image, *prepared, {1, 0, 0}, 3, go, other.data());
  expect(first == other, "likelihood not bit-identical over threads", where);
}

// Against the definition in tests/test_noise.py; here under the sanitizers and emulated.
void check_noise(const Problem& p, const KernelTable& table, const std::string& where) {
  std::vector<float> pixels(p.image.begin(), p.image.begin() + p.rows * p.cols);
  for (std::size_t i = 0; i < pixels.size() / 3; ++i) pixels[i] = 0.5f;
  std::vector<std::int32_t> corners;
  for (std::size_t y = 0; y + p.height <= p.rows; ++y)
    for (std::size_t x = 0; x + p.width <= p.cols; ++x) {
      corners.push_back(static_cast<std::int32_t>(y));
      corners.push_back(static_cast<std::int32_t>(x));
    }
  const std::size_t n = corners.size() / 2, size = p.height * p.width, n_bands = 3;
  const std::vector<float> high(2 * size, 1 / std::sqrt(static_cast<float>(size)));
  const Doubles precisions(2 * n_bands * p.k, 0.5), offsets(4 * p.k, -1);
  const NoiseLevels sigmas{2, n_bands, 1, p.k, precisions.data(), offsets.data()};
  std::vector<float> first(3 * n), other(3 * n);
  Doubles one(2 * n), two(2 * n);
  for (const std::size_t side : {std::size_t{2}, kMaxSquareSide}) {
    patch_statistics(table, {pixels.data(), p.rows, p.cols}, corners.data(), n,
                     {p.height, p.width, high.data(), 2}, side, 1, go, first.data());
    patch_statistics(table, {pixels.data(), p.rows, p.cols}, corners.data(), n,
                     {p.height, p.width, high.data(), 2}, side, 3, go, other.data());
    expect(first == other, "inspection not bit-identical over threads", where);
    for (float& value : first) value = std::min(value, 100.0f);
    conditional_log_probs(table, first.data(), n, sigmas, 1, go, one.data());
    conditional_log_probs(table, first.data(), n, sigmas, 3, go, two.data());
    expect(one == two, "conditional_log_probs not bit-identical over threads", where);
    for (std::size_t i = 0; i < 2 * n; ++i) {
      const double squared_norm = first[i / 2 * 3 + 1] + first[i / 2 * 3 + 2];
      expect(std::abs(one[i] + 0.25 * squared_norm) < 1e-3, "another conditional_log_probs", where);
    }
  }
}

void check(const Problem& p) {
  const Answer expected = naive(p);
  const Image image{p.image.data(), p.rows, p.cols};
  for (const std::string& isa : supported_isas()) {
    const std::string where = isa + " patch " + std::to_string(p.height) + "x" +
                              std::to_string(p.width) + " image " + std::to_string(p.rows) + "x" +
                              std::to_string(p.cols) + " k " + std::to_string(p.k);
    const auto mixture = make_mixture(p, kernels_for(isa));
    const auto prepared = PreparedMixture::make(mixture, exact(p.noise_var), 2, go);
    const Grid all{1, 0, 0};
    std::vector<std::int32_t> exhaustive(expected.chosen.size()), pruned(exhaustive.size());
    select_pass(image, *prepared, all, true, 2, go, exhaustive.data());
    select_pass(image, *prepared, all, false, 2, go, pruned.data());
    for (std::size_t i = 0; i < pruned.size(); ++i)
      for (const auto& chosen : {exhaustive, pruned})
        expect(chosen[i] == static_cast<std::int32_t>(expected.chosen[i]) || expected.gap[i] < 2e-3,
               "another component", where);
    std::vector<float> first(p.image.size()), other(p.image.size());
    prior_pass(image, nullptr, 1, *prepared, all, nullptr, 1, go, first.data());
    double error = 0;
    for (std::size_t i = 0; i < first.size(); ++i)
      error = std::max(error, std::abs(first[i] - expected.pass[i]));
    expect(error < 2e-6, "another image", where);
    std::vector<std::int32_t> hints = pruned;
    for (const int n_threads : {2, 3, 7}) {
      prior_pass(image, nullptr, 1, *prepared, all, hints.data(), n_threads, go, other.data());
      expect(first == other, "not bit-identical over threads and hints", where);
    }
    check_cascade(p, mixture, image, where);
    check_likelihood(p, mixture, image, where);
    check_noise(p, kernels_for(isa), where);
  }
}

void check_stopping() {
  const Problem p = make_problem(64, 8, 8, 200, 333);
  const auto prepared =
      PreparedMixture::make(make_mixture(p, kernels_for("")), exact(p.noise_var), 1, go);
  std::vector<float> result(p.image.size());
  const Image image{p.image.data(), p.rows, p.cols};
  for (const int n_threads : {1, 3}) {
    const Poll stop = [](double) { return false; };
    expect(!prior_pass(image, nullptr, 1, *prepared, {1, 0, 0}, nullptr, n_threads, stop,
                       result.data()),
           "poll cannot stop a pass", "stopping");
  }
}

}  // namespace

int main() {
  check(make_problem(1, 3, 3, 3, 3));
  check(make_problem(2, 3, 16, 5, 31));
  check(make_problem(3, 16, 3, 33, 17));
  check(make_problem(5, 4, 5, 64, 67));
  check(make_problem(7, 8, 8, 8, 9));
  check(make_problem(33, 8, 8, 23, 97));
  check(make_problem(5, 4, 5, 30, 41, 3));
  check(make_problem(3, 8, 8, 21, 30, 3));
  check(make_problem(4, 13, 15, 40, 100));
  check(make_problem(3, 16, 16, 37, 90));
  for (std::size_t cols : {7, 8, 9, 15, 16, 17, 63, 64, 65, 79, 80, 129})
    check(make_problem(4, 5, 7, 11, cols));
  check_stopping();
  try {
    kernels_for("avx1024");
    expect(false, "an unknown instruction set is accepted", "dispatch");
  } catch (const std::invalid_argument&) {
  }
  std::string names;
  for (const std::string& isa : supported_isas()) names += " " + isa;
  std::printf("kernels_test:%s: %d failures\n", names.c_str(), failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
