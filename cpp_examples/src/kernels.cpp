// Dense layers, activations and what else is done with each element of a layer. Compiled once per
// instruction set; see kernels_variant.hpp for what may be included.
#include "kernels_variant.hpp"

namespace calogan::detail {
namespace {

// The sums of a tile, some panels by some columns, stay in registers: for P panels, as many columns as
// leave room for the weights.
#if defined(__AVX512F__)
constexpr std::size_t tile_panels = 4;
constexpr std::size_t single_panels = 4;  // for one column
constexpr std::size_t tile_columns(std::size_t panels) {
  return panels == 4 ? 6 : panels == 3 ? 8 : 12;
}
#elif defined(__AVX__)
constexpr std::size_t tile_panels = 1;
constexpr std::size_t single_panels = 4;
constexpr std::size_t tile_columns(std::size_t) { return 6; }
#else
constexpr std::size_t tile_panels = 1;
constexpr std::size_t single_panels = 2;
constexpr std::size_t tile_columns(std::size_t) { return 2; }
#endif

typedef float Vector __attribute__((vector_size(width * 4)));
typedef int Mask __attribute__((vector_size(width * 4)));

constexpr std::size_t registers = panel_rows / width;  // per panel and column

inline Vector load(const void* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline void store(float* p, Vector v) { __builtin_memcpy(p, &v, sizeof v); }

inline Vector constant(float value) { return value - Vector{}; }

inline Vector select(Mask mask, Vector yes, Vector no) { return mask ? yes : no; }

// ---------------------------------------------------------------------------------------------
// Dense layers

// A format says how weights are read. Each row has a word of lane_bytes for `inputs` inputs; read()
// makes of a vector of such words one vector of weights per input.

constexpr std::size_t lane_bytes = 4;

typedef std::uint32_t Bits __attribute__((vector_size(width * 4)));

struct Float32 {
  static constexpr std::size_t inputs = 1;
  static constexpr bool scaled = false;  // whether each stretch begins with scales
  static void read(const unsigned char* p, Vector (&w)[inputs]) { w[0] = load(p); }
};

struct Bfloat16 {
  static constexpr std::size_t inputs = 2;
  static constexpr bool scaled = false;
  static void read(const unsigned char* p, Vector (&w)[inputs]) {
    Bits words;
    __builtin_memcpy(&words, p, sizeof words);
    w[0] = reinterpret_cast<Vector>(words << 16);
    w[1] = reinterpret_cast<Vector>(words & 0xFFFF0000u);
  }
};

struct Int8 {
  static constexpr std::size_t inputs = 4;
  static constexpr bool scaled = true;
  static void read(const unsigned char* p, Vector (&w)[inputs]) {
    Mask words;
    __builtin_memcpy(&words, p, sizeof words);
    w[0] = __builtin_convertvector(words << 24 >> 24, Vector);
    w[1] = __builtin_convertvector(words << 16 >> 24, Vector);
    w[2] = __builtin_convertvector(words << 8 >> 24, Vector);
    w[3] = __builtin_convertvector(words >> 24, Vector);
  }
};

// Some panels of a group.
struct Part {
  const unsigned char* weights;
  const float* bias;
  std::size_t lanes;  // of the whole group
  std::size_t rows;   // up to the end of the matrix
  std::size_t inputs;
};

// A matrix of activations, a shower a column.
struct Columns {
  const float* x;
  std::size_t ldx;
  float* y;
  std::size_t ldy;
};

template <class Format, std::size_t Panels, std::size_t N>
__attribute__((noinline)) void tile(const Part& part, const Columns& columns) {
  const float* const x = columns.x;
  const std::size_t ldx = columns.ldx;
  const std::size_t step = part.lanes * lane_bytes;
  const unsigned char* weights = part.weights;
  Vector sum[N][Panels][registers];
  for (std::size_t c = 0; c < N; ++c) {
    for (std::size_t p = 0; p < Panels; ++p) {
      for (std::size_t r = 0; r < registers; ++r) {
        sum[c][p][r] = load(part.bias + p * panel_rows + r * width);
      }
    }
  }
  // Partial sums over a few inputs at a time are then summed. Rounding errors grow with the square root
  // of the length of a sum, and a softmax magnifies them.
  for (std::size_t first = 0; first < part.inputs; first += stretch) {
    const std::size_t end = first + stretch < part.inputs ? first + stretch : part.inputs;
    // Makes the compiler keep `sum` in memory here: the registers are for the partial sums.
    asm volatile("" : : "r"(sum) : "memory");
    const unsigned char* const scales = weights;
    if (Format::scaled) weights += part.lanes * sizeof(float);
    Vector partial[N][Panels][registers] = {};
    const auto multiply = [&](std::size_t k, std::size_t n_inputs) {
      Vector w[Panels][registers][Format::inputs];
      for (std::size_t p = 0; p < Panels; ++p) {
        for (std::size_t r = 0; r < registers; ++r) {
          Format::read(weights + (p * panel_rows + r * width) * lane_bytes, w[p][r]);
        }
      }
      weights += step;
      for (std::size_t i = 0; i < n_inputs; ++i) {
        for (std::size_t c = 0; c < N; ++c) {
          const float value = x[c * ldx + k + i];
          for (std::size_t p = 0; p < Panels; ++p) {
            for (std::size_t r = 0; r < registers; ++r) partial[c][p][r] += w[p][r][i] * value;
          }
        }
      }
    };
    std::size_t k = first;
    for (; k + Format::inputs <= end; k += Format::inputs) multiply(k, Format::inputs);
    if (Format::inputs > 1 && k < end) multiply(k, end - k);
    for (std::size_t c = 0; c < N; ++c) {
      for (std::size_t p = 0; p < Panels; ++p) {
        for (std::size_t r = 0; r < registers; ++r) {
          if constexpr (Format::scaled) {
            const std::size_t lane = p * panel_rows + r * width;
            sum[c][p][r] += load(scales + lane * sizeof(float)) * partial[c][p][r];
          } else {
            sum[c][p][r] += partial[c][p][r];
          }
        }
      }
    }
  }
  constexpr std::size_t rows = Panels * panel_rows;
  for (std::size_t c = 0; c < N; ++c) {
    float* out = columns.y + c * columns.ldy;
    float padded[rows];
    if (part.rows < rows) out = padded;
    for (std::size_t p = 0; p < Panels; ++p) {
      for (std::size_t r = 0; r < registers; ++r) {
        store(out + p * panel_rows + r * width, sum[c][p][r]);
      }
    }
    if (part.rows < rows) {
      __builtin_memcpy(columns.y + c * columns.ldy, padded, part.rows * sizeof(float));
    }
  }
}

// Tiles of N columns while there are so many, then narrower ones.
template <class Format, std::size_t Panels, std::size_t N>
void all_columns(const Part& part, Columns columns, std::size_t n) {
  for (; n >= N; n -= N) {
    tile<Format, Panels, N>(part, columns);
    columns.x += N * columns.ldx;
    columns.y += N * columns.ldy;
  }
  if constexpr (N > 1) {
    if (n > 0) all_columns<Format, Panels, (N > 4 ? 4 : N / 2)>(part, columns, n);
  }
}

// The panels of a group, `Panels` at a time.
template <class Format, std::size_t Panels, bool Single>
void all_panels(Part part, Columns columns, std::size_t n, std::size_t n_panels) {
  for (; n_panels >= Panels; n_panels -= Panels) {
    if constexpr (Single) {
      tile<Format, Panels, 1>(part, columns);
    } else {
      all_columns<Format, Panels, tile_columns(Panels)>(part, columns, n);
    }
    constexpr std::size_t rows = Panels * panel_rows;
    part.weights += rows * lane_bytes;
    part.bias += rows;
    columns.y += rows;
    part.rows -= rows < part.rows ? rows : part.rows;
  }
  if constexpr (Panels > 1) {
    if (n_panels > 0) all_panels<Format, Panels - 1, Single>(part, columns, n, n_panels);
  }
}

template <class Format>
void dense_of(const DenseWeights& w, Columns columns, std::size_t n) {
  const std::size_t n_panels = (w.rows + panel_rows - 1) / panel_rows;
  const std::size_t n_groups = (n_panels + group_panels - 1) / group_panels;
  std::size_t first = 0;
  for (std::size_t group = 0; group < n_groups; ++group) {
    const std::size_t size = n_panels / n_groups + (group < n_panels % n_groups ? 1 : 0);
    const std::size_t row = first * panel_rows;
    const Part part = {w.panels + first * w.panel_bytes, w.bias + row, size * panel_rows,
                       w.rows - row, w.inputs};
    const Columns here = {columns.x, columns.ldx, columns.y + row, columns.ldy};
    if (n == 1) {
      all_panels<Format, single_panels, true>(part, here, n, size);
    } else {
      all_panels<Format, tile_panels, false>(part, here, n, size);
    }
    first += size;
  }
}

void dense(const DenseWeights& w, const float* x, std::size_t ldx, float* y, std::size_t ldy,
           std::size_t n) {
  switch (w.storage) {
    case Storage::float32:
      return dense_of<Float32>(w, {x, ldx, y, ldy}, n);
    case Storage::bfloat16:
      return dense_of<Bfloat16>(w, {x, ldx, y, ldy}, n);
    case Storage::int8:
      return dense_of<Int8>(w, {x, ldx, y, ldy}, n);
  }
}

// ---------------------------------------------------------------------------------------------
// Activations. The polynomials are those of the Cephes library (S. Moshier), single precision.

// e^x - 1 and e^x share the reduction x = n ln 2 + r with |r| <= ln 2 / 2.
struct Reduced {
  Vector scale;      // 2^n
  Vector remainder;  // e^r - 1
};

inline Reduced reduce(Vector x) {
  x = select(x > 88.0f, constant(88.0f), x);
  x = select(x < -87.0f, constant(-87.0f), x);
  const Vector shifted = x * 1.44269504088896341f + 12582912.0f;  // rounds to an integer
  const Vector n = shifted - 12582912.0f;
  Vector r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  Mask exponent;
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  exponent = (exponent - 0x4B400000 + 127) << 23;  // 0x4B400000 is 12582912.0f
  Vector scale;
  __builtin_memcpy(&scale, &exponent, sizeof scale);
  return {scale, p * r * r + r};
}

inline Vector exponential(Vector x) {
  const Reduced e = reduce(x);
  return e.scale * e.remainder + e.scale;
}

inline Vector sigmoid(Vector x) {
  const Vector s = 1.0f / (1.0f + exponential(-x));
  return select(x < -30.0f, Vector{}, s);
}

inline Vector hyperbolic_tangent(Vector x) {
  const Vector size = select(x < 0.0f, -x, x);
  const Vector large = 1.0f - 2.0f / (exponential(size + size) + 1.0f);
  // |x| above 0.625 is not used here; bounded so that its powers cannot overflow.
  const Vector t = select(size > 1.0f, constant(1.0f), x);
  const Vector z = t * t;
  Vector p = z * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const Vector small = p * z * t + t;
  return select(size < 0.625f, small, select(x < 0.0f, -large, large));
}

inline Vector exponential_linear(Vector x, float alpha) {
  const Vector negative = select(x < 0.0f, x, Vector{});
  const Reduced e = reduce(negative);
  // For n = 0 the remainder is e^x - 1 itself, without cancellation.
  const Vector minus_one =
      select(e.scale == 1.0f, e.remainder, e.scale * e.remainder + e.scale - 1.0f);
  return select(x < 0.0f, minus_one * alpha, x);
}

// Stores f(read) in each vector of y; read(p) is the vector at the same place of p. What lies beyond
// the rows in the last one reads as `filler`.
template <class F>
void each_vector(float* y, std::size_t rows, float filler, F f) {
  std::size_t i = 0;
  for (; i + width <= rows; i += width) {
    store(y + i, f([i](const float* p) { return load(p + i); }));
  }
  if (i < rows) {
    const std::size_t bytes = (rows - i) * sizeof(float);
    Vector result = f([i, bytes, filler](const float* p) {
      Vector v = constant(filler);
      __builtin_memcpy(&v, p + i, bytes);
      return v;
    });
    __builtin_memcpy(y + i, &result, bytes);
  }
}

template <class F>
void elementwise(float* y, std::size_t rows, F f) {
  each_vector(y, rows, 0.0f, [=](auto read) { return f(read(y)); });
}

void softmax(float* y, std::size_t rows) {
  Vector larger = constant(y[0]);
  std::size_t i = 0;
  for (; i + width <= rows; i += width) {
    const Vector v = load(y + i);
    larger = select(v > larger, v, larger);
  }
  float largest = larger[0];
  for (std::size_t j = 1; j < width; ++j) largest = larger[j] > largest ? larger[j] : largest;
  for (; i < rows; ++i) largest = y[i] > largest ? y[i] : largest;
  Vector sums{};
  // The filler is so far below the largest that it adds nothing to the sum.
  each_vector(y, rows, largest - 100.0f, [&sums, y, largest](auto read) {
    const Vector below = read(y) - largest;
    const Vector e = select(below < -50.0f, Vector{}, exponential(below));
    sums += e;
    return e;
  });
  float sum = 0;
  for (std::size_t j = 0; j < width; ++j) sum += sums[j];
  const float inverse = 1.0f / sum;
  elementwise(y, rows, [inverse](Vector x) { return x * inverse; });
}

void activate_column(Activation f, float* y, std::size_t rows) {
  const float alpha = f.alpha;
  switch (f.function) {
    case Function::linear:
      return;
    case Function::sigmoid:
      return elementwise(y, rows, [](Vector x) { return sigmoid(x); });
    case Function::rectified:
      return elementwise(y, rows, [](Vector x) { return select(x < 0.0f, Vector{}, x); });
    case Function::softmax:
      return softmax(y, rows);
    case Function::tanh:
      return elementwise(y, rows, [](Vector x) { return hyperbolic_tangent(x); });
    case Function::hard_sigmoid:
      return elementwise(y, rows, [](Vector x) {
        const Vector line = x * 0.2f + 0.5f;
        const Vector floored = select(line < 0.0f, Vector{}, line);
        return select(floored > 1.0f, constant(1.0f), floored);
      });
    case Function::elu:
      return elementwise(y, rows, [alpha](Vector x) { return exponential_linear(x, alpha); });
    case Function::leakyrelu:
      return elementwise(y, rows, [alpha](Vector x) { return select(x > 0.0f, x, x * alpha); });
    case Function::swish:
      return elementwise(y, rows, [alpha](Vector x) { return x * sigmoid(x * alpha); });
    case Function::abs:
      return elementwise(y, rows, [](Vector x) { return select(x < 0.0f, -x, x); });
  }
}

void activate(Activation f, float* y, std::size_t rows, std::size_t ldy, std::size_t n) {
  if (f.function == Function::linear) return;
  for (std::size_t c = 0; c < n; ++c) activate_column(f, y + c * ldy, rows);
}

void affine(const float* x, std::size_t ldx, const float* scale, const float* shift, bool more,
            float* y, std::size_t ldy, std::size_t rows, std::size_t n) {
  for (std::size_t c = 0; c < n; ++c, x += ldx, y += ldy) {
    each_vector(y, rows, 0.0f, [=](auto read) {
      Vector v = read(x);
      if (scale != nullptr) v *= read(scale);
      if (shift != nullptr) v += read(shift);
      return more ? read(y) + v : v;
    });
  }
}

void gate(const float* x, std::size_t ldx, std::size_t row, float weight, float bias, float* y,
          std::size_t ldy, std::size_t rows, std::size_t n) {
  for (std::size_t c = 0; c < n; ++c, x += ldx, y += ldy) {
    // 1 - sigmoid(z) = sigmoid(-z), and the latter keeps its digits when small.
    const Vector factor = sigmoid(constant(-(weight * x[row] + bias)));
    each_vector(y, rows, 0.0f, [=](auto read) { return read(x) * factor; });
  }
}

}  // namespace

extern const Kernels CALOGAN_VARIANT(kernels);
const Kernels CALOGAN_VARIANT(kernels) = {
    CALOGAN_TEXT(CALOGAN_KERNELS), dense, activate, affine, gate, CALOGAN_VARIANT(box_muller)};

}  // namespace calogan::detail
