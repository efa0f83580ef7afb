// calogan's runner as an inference library of Geant4's example Par04: a model of `calogan export`, JSON or
// compiled, whose cells are Par04's mesh around the particle's direction.
#pragma once

#include "Par04InferenceInterface.hh"

#include <calogan/runner.hpp>

#include <G4String.hh>
#include <G4Types.hh>

#include <cstddef>
#include <vector>

class Par04CaloganInference : public Par04InferenceInterface {
 public:
  /// Ends the program if the file is no model, or one of other cells or conditions than Par04's.
  explicit Par04CaloganInference(const G4String& model_path);

  /// What Par04InferenceSetup asks of a model of type VAE.
  ///
  /// aGenVector: standard normal deviates, latent_size() of them, then Par04's four conditions: energy
  ///   in units of 1024 GeV, theta in units of 90 degrees, and two that say which detector it is.
  /// aEnergies: aSize parts of the particle's energy, cells by rho, phi and z, z fastest.
  /// Par04 asks for whatever enters, photons of some MeV too: beyond the range of the training, the parts
  /// are those of its end, less what is below the readout threshold in MeV.
  void RunInference(std::vector<float> aGenVector, std::vector<G4double>& aEnergies,
                    int aSize) override;

 private:
  void order_cells();

  calogan::Generator generator_;
  double threshold_;  // MeV
  std::vector<std::size_t> par04_number_;  // of each of the generator's cells
  std::vector<double> conditions_;
  std::vector<float> energies_;  // MeV
};
