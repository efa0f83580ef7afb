#include "self_test.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "text.hpp"

namespace calogan::detail {

namespace {

// The expected values were computed in double precision. The logits of a long-trained network are sums
// of large terms, and single precision leaves some 1e-4 of a small fraction to rounding, whoever
// computes it. A damaged weight is off by far more.
//
// A leftover output (a layer's energy logit times its gate) is no fraction, and its terms may cancel to
// nearly 0. No energy is made of it, so 1e-5 absolute will do.
struct Tolerance {
  double relative;
  double absolute;
  double leftover;  // absolute
};

Tolerance tolerance_of(Weights weights) {
  if (weights == Weights::float32) return {1e-3, 1e-7, 1e-5};
  // Rounded weights give other fractions. Damage is found by the checksum of a compiled model; what is
  // left to find is a conversion gone wrong.
  return {0.5, 1e-3, 0.1};
}

}  // namespace

double replay(const std::vector<SelfTest>& tests, const Model& model, const std::string& source) {
  const Tolerance tolerance = tolerance_of(model.weights);
  double largest = 0;
  for (std::size_t t = 0; t < tests.size(); ++t) {
    const SelfTest& test = tests[t];
    model.inputs.check(test.conditions, 1, /*extrapolate*/ true);
    const auto compare = [&](std::size_t, std::size_t, Network::Columns fractions) {
      auto next = model.runs.begin();
      for (std::size_t i = 0; i < test.fractions.size(); ++i) {
        const auto found = static_cast<double>(fractions.data[i]);
        const double expected = test.fractions[i];
        const bool leftover = next == model.runs.end() || i < next->output;
        if (!leftover && i + 1 == next->output + next->n) ++next;
        const double deviation =
            std::abs(found - expected) / ((leftover ? tolerance.leftover : tolerance.absolute) +
                                          tolerance.relative * std::abs(expected));
        if (!(deviation < 1)) {
          fail(source, ": self-test ", t, ": output ", i, " is ", found, ", expected ", expected,
               "; the file is damaged, or it asks for something that this runner computes otherwise");
        }
        largest = std::max(largest, deviation);
      }
    };
    model.run(1, test.conditions.data(), model.latents_from(test.latent.data()), compare);
  }
  return largest;
}

}  // namespace calogan::detail
