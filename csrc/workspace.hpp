// Memory for intermediate results, kept from call to call.
#pragma once
#include <cstddef>
#include <memory>
#include <type_traits>

#include "buffer.hpp"
#include "kernels.hpp"

namespace fastepll {

// A piece of memory from the process's pool, which it goes back to in the end.
class Workspace {
 public:
  // Of the arrays that `for_each_array(reserve)` calls reserve(pointer, n) for; they hold anything.
  template <class ForEachArray>
  explicit Workspace(const ForEachArray& for_each_array) {
    const auto bytes = [](auto* array, std::size_t n) {
      return round_up(n * sizeof(*array), kAlign);
    };
    std::size_t size = 0;
    for_each_array([&](auto*& array, std::size_t n) { size += bytes(array, n); });
    char* next = take(size);
    for_each_array([&](auto*& array, std::size_t n) {
      array = reinterpret_cast<std::decay_t<decltype(array)>>(next);
      next += bytes(array, n);
    });
  }
  Workspace(Workspace&&) = default;
  ~Workspace();

 private:
  char* take(std::size_t size);

  std::size_t size_ = 0;
  Buffer<char> memory_;
};

// The arrays of a tile that nobody but the kernels looks at, and its corners.
template <class Reserve>
void reserve_tile(Tile& tile, const Tables& t, const Reserve& reserve) {
  reserve(tile.corners, kMaxTilePatches);
  reserve(tile.coefs, kMaxTilePatches * round_up(t.n_active, kPad));
  reserve(tile.tail_squared_norm, kMaxTilePatches);
  reserve(tile.middle_squared_norm, kMaxTilePatches);
  reserve(tile.squared_norm, kMaxTilePatches);
  reserve(tile.best_costs, kMaxTilePatches * t.n_top);
  reserve(tile.cost_limit, kMaxTilePatches);
  reserve(tile.middle_limit, kMaxTilePatches);
  reserve(tile.margin, kMaxTilePatches);
  reserve(tile.incumbents, kMaxTilePatches);
  reserve(tile.patch_list, t.k * kListCapacity);
  reserve(tile.cost_list, t.k * kListCapacity);
  reserve(tile.list_ends, t.k);
  reserve(tile.features,
          kPad * (t.n_screen_features > t.coefs_pad ? t.n_screen_features : t.coefs_pad));
  reserve(tile.turned, kPad * t.coefs_pad);
  reserve(tile.costs, kPad * t.k_pad);
}

// Bytes of the pool.
std::size_t pooled_bytes();

}  // namespace fastepll
