#include "shower_model.hpp"

#include <G4AffineTransform.hh>
#include <G4Exception.hh>
#include <G4FastHit.hh>
#include <G4FastStep.hh>
#include <G4FastTrack.hh>
#include <G4ParticleDefinition.hh>
#include <G4SystemOfUnits.hh>
#include <G4Track.hh>
#include <Randomize.hh>

#include <cmath>
#include <cstddef>

namespace {

// Particles this close to the training sample's entry and plane are taken: little beside a cell.
constexpr double entry_tolerance = 0.1 * mm;
constexpr double plane_tolerance = 1 * mrad;
// Where a step on the face may end, by rounding.
constexpr double face_tolerance = 1e-6 * mm;

calogan::Vector to_vector(const G4ThreeVector& v) { return {v.x(), v.y(), v.z()}; }

// Decides on a shower by Geant4's engine, so its seeds give the same event again.
std::uint64_t draw_seed() {
  CLHEP::HepRandomEngine& engine = *G4Random::getTheEngine();
  const std::uint64_t high = static_cast<unsigned int>(engine);
  return (high << 32) | static_cast<unsigned int>(engine);
}

}  // namespace

ShowerModel::ShowerModel(const G4String& name, G4Region* region,
                         const calogan::Generator& generator, const G4ParticleDefinition* particle,
                         calogan::Vector entry, ShowerTally& tally)
    : G4VFastSimulationModel(name, region),
      generator_(generator),
      particle_(particle),
      entry_(entry.x * mm, entry.y * mm, entry.z * mm),
      tally_(tally),
      conditions_(generator.conditions().size()),
      cells_(generator.n_voxels()),
      energies_(generator.n_voxels()) {
  for (const calogan::Condition& condition : generator_.conditions()) {
    if (condition.name != "energy" && condition.name != "theta") {
      throw calogan::Error("the generator " + generator_.name() + " has a condition " +
                           condition.name + "; Geant4's track gives energy and theta");
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

// What the generator was not trained on is left to full simulation, and so are the photons of such
// showers, further in.
G4bool ShowerModel::ModelTrigger(const G4FastTrack& track) {
  const G4ThreeVector offset = track.GetPrimaryTrackLocalPosition() - entry_;
  const G4ThreeVector direction = track.GetPrimaryTrackLocalDirection();
  if (std::abs(offset.z()) > face_tolerance || direction.z() <= 0) return false;
  if (offset.perp() > entry_tolerance || std::abs(direction.x()) > plane_tolerance) {
    ++tally_.other_entry;
    return false;
  }
  set_conditions(track);
  try {
    generator_.check_conditions(conditions_);
  } catch (const calogan::Error&) {
    ++tally_.other_conditions;
    return false;
  }
  return true;
}

// Where a calorimeter does not move with the particle, neither do the cells. Those that do, as in
// Par04, would take Placement::along(position, direction, entry).
calogan::Placement ShowerModel::placement(const G4FastTrack& track) const {
  const G4AffineTransform& to_world = *track.GetInverseAffineTransformation();
  const G4ThreeVector lean(0, track.GetPrimaryTrackLocalDirection().y() < 0 ? -1 : 1, 0);
  return calogan::Placement::facing(to_vector(to_world.TransformPoint(entry_) / mm),
                                    to_vector(to_world.TransformAxis({0, 0, 1})),
                                    to_vector(to_world.TransformAxis(lean)),
                                    to_vector(entry_ / mm));
}

void ShowerModel::DoIt(const G4FastTrack& track, G4FastStep& step) {
  set_conditions(track);
  try {
    const calogan::Placement in_world = placement(track);
    const std::size_t n = generator_.generate_sparse(conditions_, draw_seed(), /*event_number=*/0,
                                                     cells_.data(), energies_.data());
    for (std::size_t i = 0; i < n; ++i) {
      const calogan::Vector at = in_world.centre(generator_.cells()[cells_[i]]);
      const G4ThreeVector position(at.x * mm, at.y * mm, at.z * mm);
      hit_maker_.make(G4FastHit(position, static_cast<G4double>(energies_[i]) * MeV), track);
    }
  } catch (const calogan::Error& error) {
    G4Exception("ShowerModel::DoIt", "Generator", EventMustBeAborted, error.what());
    return;
  }
  ++tally_.generated;
  step.KillPrimaryTrack();
  step.ProposePrimaryTrackPathLength(0.0);
  step.ProposeTotalEnergyDeposited(track.GetPrimaryTrack()->GetKineticEnergy());
}
