#include "cpu.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#include <cstdint>
#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace fastepll {
namespace {

constexpr std::uint32_t bit(int i) { return std::uint32_t{1} << i; }

struct Leaf {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

Leaf cpuid(std::uint32_t leaf) {
  Leaf r;
#if defined(_MSC_VER)
  int v[4];
  __cpuidex(v, 0, 0);
  if (static_cast<std::uint32_t>(v[0]) < leaf) return r;
  __cpuidex(v, static_cast<int>(leaf), 0);
  r = {static_cast<std::uint32_t>(v[0]), static_cast<std::uint32_t>(v[1]),
       static_cast<std::uint32_t>(v[2]), static_cast<std::uint32_t>(v[3])};
#else
  __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);  // leaves r alone if there is no such leaf
#endif
  return r;
}

// Register state that the operating system saves on a context switch.
std::uint64_t saved_state() {
  if (!(cpuid(1).c >> 27 & 1)) return 0;  // OSXSAVE
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<std::uint64_t>(high) << 32 | low;
#endif
}

bool has(std::uint32_t bits, std::uint32_t wanted) { return (bits & wanted) == wanted; }

// All that the compiler may emit with the options that CMakeLists.txt gives it.
#if defined(_MSC_VER)  // /arch:AVX2, /arch:AVX512
constexpr std::uint32_t kOne = bit(12) /* FMA */ | bit(22) /* MOVBE */ | bit(23) /* POPCNT */ |
                               bit(29) /* F16C */,
                        kAvx2 = bit(3) /* BMI1 */ | bit(5) /* AVX2 */ | bit(8) /* BMI2 */,
                        kAvx512 = bit(16) /* F */ | bit(17) /* DQ */ | bit(28) /* CD */ |
                                  bit(30) /* BW */ | bit(31) /* VL */;
#else
constexpr std::uint32_t kOne = bit(12) /* FMA */ | bit(23) /* POPCNT */, kAvx2 = bit(5),
                        kAvx512 = bit(16) /* F */;
#endif

}  // namespace

bool cpu_supports(std::string_view isa) {
  if (isa == "baseline") return true;
  const Leaf one = cpuid(1), seven = cpuid(7);
  const std::uint64_t saved = saved_state();
  const bool avx2 = (saved & 0x6) == 0x6 && has(one.c, kOne) && has(seven.b, kAvx2);
  if (isa == "avx2") return avx2;
  return isa == "avx512" && avx2 && (saved & 0xe6) == 0xe6 && has(seven.b, kAvx512);
}

}  // namespace fastepll

#else

bool fastepll::cpu_supports(std::string_view isa) { return isa == "baseline"; }

#endif
