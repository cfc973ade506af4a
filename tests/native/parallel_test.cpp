// Hammers parallel_for for the thread sanitizer: every index once, from several threads at once,
// nested, with more threads than work, and stopped by poll. Needs no Python.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "parallel.hpp"

namespace {

using fastepll::parallel_for;

const fastepll::Poll go_on = [](double) { return true; };

void require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "parallel_test: %s\n", what);
  std::abort();
}

// Writes without atomics: a piece given to two threads is a race that the sanitizer sees, as is a
// result read before the piece is done.
void every_index_once(std::size_t n, int n_threads) {
  std::vector<int> count(n, 0), by(n, -1), scratch(n_threads, 0);
  const bool completed = parallel_for(
      n, n_threads,
      [&](std::size_t i, int thread) {
        ++count[i];
        by[i] = thread;
        ++scratch[thread];  // what belongs to a thread is used by no other
      },
      go_on, 0.0, 1.0);
  require(completed, "was stopped by nobody");
  int total = 0;
  for (const int value : scratch) total += value;
  require(total == static_cast<int>(n), "scratch of a thread was shared");
  for (std::size_t i = 0; i < n; ++i) {
    require(count[i] == 1, "an index was not taken exactly once");
    require(0 <= by[i] && by[i] < n_threads, "a thread has a number beyond the count");
  }
}

void one_after_the_other(int repeats) {
  for (int r = 0; r < repeats; ++r)
    for (const int n_threads : {1, 2, 3, 5, 8, 16, 33, 64})
      for (const std::size_t n : {0, 1, 2, 7, 64, 300}) every_index_once(n, n_threads);
}

void several_callers(int callers, int repeats) {
  std::vector<std::thread> threads;
  for (int t = 0; t < callers; ++t)
    threads.emplace_back([=] {
      for (int r = 0; r < repeats; ++r) every_index_once(20 + 13 * t, 1 + (t + r) % 9);
    });
  for (std::thread& thread : threads) thread.join();
}

void nested(int repeats) {
  for (int r = 0; r < repeats; ++r) {
    std::vector<int> sums(12, 0);
    parallel_for(
        sums.size(), 4,
        [&](std::size_t i, int) {
          std::vector<int> inner(30, 0);
          parallel_for(inner.size(), 3, [&](std::size_t j, int) { inner[j] = 1; }, go_on, 0.0, 1.0);
          for (const int value : inner) sums[i] += value;
        },
        go_on, 0.0, 1.0);
    for (const int sum : sums) require(sum == 30, "a nested loop was left early");
  }
}

// Poll runs on the caller's thread, sees rising fractions, and its false ends the loop.
void stopped(int n_threads) {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<std::size_t> done{0};
  double before = 0.25;
  int calls = 0;
  const bool completed = parallel_for(
      1u << 20, n_threads,
      [&](std::size_t, int) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        ++done;
      },
      [&](double fraction) {
        require(std::this_thread::get_id() == caller, "poll ran on another thread");
        require(before <= fraction && fraction <= 0.75, "a fraction is out of order");
        before = fraction;
        return ++calls < 2;
      },
      0.25, 0.75);
  require(!completed && calls == 2, "poll did not stop the work");
  require(done < (1u << 20), "nothing was left to stop");
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 20;
  one_after_the_other(repeats);
  several_callers(8, 5 * repeats);
  nested(repeats);
  for (const int n_threads : {1, 2, 8, 64}) stopped(n_threads);
  std::puts("parallel_test: passed");
}
