#include "kernels.hpp"

namespace calogan::detail {

extern const Kernels kernels_baseline;
#ifdef CALOGAN_X86_VARIANTS
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> kernels = [] {
    std::vector<const Kernels*> found = {&kernels_baseline};
#ifdef CALOGAN_X86_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      found.push_back(&kernels_avx2);
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
        found.push_back(&kernels_avx512);
      }
    }
#endif
    return found;
  }();
  return kernels;
}

}  // namespace calogan::detail
