#include "workspace.hpp"

#include <algorithm>

namespace fastepll {

Tile Workspace::fit(const Tables& t) {
  Tile tile{};
  const auto carve = [&](auto place) {
    place(tile.corners, kRoom);
    place(tile.coefs, kRoom * round_up(t.coefs, kPad));
    place(tile.energy, kRoom);
    place(tile.power, kRoom);
    place(tile.best, kRoom * t.mixed);
    place(tile.limit, kRoom);
    place(tile.seeds, kRoom * 2);
    place(tile.found, kRoom * (t.k + 2));
    place(tile.counts, t.k);
    place(tile.ends, t.k);
    place(tile.patch_list, kRoom * (t.k + 2) + t.k * kPad);
    place(tile.cost_list, kRoom * (t.k + 2) + t.k * kPad);
    place(tile.features, kBatch * std::max(t.features, t.q_pad));
    place(tile.costs, kBatch * t.k_pad);
  };
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
  return tile;
}

std::unique_ptr<Workspace> WorkspacePool::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (resting_.empty()) return std::make_unique<Workspace>();
  std::unique_ptr<Workspace> result = std::move(resting_.back());
  resting_.pop_back();
  return result;
}

void WorkspacePool::give(std::unique_ptr<Workspace> workspace) {
  const std::lock_guard<std::mutex> lock(mutex_);
  resting_.push_back(std::move(workspace));
}

}  // namespace fastepll
