// A model file through plain lwtnn: what its inputs and outputs mean, in code. Then the runner makes
// the same showers, and the difference is printed.
#include <calogan/runner.hpp>
#include <lwtnn/LightweightGraph.hh>
#include <lwtnn/parse_json.hh>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

// Where a value goes: an input of the graph, and a variable in it.
struct Slot {
  std::string node;
  std::string variable;
};

// The inputs that take random numbers have their own name and a number as variables; they are in
// the file in the order in which the runner numbers them.
std::vector<Slot> latent_slots(const lwt::GraphConfig& config) {
  std::vector<Slot> slots;
  for (const lwt::InputNodeConfig& node : config.inputs) {
    for (const lwt::Input& variable : node.variables) {
      if (variable.name.rfind(node.name + "_", 0) == 0) slots.push_back({node.name, variable.name});
    }
  }
  return slots;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string path = argc > 1 ? argv[1] : "generator.json";
  std::ifstream file(path);
  const lwt::GraphConfig config = lwt::parse_json_graph(file);
  const lwt::LightweightGraph graph(config);
  const std::vector<Slot> slots = latent_slots(config);

  auto generator = calogan::Generator::load(path);
  generator.set_readout_threshold(0);
  if (slots.size() != generator.latent_size() || generator.conditions().size() != 2) {
    std::cerr << path << ": this example takes models with conditions energy and theta\n";
    return 1;
  }

  const double energy = 10;  // GeV
  const double theta = 0.1;  // rad
  constexpr int n = 20;
  std::vector<float> latents(generator.latent_size());
  std::vector<float> energies(generator.n_voxels());
  double by_lwtnn = 0;
  double by_runner = 0;
  double largest = 0;
  for (int event = 0; event < n; ++event) {
    generator.draw_latents(/*seed=*/1, event, latents.data());

    auto start = std::chrono::steady_clock::now();
    lwt::LightweightGraph::NodeMap inputs;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      inputs[slots[i].node][slots[i].variable] = static_cast<double>(latents[i]);
    }
    inputs["conditions"] = {{"log_energy", std::log(energy)}, {"theta", theta}};
    // Fractions of the incident energy; next to them stand leftovers of the graph, "unused_...".
    const lwt::ValueMap fractions = graph.compute(inputs);
    by_lwtnn += seconds_since(start);

    start = std::chrono::steady_clock::now();
    generator.generate_from(1, {energy, theta}, latents.data(), energies.data());
    by_runner += seconds_since(start);

    for (std::size_t i = 0; i < energies.size(); ++i) {
      const double expected = fractions.at("voxel_" + std::to_string(i)) * energy * 1000;  // MeV
      largest = std::max(largest, std::abs(static_cast<double>(energies[i]) - expected));
    }
  }
  std::cout << n << " showers: largest difference of a cell " << largest << " MeV; lwtnn "
            << 1e6 * by_lwtnn / n << " us a shower, the runner " << 1e6 * by_runner / n << " us\n";
  return largest < 0.01 ? 0 : 1;  // MeV; single precision against double
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
