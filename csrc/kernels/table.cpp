// The kernels of one instruction-set level: this file is compiled once per level, and its one
// exported symbol is the table.
#include "average.hpp"
#include "extract.hpp"
#include "filter.hpp"
#include "noise.hpp"
#include "prepare.hpp"
#include "rotate.hpp"
#include "select.hpp"

#define FASTEPLL_STRING_(x) #x
#define FASTEPLL_STRING(x) FASTEPLL_STRING_(x)

namespace fastepll::FASTEPLL_LEVEL {

extern const KernelTable table;
const KernelTable table = {FASTEPLL_STRING(FASTEPLL_LEVEL),
                           kBlock,
                           kStep,
                           kLanes,
                           extract,
                           select,
                           exhaustive,
                           evaluate,
                           filter,
                           average,
                           rotate,
                           prepare,
                           prepare_scratch,
                           inspect,
                           evidence};

}  // namespace fastepll::FASTEPLL_LEVEL
