#include "dispatch.hpp"

#include <stdexcept>

#include "cpu.hpp"

namespace fastepll {

// FASTEPLL_ISAS is set by CMake: X(isa) for each that was compiled, slowest first.
#define X(isa)                    \
  namespace isa {                 \
  extern const KernelTable table; \
  }
FASTEPLL_ISAS
#undef X

namespace {

#define X(isa) &isa::table,
const KernelTable* const compiled[] = {FASTEPLL_ISAS};
#undef X

}  // namespace

std::vector<std::string> compiled_isas() {
  std::vector<std::string> names;
  for (const KernelTable* table : compiled) names.push_back(table->isa);
  return names;
}

const std::vector<std::string>& supported_isas() {
  static const std::vector<std::string> usable = [] {  // asking a virtual processor takes 0.1 ms
    std::vector<std::string> names;
    for (const KernelTable* table : compiled)
      if (cpu_supports(table->isa)) names.push_back(table->isa);
    return names;
  }();
  return usable;
}

const KernelTable& kernels_for(const std::string& name) {
  const std::vector<std::string>& usable = supported_isas();
  const std::string& wanted = name.empty() ? usable.back() : name;
  std::string list;
  for (const std::string& isa : usable) {
    list += (list.empty() ? "" : ", ") + isa;
    if (isa != wanted) continue;
    for (const KernelTable* table : compiled)
      if (wanted == table->isa) return *table;
  }
  throw std::invalid_argument("instruction set '" + wanted +
                              "' is unknown or not supported here; supported: " + list);
}

}  // namespace fastepll
