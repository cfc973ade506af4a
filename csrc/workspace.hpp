// The memory that one thread needs to work on a tile, kept from call to call.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"

namespace fastepll {

// Most patches of a tile: enough that every component has several of them, few enough for the
// second-level cache.
constexpr std::size_t kRoom = 512;

class Workspace {
 public:
  // Makes room for tiles of these tables; the corners are filled in by the caller.
  Tile fit(const Tables& tables);

 private:
  std::size_t size_ = 0;
  Buffer<char> memory_;
};

// Workspaces at rest. As many are kept as were ever in use at once.
class WorkspacePool {
 public:
  std::unique_ptr<Workspace> take();
  void give(std::unique_ptr<Workspace> workspace);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> resting_;
};

}  // namespace fastepll
