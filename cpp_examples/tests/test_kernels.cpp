// Every instruction-set variant that this machine has, against double precision.
#include <algorithm>
#include <limits>
#include <random>

#include "check.hpp"
#include "kernels.hpp"
#include "packed.hpp"

using namespace calogan::detail;

namespace {

std::vector<float> random_floats(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> out(n);
  for (float& value : out) value = uniform(engine);
  return out;
}

double exact(Activation f, double x) {
  const double alpha = static_cast<double>(f.alpha);
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  switch (f.function) {
    case Function::linear:
    case Function::softmax:
      return x;
    case Function::sigmoid:
      return sigmoid(x);
    case Function::rectified:
      return std::max(x, 0.0);
    case Function::tanh:
      return std::tanh(x);
    case Function::hard_sigmoid:
      return std::clamp(0.2 * x + 0.5, 0.0, 1.0);
    case Function::elu:
      return x >= 0 ? x : alpha * std::expm1(x);
    case Function::leakyrelu:
      return x > 0 ? x : alpha * x;
    case Function::swish:
      return x * sigmoid(alpha * x);
    case Function::abs:
      return std::abs(x);
  }
  return 0;
}

}  // namespace

TEST(box_muller) {
  std::mt19937 engine(1);
  for (const Kernels* kernels : available_kernels()) {
    for (int round = 0; round < 200; ++round) {
      std::uint64_t u[deviate_pairs];
      std::uint64_t v[deviate_pairs];
      for (std::size_t i = 0; i < deviate_pairs; ++i) {
        u[i] = engine();
        v[i] = engine();
      }
      // The ends, and where the series' ranges meet.
      constexpr std::uint64_t special[] = {0,          1,          0x1FFFFFFF, 0x20000000, 0x3FFFFFFF,
                                           0x40000000, 0x5FFFFFFF, 0x60000000, 0x7FFFFFFF, 0x80000000,
                                           0xA0000000, 0xB504F333, 0xB504F334, 0xBFFFFFFF, 0xC0000000,
                                           0xE0000000, 0xFFFFFFFE, 0xFFFFFFFF};
      if (round == 0) std::copy(std::begin(special), std::end(special), v);
      if (round == 1) std::copy(std::begin(special), std::end(special), u);
      double cosines[deviate_pairs];
      double sines[deviate_pairs];
      kernels->box_muller(u, v, cosines, sines);
      const auto middle = [](std::uint64_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; };
      for (std::size_t i = 0; i < deviate_pairs; ++i) {
        const double radius = std::sqrt(-2 * std::log(middle(u[i])));
        const double angle = 2 * std::acos(-1.0) * middle(v[i]);
        CHECK_CLOSE(cosines[i], radius * std::cos(angle), 1e-13);
        CHECK_CLOSE(sines[i], radius * std::sin(angle), 1e-13);
      }
    }
  }
}

TEST(baseline_is_always_there) {
  CHECK_EQ(std::string(available_kernels().front()->name), std::string("baseline"));
}

// Of a weight: half a unit in the last of bfloat16's 8 digits; half of one of int8's 127 steps to the
// largest in its stretch of inputs.
double storage_error(Storage storage, const float* row, std::size_t inputs, std::size_t k) {
  if (storage == Storage::float32) return 0;
  if (storage == Storage::bfloat16) return std::abs(static_cast<double>(row[k])) / 256;
  float largest = 0;
  for (std::size_t i = k / stretch * stretch; i < std::min(inputs, (k / stretch + 1) * stretch); ++i) {
    largest = std::max(largest, std::abs(row[i]));
  }
  return static_cast<double>(largest) / 254 * (1 + 1e-6);
}

