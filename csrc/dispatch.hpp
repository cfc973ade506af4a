// Which instruction set (isa) is used.
#pragma once
#include <string>
#include <vector>

#include "kernels.hpp"

namespace fastepll {

// Names of those that the kernels were compiled for, slowest first.
std::vector<std::string> compiled_isas();

// Those of them that run here.
const std::vector<std::string>& supported_isas();

// Kernels of the isa called `name`, the fastest that runs here if `name` is empty. Throws
// std::invalid_argument if it is unknown or does not run here.
const KernelTable& kernels_for(const std::string& name);

}  // namespace fastepll
