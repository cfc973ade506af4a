// The kernels of one instruction-set level: this file is compiled once per level, and its one
// exported symbol is the table.
#include "average.hpp"
#include "extract.hpp"
#include "select.hpp"
#include "wiener.hpp"

#define FASTEPLL_STRING_(x) #x
#define FASTEPLL_STRING(x) FASTEPLL_STRING_(x)

namespace fastepll::FASTEPLL_LEVEL {

extern const KernelTable table;
const KernelTable table = {FASTEPLL_STRING(FASTEPLL_LEVEL), kRows,  extract,
                           {select<false>, select<true>},   wiener, average};

}  // namespace fastepll::FASTEPLL_LEVEL
