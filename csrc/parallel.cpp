#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fastepll {
namespace {

// libgomp's threads do not exist in a forked child and waiting for them hangs: use our own there.
// Watched from the start, since others may have started them.
std::atomic<bool> forked{false};
#if defined(__unix__) || defined(__APPLE__)
[[maybe_unused]] const int watching = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif

void run_team(int n_threads, const std::function<void(int)>& work) {
#ifdef _OPENMP
  if (!forked) {
#pragma omp parallel num_threads(n_threads)
    work(omp_get_thread_num());
    return;
  }
#endif
  std::vector<std::thread> team;
  for (int t = 1; t < n_threads; ++t) team.emplace_back(work, t);
  work(0);
  for (std::thread& thread : team) thread.join();
}

}  // namespace

bool parallel_for(std::size_t n, int n_threads, const std::function<void(std::size_t, int)>& body,
                  const Poll& poll, double begin, double end) {
  using clock = std::chrono::steady_clock;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  const auto work = [&](int thread) {
    auto due = clock::now() + std::chrono::milliseconds(50);
    for (std::size_t i; !stop && (i = next++) < n;) {
      body(i, thread);
      if (thread == 0 && clock::now() >= due) {
        const double done = static_cast<double>(i + 1) / static_cast<double>(n);
        if (!poll(begin + (end - begin) * done)) stop = true;
        due = clock::now() + std::chrono::milliseconds(50);
      }
    }
  };
  n_threads = static_cast<int>(std::min<std::size_t>(n, n_threads));
  if (n_threads <= 1)
    work(0);
  else
    run_team(n_threads, work);
  return !stop;
}

int openmp_max_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 0;
#endif
}

}  // namespace fastepll
