#include <algorithm>

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

namespace {

std::size_t padded(std::size_t rows) { return (rows + panel_rows - 1) / panel_rows * panel_rows; }

}  // namespace

std::vector<float> pack_weights(const std::vector<float>& row_major, std::size_t rows,
                                std::size_t inputs) {
  std::vector<float> panels(padded(rows) * inputs, 0.0f);
  for (std::size_t row = 0; row < rows; ++row) {
    float* panel = panels.data() + row / panel_rows * panel_rows * inputs + row % panel_rows;
    const float* weights = row_major.data() + row * inputs;
    for (std::size_t k = 0; k < inputs; ++k) panel[k * panel_rows] = weights[k];
  }
  return panels;
}

std::vector<float> pack_bias(const std::vector<float>& bias, std::size_t rows) {
  std::vector<float> out(padded(rows), 0.0f);
  std::copy(bias.begin(), bias.end(), out.begin());
  return out;
}

}  // namespace calogan::detail
