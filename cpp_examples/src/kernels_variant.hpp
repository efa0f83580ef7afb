// For the files that are compiled once per instruction set: the variant's names, its registers.
//
// These files must not use inline functions or templates of other headers, not even of the standard
// library: the linker would keep one variant's copy for all, and a machine without that instruction set
// would fail. What is here has internal linkage, so each variant has its own.
#pragma once

#include "kernels.hpp"

// CALOGAN_KERNELS, a compiler option, is the variant: CALOGAN_VARIANT(kernels) is kernels_avx2.
#define CALOGAN_TEXT_OF(name) #name
#define CALOGAN_TEXT(name) CALOGAN_TEXT_OF(name)
#define CALOGAN_JOIN_OF(a, b) a##_##b
#define CALOGAN_JOIN(a, b) CALOGAN_JOIN_OF(a, b)
#define CALOGAN_VARIANT(name) CALOGAN_JOIN(name, CALOGAN_KERNELS)

namespace calogan::detail {

#if defined(__AVX512F__)
constexpr std::size_t width = 16;  // floats in a register
#elif defined(__AVX__)
constexpr std::size_t width = 8;
#else
constexpr std::size_t width = 4;
#endif

// Kernels::box_muller; in kernels_normal.cpp.
void CALOGAN_VARIANT(box_muller)(const std::uint64_t* u, const std::uint64_t* v, double* cosines,
                                 double* sines);

}  // namespace calogan::detail
