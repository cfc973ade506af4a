#include "dispatch.hpp"

#include <stdexcept>

#include "cpu.hpp"

namespace fastepll {

// FASTEPLL_LEVELS is set by CMake: X(level) for each level that was compiled, slowest first.
#define X(level)                  \
  namespace level {               \
  extern const KernelTable table; \
  }
FASTEPLL_LEVELS
#undef X

namespace {

#define X(level) &level::table,
const KernelTable* const compiled[] = {FASTEPLL_LEVELS};
#undef X

}  // namespace

std::vector<std::string> compiled_levels() {
  std::vector<std::string> names;
  for (const KernelTable* table : compiled) names.push_back(table->level);
  return names;
}

const std::vector<std::string>& levels() {
  static const std::vector<std::string> usable = [] {  // asking a virtual processor takes 0.1 ms
    std::vector<std::string> names;
    for (const KernelTable* table : compiled)
      if (cpu_supports(table->level)) names.push_back(table->level);
    return names;
  }();
  return usable;
}

const KernelTable& kernels(const std::string& name) {
  const std::vector<std::string>& usable = levels();
  const std::string& wanted = name.empty() ? usable.back() : name;
  std::string list;
  for (const std::string& level : usable) {
    list += (list.empty() ? "" : ", ") + level;
    if (level != wanted) continue;
    for (const KernelTable* table : compiled)
      if (wanted == table->level) return *table;
  }
  throw std::invalid_argument("instruction-set level '" + wanted +
                              "' is unknown or not supported here; supported: " + list);
}

}  // namespace fastepll
