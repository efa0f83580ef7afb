// Whole graphs with every instruction-set variant, and what is folded on loading.
#include <algorithm>

#include "check.hpp"
#include "limits.hpp"
#include "model_file.hpp"
#include "network.hpp"

using namespace calogan::detail;

namespace {

// The self-test of a model file, evaluated n times beside each other.
void check_model(const std::string& name, const Kernels& kernels, std::size_t n) {
  ModelFile model = read_model(File(test::data_path(name)));
  const auto inputs = model.graph.inputs;
  const Network network(Plan::make(model.graph, name), name, kernels);
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

// Two hidden layers whose normalization and swish are folded into them; one product for the logits of
// all cells and the energies of the two calorimeter layers, and a copy of each of these four; two
// gates. No copies for inputs and concatenations.
TEST(normalization_activation_and_concatenation_cost_nothing) {
  ModelFile model = read_model(File(test::data_path("gated.json")));
  CHECK_EQ(Plan::make(model.graph, "gated.json").steps.size(), std::size_t{2 + 1 + 4 + 2});
}

// A hidden layer; its concatenation with its inputs costs nothing; one product for the logits, openness
// and energies of two calorimeter layers, and a copy of each; for each layer the scaled noise added to
// the openness, its swish, that added to the logits, the softmax and a gate.
TEST(sums_take_no_copies) {
  ModelFile model = read_model(File(test::data_path("cells.json")));
  CHECK_EQ(Plan::make(model.graph, "cells.json").steps.size(), std::size_t{1 + 1 + 6 + 2 * 5});
}

namespace {

// The plan of a good model with something in it changed, and what is then said.
template <class Change>
void expect_refused(const std::string& name, const std::string& message, Change change) {
  ModelFile model = read_model(File(test::data_path(name)));
  Plan plan = Plan::make(model.graph, name);
  change(plan);
  CHECK_ERROR(Network(std::move(plan), name), message);
}

Plan::Step& first(Plan& plan, Plan::Step::Type type) {
  return *std::find_if(plan.steps.begin(), plan.steps.end(),
                       [type](const Plan::Step& step) { return step.type == type; });
}

}  // namespace

// A plan may come from a file that somebody made: none of its steps may leave the workspace.
TEST(plans_that_do_not_fit) {
  using Type = Plan::Step::Type;
  constexpr auto huge = ~std::size_t{0};
  const std::string outside = "rows outside the memory of a shower";
  for (const auto part : {&Plan::Step::in, &Plan::Step::out}) {
    for (const auto field : {&Plan::View::offset, &Plan::View::stride, &Plan::View::first}) {
      for (const std::size_t value : {huge, std::size_t{100'000}}) {
        expect_refused("gated.json", "step 0: " + outside,
                       [&](Plan& plan) { plan.steps[0].*part.*field = value; });
      }
    }
    expect_refused("gated.json", "step 0: " + outside,
                   [&](Plan& plan) { (plan.steps[0].*part).rows = 0; });
  }
  expect_refused("gated.json", "step 0: " + outside, [&](Plan& plan) { plan.output.rows = huge; });
  expect_refused("gated.json", "step 0: " + outside,
                 [&](Plan& plan) { plan.inputs[1].first = 1'000; });
  expect_refused("gated.json", "the steps need too much memory",
                 [&](Plan& plan) { plan.floats_per_shower = huge; });
  expect_refused("gated.json", "step 0: a number of matrices that does not fit",
                 [&](Plan& plan) { plan.steps[0].matrices.reset(); });
  expect_refused("gated.json", "step 1: a matrix that does not fit",
                 [&](Plan& plan) { plan.steps[1].matrices = plan.steps[0].matrices; });
  expect_refused("gated.json", "a matrix that does not fit",
                 [&](Plan& plan) { --plan.steps[2].out.rows; });
  expect_refused("gated.json", "step 7: a gate that looks outside its input",
                 [&](Plan& plan) { first(plan, Type::gate).gate_row = 7; });
  expect_refused("gated.json", "step 1: rows that do not fit",
                 [&](Plan& plan) { plan.steps[1].type = Type::copy; });
  expect_refused("gated.json", "a scale or shift that does not fit",
                 [&](Plan& plan) { first(plan, Type::affine).scale.resize(1'000); });
  expect_refused("cells.json", "a scale or shift that does not fit",
                 [&](Plan& plan) { first(plan, Type::add).shift.resize(1); });
  expect_refused("layers.json", "a scale or shift that does not fit", [&](Plan& plan) {
    for (Plan::Step& step : plan.steps) step.shift.resize(1);
  });
  expect_refused("layers.json", "scratch rows that do not fit",
                 [&](Plan& plan) { --first(plan, Type::maxout).scratch.rows; });
  expect_refused("layers.json", "a number of matrices that does not fit", [&](Plan& plan) {
    Plan::Step& step = first(plan, Type::highway);
    step.matrices = std::make_shared<std::vector<PackedMatrix>>(3, step.matrices->front());
  });
  expect_refused("layers.json", "an embedding that does not fit",
                 [&](Plan& plan) {
                   auto& embeddings = first(plan, Type::embedding).embeddings;
                   auto changed = *embeddings;
                   changed[0].index = 8;
                   embeddings = std::make_shared<const std::vector<Embedding>>(changed);
                 });
  expect_refused("layers.json", "no embeddings",
                 [&](Plan& plan) { first(plan, Type::embedding).embeddings.reset(); });
  expect_refused("layers.json", "a shower would take more than 8589934592 multiplications",
                 [&](Plan& plan) {
                   plan.floats_per_shower = max_width;
                   Plan::Step step;
                   step.type = Type::affine;
                   step.in = step.out = {0, max_width, 0, max_width};
                   plan.steps.insert(plan.steps.end(), 32, step);
                 });
}
