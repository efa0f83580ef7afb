#include "shower_model.hpp"

#include <G4AffineTransform.hh>
#include <G4Exception.hh>
#include <G4FastHit.hh>
#include <G4FastStep.hh>
#include <G4FastTrack.hh>
#include <G4ParticleDefinition.hh>
#include <G4SystemOfUnits.hh>
#include <G4ThreeVector.hh>
#include <G4Track.hh>
#include <Randomize.hh>

namespace {

calogan::Vector to_vector(const G4ThreeVector& v) { return {v.x(), v.y(), v.z()}; }

}  // namespace

ShowerModel::ShowerModel(const G4String& name, G4Region* region,
                         const calogan::Generator& generator, const G4ParticleDefinition* particle,
                         calogan::Vector entry)
    : G4VFastSimulationModel(name, region),
      generator_(generator),
      particle_(particle),
      entry_(entry),
      conditions_(generator.conditions().size()),
      latents_(generator.latent_size()),
      cells_(generator.n_voxels()),
      energies_(generator.n_voxels()) {
  for (const calogan::Condition& condition : generator_.conditions()) {
    if (condition.name != "energy" && condition.name != "theta") {
      const std::string message = "the generator " + generator_.name() + " has a condition " +
                                  condition.name + "; this model knows energy and theta";
      G4Exception("ShowerModel", "Conditions", FatalException, message.c_str());
    }
  }
}

G4bool ShowerModel::IsApplicable(const G4ParticleDefinition& particle) {
  return &particle == particle_;
}

void ShowerModel::set_conditions(const G4FastTrack& track) {
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    conditions_[i] = generator_.conditions()[i].name == "energy"
                         ? track.GetPrimaryTrack()->GetKineticEnergy() / GeV
                         : track.GetPrimaryTrackLocalDirection().theta() / rad;
  }
}

// What the generator was not trained on is left to full simulation.
G4bool ShowerModel::ModelTrigger(const G4FastTrack& track) {
  set_conditions(track);
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    const calogan::Condition& condition = generator_.conditions()[i];
    if (conditions_[i] < condition.low || conditions_[i] > condition.high) return false;
  }
  return true;
}

void ShowerModel::DoIt(const G4FastTrack& track, G4FastStep& step) {
  const G4Track& particle = *track.GetPrimaryTrack();
  set_conditions(track);
  try {
    // Geant4's engine decides: its seeds give the same events again.
    generator_.draw_latents([] { return G4RandGauss::shoot(); }, latents_.data());
    std::size_t offsets[2];
    generator_.generate_sparse_from(1, conditions_, latents_.data(), cells_.data(),
                                    energies_.data(), offsets);

    const G4ThreeVector normal =
        track.GetInverseAffineTransformation()->TransformAxis(G4ThreeVector(0, 0, 1));
    // Cells that follow the particle would take Placement::along(position, direction, entry).
    const auto placement = calogan::Placement::facing(
        to_vector(particle.GetPosition()), to_vector(normal),
        to_vector(particle.GetMomentumDirection()), entry_);
    for (std::size_t i = 0; i < offsets[1]; ++i) {
      const calogan::Vector at = placement.centre(generator_.cells()[cells_[i]]);
      const G4ThreeVector position(at.x * mm, at.y * mm, at.z * mm);
      hit_maker_.make(G4FastHit(position, static_cast<G4double>(energies_[i]) * MeV), track);
    }
  } catch (const calogan::Error& error) {
    G4Exception("ShowerModel::DoIt", "Generator", EventMustBeAborted, error.what());
  }
  step.KillPrimaryTrack();
  step.ProposePrimaryTrackPathLength(0.0);
  step.ProposeTotalEnergyDeposited(particle.GetKineticEnergy());
}
