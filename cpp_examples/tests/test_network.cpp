// Whole graphs with every instruction-set variant, and what is folded on loading.
#include "check.hpp"
#include "network.hpp"

using namespace calogan::detail;

namespace {

// The self-test of a model file, evaluated n times beside each other.
void check_model(const std::string& name, const Kernels& kernels, std::size_t n) {
  ModelFile model = read_model(test::data_path(name));
  const auto inputs = model.inputs;
  const Network network(model, name, Storage::float32, kernels);
  CHECK(n <= network.block());
  std::vector<float> workspace(network.workspace_size(), std::nanf(""));
  for (const SelfTest& self_test : model.self_tests) {
    std::size_t next_latent = 0;  // the inputs are in the order of the latent nodes here
    for (std::size_t input = 0; input < inputs.size(); ++input) {
      const std::size_t first = next_latent;
      if (input != model.conditions_input) next_latent += inputs[input].variables.size();
      const auto columns = network.input(input, workspace.data());
      for (std::size_t c = 0; c < n; ++c) {
        for (std::size_t i = 0; i < inputs[input].variables.size(); ++i) {
          const Variable& variable = inputs[input].variables[i];
          double value = 0;
          if (input != model.conditions_input) {
            value = static_cast<double>(self_test.latent[first + i]);
          } else {
            const double condition = self_test.conditions[i];
            value = model.conditions[i].logarithmic ? std::log(condition) : condition;
          }
          columns.data[c * columns.stride + i] =
              static_cast<float>((value + variable.offset) * variable.scale);
        }
      }
    }
    const auto found = network.run(workspace.data(), n);
    for (std::size_t c = 0; c < n; ++c) {
      for (std::size_t i = 0; i < self_test.fractions.size(); ++i) {
        CHECK_CLOSE(static_cast<double>(found.data[c * found.stride + i]), self_test.fractions[i],
                    2e-6 * std::abs(self_test.fractions[i]) + 5e-7);
      }
    }
  }
}

}  // namespace

TEST(every_layer_and_activation) {
  for (const Kernels* kernels : available_kernels()) {
    check_model("layers.json", *kernels, 1);
    check_model("layers.json", *kernels, 11);
  }
}

TEST(gated_generator) {
  for (const Kernels* kernels : available_kernels()) {
    check_model("gated.json", *kernels, 1);
    check_model("gated.json", *kernels, 24);
  }
}

TEST(generator_with_cell_latents) {
  for (const Kernels* kernels : available_kernels()) {
    check_model("cells.json", *kernels, 1);
    check_model("cells.json", *kernels, 24);
  }
}

// Two hidden layers whose normalization and swish are folded into them; for each of two calorimeter
// layers a softmax, a logit and a gate; no copies for inputs and concatenations.
TEST(normalization_activation_and_concatenation_cost_nothing) {
  ModelFile model = read_model(test::data_path("gated.json"));
  const Network network(model, "gated.json");
  CHECK_EQ(network.n_steps(), std::size_t{2 + 2 * 3});
}

// A hidden layer; its concatenation with its inputs costs nothing; for each of two calorimeter layers the
// logits, the openness, the scaled noise added to it, its swish, that added to the logits, the softmax,
// a logit and a gate.
TEST(sums_take_no_copies) {
  ModelFile model = read_model(test::data_path("cells.json"));
  const Network network(model, "cells.json");
  CHECK_EQ(network.n_steps(), std::size_t{1 + 2 * 8});
}
