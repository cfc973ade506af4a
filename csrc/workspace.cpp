#include "workspace.hpp"

#include <algorithm>

namespace fastepll {

Tile Workspace::tile(const Tables& t) {
  Tile tile{};
  hold([&](auto place) {
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
    place(tile.features, kBatch * std::max(t.features, t.q_pad) + kPad);
    place(tile.costs, kBatch * t.k_pad);
  });
  return tile;
}

}  // namespace fastepll
