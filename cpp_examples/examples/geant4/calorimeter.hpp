// The detector of data/lar_photons: 80 layers of lead and liquid argon, read out as 504 cells in three
// sections; its sensitive detector; and the fast-simulation model in it.
#pragma once

#include "shower_model.hpp"

#include <calogan/runner.hpp>

#include <G4THitsMap.hh>
#include <G4ThreeVector.hh>
#include <G4VFastSimSensitiveDetector.hh>
#include <G4VSensitiveDetector.hh>
#include <G4VUserDetectorConstruction.hh>

#include <optional>

// The cells, numbered by section, then x, then y. Positions are in the world's frame.
namespace readout {

inline constexpr double face = -240;  // mm, where photons enter
inline constexpr int n_cells = 504;

/// The cell around a position; nothing outside all of them.
std::optional<int> cell_at(const G4ThreeVector& position);
G4ThreeVector centre(int cell);
/// 0, 1 or 2: front, middle, back.
int section(int cell);

/// Throws calogan::Error unless the generator's cells are these cells.
void check_cells(const calogan::Generator& generator);

}  // namespace readout

// Adds up energies by cell, MeV, into the hits collection "cells/energy": of steps in argon, and of the
// hits of a fast simulation, which are argon's energy wherever a cell's centre is.
class CellDetector : public G4VSensitiveDetector, public G4VFastSimSensitiveDetector {
 public:
  explicit CellDetector(const G4Material* sampling);
  void Initialize(G4HCofThisEvent* event) override;
  G4bool ProcessHits(G4Step* step, G4TouchableHistory*) override;
  G4bool ProcessHits(const G4FastHit* hit, const G4FastTrack*, G4TouchableHistory*) override;

 private:
  G4bool add(const G4ThreeVector& position, G4double energy);

  const G4Material* sampling_;
  G4THitsMap<G4double>* energies_ = nullptr;  // of this event, which owns it
};

class Calorimeter : public G4VUserDetectorConstruction {
 public:
  /// Without a generator there is full simulation alone. Throws calogan::Error for one that was not
  /// trained on these cells.
  Calorimeter(std::optional<calogan::Generator> generator, ShowerTally& tally);
  G4VPhysicalVolume* Construct() override;
  void ConstructSDandField() override;

 private:
  std::optional<calogan::Generator> generator_;
  ShowerTally& tally_;
  G4LogicalVolume* lead_ = nullptr;
  G4LogicalVolume* argon_ = nullptr;
};
