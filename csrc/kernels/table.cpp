// The kernels of one instruction set (isa): this file is compiled once for each, and its one
// exported symbol is the table.
#include "average.hpp"
#include "diffuse.hpp"
#include "extract.hpp"
#include "filter.hpp"
#include "noise.hpp"
#include "prepare.hpp"
#include "rotate.hpp"
#include "select.hpp"

#define FASTEPLL_STRING_(x) #x
#define FASTEPLL_STRING(x) FASTEPLL_STRING_(x)

namespace fastepll::FASTEPLL_ISA {

extern const KernelTable table;
const KernelTable table = {FASTEPLL_STRING(FASTEPLL_ISA),
                           kPanelRows,
                           kTriangleRows,
                           kDoubleLanes,
                           extract,
                           select,
                           select_exhaustive,
                           refine_likely,
                           filter,
                           average,
                           diffuse,
                           rotate,
                           prepare,
                           prepare_scratch,
                           patch_statistics,
                           conditional_log_prob};

}  // namespace fastepll::FASTEPLL_ISA
