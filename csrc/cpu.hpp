// What the processor and the operating system support.
#pragma once
#include <string_view>

namespace fastepll {

// Whether kernels compiled for `isa` ("baseline", "avx2", "avx512") can run here.
bool cpu_supports(std::string_view isa);

}  // namespace fastepll
