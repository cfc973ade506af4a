// Rates of the kernels of each instruction set beside the multiply-add peak of this processor: JSON
// lines on standard output. Built by bench/kernels.py.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "dispatch.hpp"
#include "grid.hpp"
#include "prepared_mixture.hpp"
#include "thread_scratch.hpp"

using namespace fastepll;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kK = 200, kPatch = 8, kD = 64, kQ = 63, kImage = 256, kRounds = 7;

// Operations per second of `work` (which does `flops` of them) on so many threads: the best round.
double rate(int n_threads, double flops, const std::function<void(int)>& work) {
  double best = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::size_t repeats = 0;
    const auto begin = Clock::now();
    double seconds = 0;
    do {
      std::vector<std::thread> team;
      for (int t = 0; t < n_threads; ++t)
        team.emplace_back([&work, t] {
          for (int i = 0; i < 4; ++i) work(t);
        });
      for (std::thread& thread : team) thread.join();
      repeats += 4;
      seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    } while (seconds < 0.08);
    best = std::max(best, flops * static_cast<double>(repeats) * n_threads / seconds);
  }
  return best;
}

#if defined(__GNUC__)
#if defined(__AVX512F__)
constexpr std::size_t kWide = 16;
#else
constexpr std::size_t kWide = 8;
#endif
constexpr std::size_t kChains = 12;
typedef float Wide __attribute__((vector_size(kWide * sizeof(float))));

// Independent chains of multiply-adds in registers.
float multiply_add(std::size_t n) {
  Wide a[kChains] = {}, x = {}, y = {};
  for (std::size_t i = 0; i < kWide; ++i) x[i] = 0.999f, y[i] = 1e-3f;
  for (std::size_t j = 0; j < n; ++j)
    for (Wide& chain : a) chain = chain * x + y;
  float total = 0;
  for (const Wide& chain : a) total += chain[0];
  return total;
}
#endif

struct Job : ThreadScratch {  // one thread's tile, and estimates of its patches by one component
  std::vector<float> estimates;
  std::vector<Assignment> assignments;

  Job(const Tables& t, const std::vector<float>& image)
      : ThreadScratch(kMaxTilePatches, t), estimates(kMaxTilePatches * t.d_pad) {
    tile.n = kMaxTilePatches;
    tile.image = image.data();
    tile.pitch = kImage;
    for (std::size_t p = 0; p < kMaxTilePatches; ++p) {
      tile.corners[p] = static_cast<std::ptrdiff_t>(p / 64 * 4 * kImage + p % 64 * 3);
      assignments.push_back({static_cast<std::int32_t>(p), 1.0f});
    }
    tile.patches = patches;
    tile.means = means;
    tile.chosen = chosen;
    tile.weights = weights;
    tile.total_weight = total_weight;
  }
};

}  // namespace

int main() {
  std::mt19937 random(0);
  std::normal_distribution<double> normal;
  std::vector<double> weights(kK, 1.0 / kK), values(kK * kD), vectors(kK * kD * kD), basis(kD * kD);
  std::vector<float> image(kImage * kImage);
  for (float& pixel : image) pixel = static_cast<float>(0.5 + 0.1 * normal(random));
  const auto cosine = [](std::size_t u, std::size_t x) {
    return std::sqrt(u == 0 ? 0.125 : 0.25) *
           std::cos(3.14159265358979 * static_cast<double>(u * (2 * x + 1)) / 16);
  };
  for (std::size_t i = 0; i < kD; ++i)
    for (std::size_t j = 0; j < kD; ++j)
      basis[i * kD + j] = cosine(i / 8, j / 8) * cosine(i % 8, j % 8);
  for (std::size_t c = 0; c < kK; ++c)
    for (std::size_t i = 0; i < kD; ++i) {
      values[c * kD + i] = 0.05 * std::exp(-0.1 * static_cast<double>(i)) * (1 + c % 17);
      for (std::size_t j = 0; j < kD; ++j)
        vectors[(c * kD + j) * kD + i] = basis[(i * 7 + c) % kD * kD + j];
    }
  const Poll go = [](double) { return true; };
  const int most = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (int n_threads = 1; n_threads <= most; n_threads *= 2) {
#if defined(__GNUC__)
    constexpr std::size_t kSteps = 100000;
    volatile float sink = 0;
    const double peak = rate(n_threads, 2.0 * kSteps * kChains * kWide,
                             [&](int) { sink = sink + multiply_add(kSteps); });
    std::printf("{\"kernel\": \"peak\", \"threads\": %d, \"GF/s\": %.1f}\n", n_threads, peak / 1e9);
#endif
    for (const std::string& isa : supported_isas()) {
      const auto mixture = Mixture::make(kernels_for(isa), kK, {kPatch, kPatch, 1}, weights.data(),
                                         values.data(), vectors.data(), basis.data(), 1, go);
      const auto exact =
          PreparedMixture::make(mixture, {0.01, true, 8, 32, 0, 0, false, false, 0, 0}, 1, go);
      const auto fast =
          PreparedMixture::make(mixture, {0.01, false, 8, 32, 0, 0, false, false, 0.3, 0}, 1, go);
      const KernelTable& table = kernels_for(isa);
      std::vector<std::unique_ptr<Job>> slow_jobs, fast_jobs;
      for (int t = 0; t < n_threads; ++t) {
        slow_jobs.push_back(std::make_unique<Job>(exact->tables(), image));
        fast_jobs.push_back(std::make_unique<Job>(fast->tables(), image));
      }
      const auto report = [&](const char* name, double flops, const std::function<void(int)>& f) {
        std::printf(
            "{\"kernel\": \"%s\", \"isa\": \"%s\", \"threads\": %d, \"GF/s\": %.1f, "
            "\"flops per patch\": %.0f}\n",
            name, isa.c_str(), n_threads, rate(n_threads, flops * kMaxTilePatches, f) / 1e9, flops);
      };
      const Tables &slow = exact->tables(), &quick = fast->tables();
      report("extract", 2.0 * kD * kQ, [&](int t) { table.extract(slow_jobs[t]->tile, slow); });
      report("selection, exhaustive", 2.0 * kK * (kQ * (kQ + 1) / 2 + 2 * kQ),
             [&](int t) { table.select_exhaustive(slow_jobs[t]->tile, slow); });
      for (int t = 0; t < n_threads; ++t) table.extract(fast_jobs[t]->tile, quick);
      report("selection, screen and best only", 2.0 * (kK * quick.n_screen_features + 32 * 33 / 2),
             [&](int t) { table.select(fast_jobs[t]->tile, quick); });
      report("filter, all directions", 2.0 * 2 * kD * kD, [&](int t) {
        Job& job = *slow_jobs[t];
        table.filter(slow, 3, job.assignments.data(), kMaxTilePatches, job.patches, job.means,
                     job.estimates.data(), job.filter_scratch);
      });
    }
  }
}
