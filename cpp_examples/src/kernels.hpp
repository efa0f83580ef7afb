// The few loops in which the time is spent, compiled once per instruction set and chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace calogan::detail {

// lwtnn's activation functions; alpha is used by elu, leakyrelu and swish.
enum class Function {
  linear,
  sigmoid,
  rectified,
  softmax,
  tanh,
  hard_sigmoid,
  elu,
  leakyrelu,
  swish,
  abs
};

struct Activation {
  Function function = Function::linear;
  float alpha = 0;
};

// A dense layer's weights are kept in panels of panel_rows rows (outputs). Up to group_panels panels
// make a group; groups are as equal as can be, the larger ones first. A group is stored input by input,
// and for each input panel by panel. So a matrix is read from its beginning to its end, which is what
// processors prefetch best.
constexpr std::size_t panel_rows = 16;
constexpr std::size_t group_panels = 4;

// Sums run over this many inputs at a time, and the partial sums are then summed.
constexpr std::size_t stretch = 64;

// How a panel is written; everything is little-endian.
enum class Storage : std::uint32_t {
  float32,   // for each input, panel_rows floats
  bfloat16,  // for each pair of inputs, panel_rows words: the first input's weight in the lower half
  int8       // for each stretch, panel_rows float scales; then for each four inputs, panel_rows words,
             // the first input's weight in the lowest byte
};

// A view of a dense layer's weights and biases, padded with zeros to whole panels.
struct DenseWeights {
  Storage storage = Storage::float32;
  std::size_t rows = 0;
  std::size_t inputs = 0;
  std::size_t panel_bytes = 0;  // what one panel takes; a group, so much for each of its panels
  const unsigned char* panels = nullptr;
  const float* bias = nullptr;
};

// How many pairs of normal deviates are made at once.
constexpr std::size_t deviate_pairs = 32;

// Matrices are column-major with a leading dimension; a column is one shower.
struct Kernels {
  const char* name;

  // y = W x + bias for n columns. Each element is summed over the inputs in the same order, whatever
  // n is, so that a shower does not depend on the batch it is made in.
  void (*dense)(const DenseWeights& w, const float* x, std::size_t ldx, float* y, std::size_t ldy,
                std::size_t n);

  // y = f(y), in place, for n columns; softmax is over a column. Within 4e-7 of the exact value,
  // relative. So that no denormal numbers arise, sigmoid is exactly 0 below -30, as in lwtnn, and
  // softmax where the exact value is below e^-50 of the largest.
  void (*activate)(Activation f, float* y, std::size_t rows, std::size_t ldy, std::size_t n);

  // y = x * scale + shift, or with `more` y += that, for n columns; scale and shift hold `rows`
  // numbers or are null, for 1 and 0.
  void (*affine)(const float* x, std::size_t ldx, const float* scale, const float* shift, bool more,
                 float* y, std::size_t ldy, std::size_t rows, std::size_t n);

  // y = x * sigmoid(-(weight * x[row] + bias)) for n columns; x and y may be the same.
  void (*gate)(const float* x, std::size_t ldx, std::size_t row, float weight, float bias, float* y,
               std::size_t ldy, std::size_t rows, std::size_t n);

  // The Box-Muller transform of deviate_pairs pairs of words: sqrt(-2 ln u) times cos and sin of
  // 2 pi v, within 1e-13. A word w < 2^32 stands for the number (w + 1/2) / 2^32. The result of a pair
  // does not depend on the others.
  void (*box_muller)(const std::uint64_t* u, const std::uint64_t* v, double* cosines, double* sines);
};

// The variants that this machine can run, the plainest first, the quickest last.
const std::vector<const Kernels*>& available_kernels();
inline const Kernels& best_kernels() { return *available_kernels().back(); }

}  // namespace calogan::detail
