// A Geant4 fast-simulation model: in its region, particles within the generator's range become a
// shower's deposits at once.
//
//   // in ConstructSDandField(), once per thread; copies of a generator share its weights
//   new ShowerModel("showers", region, generator, G4Gamma::Definition(), {0, 0, -240});
//
// with G4FastSimulationPhysics active for the particle, and a sensitive detector in the region that
// is a G4VFastSimSensitiveDetector.
#pragma once

#include <calogan/runner.hpp>

#include <G4FastSimHitMaker.hh>
#include <G4VFastSimulationModel.hh>

#include <vector>

class ShowerModel : public G4VFastSimulationModel {
 public:
  // entry: where particles enter in the model's frame, mm. For a generator of a fixed calorimeter,
  // whose face is across the envelope's z axis: theta, if it is a condition, is the angle to that.
  ShowerModel(const G4String& name, G4Region* region, const calogan::Generator& generator,
              const G4ParticleDefinition* particle, calogan::Vector entry);

  G4bool IsApplicable(const G4ParticleDefinition& particle) override;
  G4bool ModelTrigger(const G4FastTrack& track) override;
  void DoIt(const G4FastTrack& track, G4FastStep& step) override;

 private:
  void set_conditions(const G4FastTrack& track);

  calogan::Generator generator_;
  const G4ParticleDefinition* particle_;
  calogan::Vector entry_;
  G4FastSimHitMaker hit_maker_;
  // Of one shower; a model belongs to one thread.
  std::vector<double> conditions_;
  std::vector<float> latents_;
  std::vector<std::uint32_t> cells_;
  std::vector<float> energies_;
};
