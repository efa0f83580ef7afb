// The ten lines of the README: showers of 10 GeV at 0.1 rad.
#include <calogan/runner.hpp>

#include <iostream>
#include <numeric>
#include <vector>

int main(int argc, char** argv) try {
  const auto generator = calogan::Generator::load(argc > 1 ? argv[1] : "generator.json");
  std::vector<float> energies(generator.n_voxels());  // MeV
  for (int event = 0; event < 5; ++event) {
    generator.generate({10.0, 0.1}, /*seed=*/1, event, energies.data());
    const float sum = std::accumulate(energies.begin(), energies.end(), 0.0f);
    const calogan::Cell& first = generator.cells()[0];  // centre in mm, layer, number
    std::cout << "shower " << event << ": " << sum << " MeV, of which " << energies[0] << " at ("
              << first.x << ", " << first.y << ", " << first.z << ") mm\n";
  }
} catch (const calogan::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