TEST(dense) {
  for (const Kernels* kernels : available_kernels()) {
    for (const Storage storage : {Storage::float32, Storage::bfloat16, Storage::int8}) {
      for (const std::size_t rows : {1, 5, 16, 17, 40, 130, 300}) {
        for (const std::size_t inputs : {1, 3, 64, 65, 200}) {
          const auto w = random_floats(rows * inputs, 1);
          const auto b = random_floats(rows, 2);
          const PackedMatrix packed = pack(w, b, rows, inputs, storage);
          constexpr std::size_t n = 29;
          const std::size_t ldx = inputs + 3;
          const std::size_t ldy = rows + 2;
          const auto x = random_floats(ldx * n, 3);
          std::vector<float> y(ldy * n, 77.0f);
          kernels->dense(packed, x.data(), ldx, y.data(), ldy, n);
          for (std::size_t c = 0; c < n; ++c) {
            for (std::size_t r = 0; r < rows; ++r) {
              const float* const row = w.data() + r * inputs;
              double sum = static_cast<double>(b[r]);
              double tolerance = 2.5e-7 * std::abs(sum);
              for (std::size_t k = 0; k < inputs; ++k) {
                const auto value = static_cast<double>(x[c * ldx + k]);
                const double term = static_cast<double>(row[k]) * value;
                sum += term;
                tolerance += 2.5e-7 * std::abs(term) +
                             storage_error(storage, row, inputs, k) * std::abs(value);
              }
              CHECK_CLOSE(static_cast<double>(y[c * ldy + r]), sum, tolerance);
            }
            // What lies between the columns is not ours to touch.
            CHECK_EQ(y[c * ldy + rows], 77.0f);
          }
          // Bit for bit the same for every number of columns.
          for (std::size_t count = 1; count < n; ++count) {
            std::vector<float> again(ldy * count, 77.0f);
            kernels->dense(packed, x.data(), ldx, again.data(), ldy, count);
            CHECK(std::equal(again.begin(), again.end(), y.begin()));
          }
        }
      }
    }
  }
}

// What each format holds exactly comes back exactly: one weight at a time.
TEST(packed_weights) {
  // Ties to even, a number too small for a scale, and the largest that there is.
  const float largest = std::numeric_limits<float>::max();
  const std::vector<float> w = {1.0f,    -0.5f, 1.00390625f, 1.01171875f, 0x1.234567p0f, -0x1.234567p-9f,
                                1e-41f,  0.0f,  largest,     -largest};
  const std::vector<float> rounded = {1.0f, -0.5f, 1.0f, 1.015625f, 0x1.24p0f, -0x1.24p-9f};
  for (const Kernels* kernels : available_kernels()) {
    const float one = 1;
    std::vector<float> y(w.size());
    const auto read = [&](Storage storage) {
      const PackedMatrix packed = pack(w, {}, w.size(), 1, storage);
      CHECK_EQ(packed.panels_size(), packed_panel_bytes(storage, 1));
      kernels->dense(packed, &one, 1, y.data(), w.size(), 1);
    };
    read(Storage::float32);
    CHECK(y == w);
    read(Storage::bfloat16);
    CHECK(std::equal(rounded.begin(), rounded.end(), y.begin()));
    CHECK_EQ(y[8], 0x1.FEp127f);
    CHECK_EQ(y[9], -0x1.FEp127f);
    read(Storage::int8);  // each the largest of its stretch
    for (std::size_t i = 0; i < rounded.size(); ++i) {
      CHECK_CLOSE(static_cast<double>(y[i] / w[i]), 1.0, 2e-7);
    }
    CHECK_EQ(y[6], 0.0f);
  }
}

TEST(activations) {
  const Activation all[] = {{Function::linear, 0},       {Function::sigmoid, 0},
                            {Function::rectified, 0},    {Function::tanh, 0},
                            {Function::hard_sigmoid, 0}, {Function::elu, 1},
                            {Function::elu, 0.3f},       {Function::leakyrelu, 0.2f},
                            {Function::swish, 1},        {Function::swish, 1.7f},
                            {Function::abs, 0}};
  std::vector<float> x;
  for (double v = 1e-6; v < 29; v *= 1.003) {
    x.push_back(static_cast<float>(v));
    x.push_back(static_cast<float>(-v));
  }
  x.push_back(0);
  for (const Kernels* kernels : available_kernels()) {
    for (const Activation& f : all) {
      std::vector<float> y = x;
      kernels->activate(f, y.data(), y.size(), y.size(), 1);
      double worst = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        // swish of alpha x < -30 is 0, as in lwtnn
        if (f.function == Function::swish && x[i] * f.alpha < -29.9f) continue;
        const double wanted = exact(f, static_cast<double>(x[i]));
        const double error = std::abs(static_cast<double>(y[i]) - wanted);
        worst = std::max(worst, wanted == 0 ? error : error / std::abs(wanted));
      }
      // x * alpha is rounded before the exponential, which magnifies that by |x|.
      const double bound = f.function == Function::swish ? 2e-6 : 4e-7;
      const bool good = worst < (f.function == Function::hard_sigmoid ? 2e-4 : bound);
      if (!good) {
        test::report(__FILE__, __LINE__,
                     text(kernels->name, ", function ", static_cast<int>(f.function),
                          ": relative error ", worst));
      }
    }
  }
}

