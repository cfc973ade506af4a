#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "per_process.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <signal.h>
#endif

namespace fastepll {
namespace {

// While it lives, threads are started that no signal is delivered to: those are for the callers.
class SignalsBlocked {
#if defined(__unix__) || defined(__APPLE__)
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

// Waits for what comes within microseconds as a rule, for no longer than it takes to put a thread
// to sleep and wake it again, and lets others run meanwhile.
template <class Ready>
void wait_briefly(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
  while (!ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

// A loop that is open to helpers: work(1), work(2), ... as they join.
struct Loop {
  const std::function<void(int)>& work;
  const int wanted;
  int joined = 0;
  std::atomic<int> active{0};
  std::condition_variable left{};
};

class Team {
 public:
  void run(int n_threads, const std::function<void(int)>& work) {
    Loop loop{work, n_threads - 1};
    std::unique_lock<std::mutex> lock(mutex_);
    while (n_workers_ < static_cast<std::size_t>(loop.wanted) && start()) {
    }
    open_.push_back(&loop);
    n_open_ = open_.size();
    const bool all = loop.wanted >= asleep_;
    lock.unlock();
    if (all)
      wake_.notify_all();
    else
      for (int i = 0; i < loop.wanted; ++i) wake_.notify_one();
    work(0);
    lock.lock();
    close(loop);
    lock.unlock();
    wait_briefly([&] { return loop.active == 0; });
    lock.lock();
    loop.left.wait(lock, [&] { return loop.active == 0; });
    n_helpers_ += static_cast<std::size_t>(loop.joined);
  }

  std::size_t n_helpers() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return n_helpers_;
  }
  std::size_t n_workers() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return n_workers_;
  }

 private:
  // One more worker; false if the system has none left: then those that there are must do.
  bool start() {
    try {
      [[maybe_unused]] const SignalsBlocked blocked{};
      std::thread([this] { serve(); }).detach();
    } catch (const std::exception&) {
      return false;
    }
    ++n_workers_;
    return true;
  }

  [[noreturn]] void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (open_.empty()) {
        lock.unlock();
        wait_briefly([&] { return n_open_ > 0; });
        lock.lock();
      }
      ++asleep_;
      wake_.wait(lock, [&] { return !open_.empty(); });
      --asleep_;
      Loop& loop = *open_.front();
      const int thread = ++loop.joined;
      ++loop.active;
      if (loop.joined == loop.wanted) close(loop);
      lock.unlock();
      loop.work(thread);
      lock.lock();
      close(loop);  // no piece is left
      if (--loop.active == 0) loop.left.notify_one();
    }
  }

  void close(const Loop& loop) {
    open_.erase(std::remove(open_.begin(), open_.end(), &loop), open_.end());
    n_open_ = open_.size();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Loop*> open_;  // loops that want helpers, the oldest first
  std::atomic<std::size_t> n_open_{0};
  std::size_t n_workers_ = 0, n_helpers_ = 0;
  int asleep_ = 0;
};

PerProcess<Team> team;
std::atomic<Runner> runner{nullptr};
std::atomic<std::size_t> n_loops{0}, n_pieces{0};
thread_local int limit = 0;

// Watched from the start, since others than the team may have threads that a child has not.
[[maybe_unused]] const bool watching = at_fork([] {
  team.forget();
  runner = nullptr;
});

void run(int n_threads, const std::function<void(int)>& work) {
  ++n_loops;
  const Runner other = runner;
  if (!other) return team.get().run(n_threads, work);
  const auto call = [](void* context, int thread) {
    (*static_cast<const std::function<void(int)>*>(context))(thread);
  };
  other(n_threads, call, const_cast<std::function<void(int)>*>(&work));
}

}  // namespace

bool parallel_for(std::size_t n, int n_threads, const std::function<void(std::size_t, int)>& body,
                  const Poll& poll, double begin, double end) {
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds interval(50);
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  const auto work = [&](int thread) {
    auto due = clock::now() + interval;
    for (std::size_t i; !stop && (i = next++) < n;) {
      body(i, thread);
      if (thread == 0 && clock::now() >= due) {
        const double done = static_cast<double>(i + 1) / static_cast<double>(n);
        if (!poll(begin + (end - begin) * done)) stop = true;
        due = clock::now() + interval;
      }
    }
  };
  n_threads = static_cast<int>(std::min<std::size_t>(n, n_threads));
  if (n_threads <= 1)
    work(0);
  else
    run(n_threads, work);
  n_pieces += n;
  return !stop;
}

void parallel_for(std::size_t n, int n_threads, const std::function<void(std::size_t, int)>& body) {
  parallel_for(n, n_threads, body, [](double) { return true; }, 0, 0);
}

void use_runner(Runner other) { runner = other; }
int thread_limit() { return limit; }
void set_thread_limit(int n) { limit = n; }

Counts counts() { return {n_loops, n_pieces, team.get().n_helpers(), team.get().n_workers()}; }

}  // namespace fastepll
