// A Geant4 fast-simulation model for a fixed calorimeter: a particle that enters it as the generator's
// training sample did becomes a shower's deposits at once.
//
//   // in ConstructSDandField(), once per thread; copies of a generator share its weights
//   new ShowerModel("showers", region, generator, G4Gamma::Definition(), {0, 0, -240}, tally);
//
// with G4FastSimulationPhysics active for the particle, and a sensitive detector in the region that
// is a G4VFastSimSensitiveDetector. /param/ActivateModel and /param/InActivateModel switch it.
#pragma once

#include <calogan/runner.hpp>

#include <G4FastSimHitMaker.hh>
#include <G4ThreeVector.hh>
#include <G4VFastSimulationModel.hh>

#include <atomic>
#include <cstdint>
#include <vector>

// What became of the particles that came in through the region's face while the model was active.
// All threads count in one.
struct ShowerTally {
  std::atomic<std::uint64_t> generated{0};
  // Left to full simulation, for the generator was not trained on them:
  std::atomic<std::uint64_t> other_conditions{0};  // energy, angle
  std::atomic<std::uint64_t> other_entry{0};       // where they enter, to which side they lean
};

class ShowerModel : public G4VFastSimulationModel {
 public:
  // The generator's frame is that of the region's envelope, whose face is across its z axis.
  // entry: where particles of the training sample enter, mm; they lean towards +y, or, which is the
  // same turned by half a turn, -y. theta, if it is a condition, is the angle to the z axis.
  // Throws calogan::Error for a generator with conditions besides energy and theta.
  ShowerModel(const G4String& name, G4Region* region, const calogan::Generator& generator,
              const G4ParticleDefinition* particle, calogan::Vector entry, ShowerTally& tally);

  G4bool IsApplicable(const G4ParticleDefinition& particle) override;
  G4bool ModelTrigger(const G4FastTrack& track) override;
  void DoIt(const G4FastTrack& track, G4FastStep& step) override;

 private:
  void set_conditions(const G4FastTrack& track);
  calogan::Placement placement(const G4FastTrack& track) const;

  calogan::Generator generator_;
  const G4ParticleDefinition* particle_;
  G4ThreeVector entry_;
  ShowerTally& tally_;
  G4FastSimHitMaker hit_maker_;
  // Of one shower; a model belongs to one thread.
  std::vector<double> conditions_;
  std::vector<std::uint32_t> cells_;
  std::vector<float> energies_;
};
