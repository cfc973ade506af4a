// Which instruction-set level is used.
#pragma once
#include <string>
#include <vector>

#include "kernels.hpp"

namespace fastepll {

// Names of the levels that were compiled, slowest first.
std::vector<std::string> compiled_levels();

// Those of them that run here.
const std::vector<std::string>& levels();

// Kernels of the level called `name`, the fastest that runs here if `name` is empty.
// Throws std::invalid_argument if that level is unknown or does not run here.
const KernelTable& kernels(const std::string& name);

}  // namespace fastepll
