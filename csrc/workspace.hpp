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
  // Arrays for `carve(place)`, which calls place(pointer, n) for each; they hold anything.
  template <class Carve>
  explicit Workspace(const Carve& carve) {
    const auto bytes = [](auto* array, std::size_t n) {
      return round_up(n * sizeof(*array), kAlign);
    };
    std::size_t size = 0;
    carve([&](auto*& array, std::size_t n) { size += bytes(array, n); });
    char* next = take(size);
    carve([&](auto*& array, std::size_t n) {
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
template <class Place>
void carve_tile(Tile& tile, const Tables& t, const Place& place) {
  place(tile.corners, kRoom);
  place(tile.coefs, kRoom * round_up(t.coefs, kPad));
  place(tile.energy, kRoom);
  place(tile.middle, kRoom);
  place(tile.power, kRoom);
  place(tile.best, kRoom * t.mixed);
  place(tile.limit, kRoom);
  place(tile.least, kRoom);
  place(tile.slack, kRoom);
  place(tile.seeds, kRoom);
  place(tile.candidates, t.k_pad + kPad);
  place(tile.patch_list, t.k_pad * kListRoom);
  place(tile.cost_list, t.k_pad * kListRoom);
  place(tile.ends, t.k_pad);
  place(tile.features, kBatch * (t.features > t.q_pad ? t.features : t.q_pad) + kPad);
  place(tile.costs, kBatch * t.k_pad);
}

// Bytes of workspaces at rest.
std::size_t resting_bytes();

}  // namespace fastepll