TEST(activations_far_out) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const Kernels* kernels : available_kernels()) {
    const auto value = [&](Function f, float x) {
      kernels->activate({f, 1.0f}, &x, 1, 1, 1);
      return x;
    };
    for (const float x : {30.5f, 100.0f, 1e30f, inf}) {
      CHECK_EQ(value(Function::sigmoid, x), 1.0f);
      CHECK_EQ(value(Function::sigmoid, -x), 0.0f);
      CHECK_EQ(value(Function::tanh, x), 1.0f);
      CHECK_EQ(value(Function::tanh, -x), -1.0f);
      CHECK_EQ(value(Function::elu, x), x);
      CHECK_EQ(value(Function::elu, -x), -1.0f);
    }
    for (const Function f : {Function::sigmoid, Function::rectified, Function::tanh, Function::elu,
                             Function::swish, Function::softmax, Function::abs}) {
      CHECK(std::isnan(value(f, std::nanf(""))));
    }
  }
}

TEST(softmax) {
  for (const Kernels* kernels : available_kernels()) {
    for (const std::size_t rows : {1, 2, 7, 16, 33, 504}) {
      std::vector<float> x = random_floats(rows * 3, 5);
      for (float& v : x) v = v * 20 + 300;
      x[0] = 100;  // 200 below: exactly 0 if it is not alone
      std::vector<float> y = x;
      kernels->activate({Function::softmax, 0}, y.data(), rows, rows, 3);
      for (std::size_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < rows; ++i) sum += std::exp(static_cast<double>(x[c * rows + i]) - 300);
        for (std::size_t i = 0; i < rows; ++i) {
          const double wanted = std::exp(static_cast<double>(x[c * rows + i]) - 300) / sum;
          CHECK_CLOSE(static_cast<double>(y[c * rows + i]), wanted, 1e-6 * wanted + 1e-20);
        }
      }
      CHECK_EQ(y[0], rows == 1 ? 1.0f : 0.0f);
    }
  }
}

TEST(affine_and_gate) {
  for (const Kernels* kernels : available_kernels()) {
    for (const std::size_t rows : {1, 4, 7, 16, 33}) {
      constexpr std::size_t n = 3;
      const std::size_t ldx = rows + 1;
      const std::size_t ldy = rows + 2;
      const auto x = random_floats(ldx * n, 1);
      const auto scale = random_floats(rows, 2);
      const auto shift = random_floats(rows, 3);
      const auto before = random_floats(ldy * n, 4);
      const auto check = [&](const float* scales, const float* shifts, bool more) {
        std::vector<float> y = before;
        kernels->affine(x.data(), ldx, scales, shifts, more, y.data(), ldy, rows, n);
        for (std::size_t c = 0; c < n; ++c) {
          for (std::size_t i = 0; i < rows; ++i) {
            double wanted = static_cast<double>(x[c * ldx + i]);
            if (scales != nullptr) wanted *= static_cast<double>(scales[i]);
            if (shifts != nullptr) wanted += static_cast<double>(shifts[i]);
            if (more) wanted += static_cast<double>(before[c * ldy + i]);
            CHECK_CLOSE(static_cast<double>(y[c * ldy + i]), wanted, 3e-7);
          }
          CHECK_EQ(y[c * ldy + rows], before[c * ldy + rows]);
        }
      };
      check(nullptr, nullptr, false);
      check(nullptr, nullptr, true);
      check(nullptr, shift.data(), false);
      check(scale.data(), shift.data(), false);
      check(scale.data(), shift.data(), true);

      std::vector<float> y = x;  // in place: the element that is looked at changes too
      const std::size_t row = rows / 2;
      kernels->gate(y.data(), ldx, row, 2.0f, 0.5f, y.data(), ldx, rows, n);
      for (std::size_t c = 0; c < n; ++c) {
        const double factor = 1 / (1 + std::exp(2 * static_cast<double>(x[c * ldx + row]) + 0.5));
        for (std::size_t i = 0; i < rows; ++i) {
          CHECK_CLOSE(static_cast<double>(y[c * ldx + i]),
                      static_cast<double>(x[c * ldx + i]) * factor, 5e-7);
        }
        CHECK_EQ(y[c * ldx + rows], x[c * ldx + rows]);
      }
    }
  }
}
