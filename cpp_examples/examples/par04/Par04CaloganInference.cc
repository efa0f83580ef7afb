#include "Par04CaloganInference.hh"

#include <G4Exception.hh>
#include <G4SystemOfUnits.hh>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

namespace {

// As Par04InferenceSetup has them; no command of it sets others.
constexpr double energy_unit = 1024 * GeV;
constexpr double angle_unit = 90 * deg;
constexpr std::size_t n_par04_conditions = 4;

[[noreturn]] void stop(const std::string& message) {
  G4Exception("Par04CaloganInference", "Calogan", FatalException, message.c_str());
  std::abort();  // in case a handler of the host's takes the exception lightly
}

calogan::Generator load(const G4String& path) {
  try {
    return calogan::Generator::load(path);
  } catch (const calogan::Error& error) {
    stop(error.what());
  }
}

// The place of each value among the different ones, in increasing order.
struct Ranks {
  std::vector<std::size_t> of;
  std::size_t n;
};

Ranks ranks(const std::vector<double>& values) {
  constexpr double tolerance = 1e-6;  // mm or rad: rounding, far below any cell
  std::vector<double> edges = values;
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end(),
                          [](double a, double b) { return b - a < tolerance; }),
              edges.end());
  Ranks out{{}, edges.size()};
  for (const double value : values) {
    const auto found = std::upper_bound(edges.begin(), edges.end(), value + tolerance / 2);
    out.of.push_back(static_cast<std::size_t>(found - edges.begin()) - 1);
  }
  return out;
}

}  // namespace

Par04CaloganInference::Par04CaloganInference(const G4String& model_path)
    : generator_(load(model_path)),
      threshold_(generator_.readout_threshold()),
      conditions_(generator_.conditions().size()),
      energies_(generator_.n_voxels()) {
  for (const calogan::Condition& condition : generator_.conditions()) {
    if (condition.name != "energy" && condition.name != "theta") {
      stop("the generator " + generator_.name() + " has a condition " + condition.name +
           "; Par04 gives energy and theta");
    }
  }
  order_cells();
  // Applied to what the particle has, which beyond the trained range is not what the shower has.
  generator_.set_readout_threshold(0);
}

void Par04CaloganInference::order_cells() {
  std::vector<double> rho, phi, layer;
  for (const calogan::Cell& cell : generator_.cells()) {
    rho.push_back(std::hypot(cell.x, cell.y));
    phi.push_back(std::atan2(cell.y, cell.x));
    layer.push_back(cell.layer);
  }
  const Ranks in_rho = ranks(rho);
  const Ranks in_phi = ranks(phi);
  const Ranks in_z = ranks(layer);
  if (in_rho.n * in_phi.n * in_z.n != generator_.n_voxels()) {
    stop("the generator " + generator_.name() + " has " + std::to_string(generator_.n_voxels()) +
         " cells, at " + std::to_string(in_rho.n) + " radii, " + std::to_string(in_phi.n) +
         " angles and " + std::to_string(in_z.n) +
         " depths: no mesh of Par04, which has a cell for each of these together");
  }
  for (std::size_t i = 0; i < generator_.n_voxels(); ++i) {
    par04_number_.push_back((in_rho.of[i] * in_phi.n + in_phi.of[i]) * in_z.n + in_z.of[i]);
  }
}

void Par04CaloganInference::RunInference(std::vector<float> aGenVector,
                                         std::vector<G4double>& aEnergies, int aSize) {
  const std::size_t n_latents = generator_.latent_size();
  if (aGenVector.size() != n_latents + n_par04_conditions) {
    stop("got " + std::to_string(aGenVector.size()) + " numbers from Par04; the generator " +
         generator_.name() + " takes /Par04/inference/setSizeLatentVector " +
         std::to_string(n_latents) + " and /Par04/inference/setSizeConditionVector " +
         std::to_string(n_par04_conditions));
  }
  if (static_cast<std::size_t>(aSize) != par04_number_.size()) {
    stop("Par04's mesh has " + std::to_string(aSize) + " cells, the generator " +
         generator_.name() + " " + std::to_string(par04_number_.size()) +
         "; set /Par04/inference/setNbOfRhoCells, setNbOfPhiCells and setNbOfZCells to its own");
  }
  const double given_energy = static_cast<double>(aGenVector[n_latents]) * energy_unit;
  double energy = 0;  // that the shower is made for
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    const calogan::Condition& condition = generator_.conditions()[i];
    const bool is_energy = condition.name == "energy";
    const double given =
        is_energy ? given_energy / GeV
                  : static_cast<double>(aGenVector[n_latents + 1]) * angle_unit / rad;
    conditions_[i] = std::clamp(given, condition.low, condition.high);
    if (is_energy) energy = conditions_[i] * GeV;
  }
  for (std::size_t i = 0; i < n_latents; ++i) {
    aGenVector[i] = static_cast<float>(generator_.latent_mean() +
                                       generator_.latent_std() * static_cast<double>(aGenVector[i]));
  }
  try {
    generator_.generate_from(1, conditions_, aGenVector.data(), energies_.data());
  } catch (const calogan::Error& error) {
    stop(error.what());
  }
  aEnergies.resize(par04_number_.size());
  for (std::size_t i = 0; i < par04_number_.size(); ++i) {
    const double part = static_cast<double>(energies_[i]) * MeV / energy;
    aEnergies[par04_number_[i]] = part * given_energy < threshold_ * MeV ? 0 : part;
  }
}
