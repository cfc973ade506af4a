// Memory for intermediate results, kept from call to call.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"

namespace fastepll {

class Workspace {
 public:
  // Arrays for `carve(place)`, which calls place(pointer, n) for each, with whatever they held
  // last.
  template <class Carve>
  void hold(const Carve& carve) {
    const auto bytes = [](auto* array, std::size_t n) {
      return round_up(n * sizeof(*array), kAlign);
    };
    std::size_t size = 0;
    carve([&](auto*& array, std::size_t n) { size += bytes(array, n); });
    if (size > size_) {
      memory_ = Buffer<char>(size);
      size_ = size;
    }
    char* next = memory_.get();
    carve([&](auto*& array, std::size_t n) {
      array = reinterpret_cast<std::decay_t<decltype(array)>>(next);
      next += bytes(array, n);
    });
  }

  // What one thread needs to work on a tile with these tables; the corners are the caller's to
  // fill.
  Tile tile(const Tables& tables);

 private:
  std::size_t size_ = 0;
  Buffer<char> memory_;
};

// Workspaces at rest. As many are kept as were ever in use at once.
class WorkspacePool {
 public:
  // One that goes back to the pool when it is let go.
  auto take() {
    const auto give = [this](Workspace* workspace) {
      const std::lock_guard<std::mutex> lock(mutex_);
      resting_.emplace_back(workspace);
    };
    const std::lock_guard<std::mutex> lock(mutex_);
    if (resting_.empty()) resting_.push_back(std::make_unique<Workspace>());
    std::unique_ptr<Workspace, decltype(give)> result(resting_.back().release(), give);
    resting_.pop_back();
    return result;
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> resting_;
};

}  // namespace fastepll
