#include "workspace.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include "per_process.hpp"

namespace fastepll {
namespace {

// Workspaces at rest, by size. What would be more than the threads of the machine need is given
// back to the system.
class Pool {
 public:
  // The smallest that will do, else none.
  std::pair<std::size_t, Buffer<char>> take(std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = free_.lower_bound(size);
    if (found == free_.end() || found->first > 2 * size + kSmall) return {};
    std::pair<std::size_t, Buffer<char>> result(found->first, std::move(found->second));
    bytes_ -= found->first;
    free_.erase(found);
    return result;
  }

  void give(std::size_t size, Buffer<char> memory) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.emplace(size, std::move(memory));
    bytes_ += size;
    while (bytes_ > most_) {
      const auto largest = std::prev(free_.end());
      bytes_ -= largest->first;
      free_.erase(largest);
    }
  }

  std::size_t bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  static constexpr std::size_t kSmall = 1 << 20;
  const std::size_t most_ =
      (std::size_t{24} << 20) +
      (std::size_t{4} << 20) * std::max(1u, std::thread::hardware_concurrency());
  std::mutex mutex_;
  std::multimap<std::size_t, Buffer<char>> free_;
  std::size_t bytes_ = 0;
};

PerProcess<Pool> pool;
[[maybe_unused]] const bool watching = at_fork([] { pool.forget(); });

}  // namespace

char* Workspace::take(std::size_t size) {
  std::tie(size_, memory_) = pool.get().take(size);
  if (size_ == 0 && size > 0) {
    memory_ = Buffer<char>(size);
    size_ = size;
  }
  return memory_.get();
}

Workspace::~Workspace() {
  if (!memory_.get()) return;
  try {
    pool.get().give(size_, std::move(memory_));
  } catch (const std::bad_alloc&) {  // then it is given back to the system
  }
}

std::size_t pooled_bytes() { return pool.get().bytes(); }

}  // namespace fastepll
