#include "calorimeter.hpp"

#include <G4Box.hh>
#include <G4FastHit.hh>
#include <G4Gamma.hh>
#include <G4LogicalVolume.hh>
#include <G4Material.hh>
#include <G4NistManager.hh>
#include <G4PVPlacement.hh>
#include <G4PVReplica.hh>
#include <G4Region.hh>
#include <G4RegionStore.hh>
#include <G4SDManager.hh>
#include <G4Step.hh>
#include <G4SystemOfUnits.hh>

#include <cmath>
#include <sstream>
#include <utility>

namespace readout {

namespace {

struct Section {
  double z_low, z_high;  // mm
  int n_x, n_y;
  int first;  // number of its first cell
};

constexpr Section sections[] = {{face, -150, 3, 96, 0}, {-150, 197, 12, 12, 288}, {197, 240, 12, 6, 432}};
constexpr double half_width = 240;  // mm, in x and y

const Section& section_of(int cell) { return sections[section(cell)]; }

int bin(double at, int n) {
  return static_cast<int>(std::floor((at + half_width) / (2 * half_width) * n));
}

double bin_centre(int i, int n) { return (2 * i + 1) * half_width / n - half_width; }

}  // namespace

int section(int cell) { return cell < sections[1].first ? 0 : cell < sections[2].first ? 1 : 2; }

std::optional<int> cell_at(const G4ThreeVector& position) {
  for (const Section& s : sections) {
    const double z = position.z() / mm;
    if (z < s.z_low || z >= s.z_high) continue;
    const int x = bin(position.x() / mm, s.n_x);
    const int y = bin(position.y() / mm, s.n_y);
    if (x < 0 || x >= s.n_x || y < 0 || y >= s.n_y) return std::nullopt;
    return s.first + x * s.n_y + y;
  }
  return std::nullopt;
}

G4ThreeVector centre(int cell) {
  const Section& s = section_of(cell);
  const int within = cell - s.first;
  return {bin_centre(within / s.n_y, s.n_x) * mm, bin_centre(within % s.n_y, s.n_y) * mm,
          (s.z_low + s.z_high) / 2 * mm};
}

void check_cells(const calogan::Generator& generator) {
  std::ostringstream why;
  if (generator.n_voxels() != n_cells) {
    why << "has " << generator.n_voxels() << " cells, the calorimeter " << n_cells;
  } else {
    for (const calogan::Cell& cell : generator.cells()) {
      const G4ThreeVector position(cell.x * mm, cell.y * mm, cell.z * mm);
      const std::optional<int> here = cell_at(position);
      if (here && (centre(*here) - position).mag() < 1e-3 * mm) continue;
      why << "has a cell around (" << cell.x << ", " << cell.y << ", " << cell.z
          << ") mm, where the calorimeter has none";
      break;
    }
  }
  if (!why.str().empty()) {
    throw calogan::Error("the generator " + generator.name() + " " + why.str() +
                         "; give one that was trained on data/lar_photons");
  }
}

}  // namespace readout

CellDetector::CellDetector(const G4Material* sampling)
    : G4VSensitiveDetector("cells"), sampling_(sampling) {
  collectionName.insert("energy");
}

void CellDetector::Initialize(G4HCofThisEvent* event) {
  energies_ = new G4THitsMap<G4double>(GetName(), GetCollectionName(0));
  event->AddHitsCollection(GetCollectionID(0), energies_);
}

G4bool CellDetector::add(const G4ThreeVector& position, G4double energy) {
  const std::optional<int> cell = readout::cell_at(position);
  if (!cell) return false;
  G4double in_mev = energy / MeV;
  energies_->add(*cell, in_mev);
  return true;
}

G4bool CellDetector::ProcessHits(G4Step* step, G4TouchableHistory*) {
  const G4StepPoint& begin = *step->GetPreStepPoint();
  if (step->GetTotalEnergyDeposit() <= 0 || begin.GetMaterial() != sampling_) return false;
  return add((begin.GetPosition() + step->GetPostStepPoint()->GetPosition()) / 2,
             step->GetTotalEnergyDeposit());
}

G4bool CellDetector::ProcessHits(const G4FastHit* hit, const G4FastTrack*, G4TouchableHistory*) {
  return add(hit->GetPosition(), hit->GetEnergy());
}

Calorimeter::Calorimeter(std::optional<calogan::Generator> generator, ShowerTally& tally)
    : generator_(std::move(generator)), tally_(tally) {
  if (generator_) readout::check_cells(*generator_);
}

G4VPhysicalVolume* Calorimeter::Construct() {
  constexpr int n_layers = 80;
  constexpr double lead = 2 * mm;
  constexpr double argon = 4 * mm;
  constexpr double layer = lead + argon;
  constexpr double width = 1 * m;
  constexpr double depth = n_layers * layer;
  static_assert(-depth / 2 == readout::face * mm);

  G4NistManager& nist = *G4NistManager::Instance();
  G4Material* const vacuum = nist.FindOrBuildMaterial("G4_Galactic");
  const auto box = [](const char* name, double x, double z, G4Material* material) {
    return new G4LogicalVolume(new G4Box(name, x / 2, x / 2, z / 2), material, name);
  };
  G4LogicalVolume* const world = box("world", 1.2 * width, 1.2 * depth, vacuum);
  G4LogicalVolume* const calorimeter = box("calorimeter", width, depth, vacuum);
  G4LogicalVolume* const layers = box("layer", width, layer, vacuum);
  lead_ = box("lead", width, lead, nist.FindOrBuildMaterial("G4_Pb"));
  argon_ = box("argon", width, argon,
               nist.BuildMaterialWithNewDensity("liquid_argon", "G4_lAr", 1.390 * g / cm3));

  auto* const placed = new G4PVPlacement(nullptr, {}, world, "world", nullptr, false, 0);
  new G4PVPlacement(nullptr, {}, calorimeter, "calorimeter", world, false, 0);
  new G4PVReplica("layer", layers, calorimeter, kZAxis, n_layers, layer);
  new G4PVPlacement(nullptr, {0, 0, -argon / 2}, lead_, "lead", layers, false, 0);
  new G4PVPlacement(nullptr, {0, 0, lead / 2}, argon_, "argon", layers, false, 0);

  // Fast simulation replaces what happens in this region.
  (new G4Region("calorimeter"))->AddRootLogicalVolume(calorimeter);
  return placed;
}

// Called once per thread. Geant4 keeps what is made here until the thread ends.
void Calorimeter::ConstructSDandField() {
  auto* const cells = new CellDetector(argon_->GetMaterial());
  G4SDManager::GetSDMpointer()->AddNewDetector(cells);
  // Lead too: a cell's centre may be there, and Geant4 drops hits of a model where no detector is.
  SetSensitiveDetector(lead_, cells);
  SetSensitiveDetector(argon_, cells);
  if (generator_) {
    new ShowerModel("showers", G4RegionStore::GetInstance()->GetRegion("calorimeter"), *generator_,
                    G4Gamma::Definition(), {0, 0, readout::face}, tally_);
  }
}
