// One run: the photons that are shot, and the showers that come of it, to one file.
#pragma once

#include "shower_model.hpp"

#include <G4ParticleGun.hh>
#include <G4Run.hh>
#include <G4SystemOfUnits.hh>
#include <G4ThreeVector.hh>
#include <G4UIcommand.hh>
#include <G4UIdirectory.hh>
#include <G4UImessenger.hh>
#include <G4UserRunAction.hh>
#include <G4VUserActionInitialization.hh>
#include <G4VUserPrimaryGeneratorAction.hh>

#include <chrono>
#include <ctime>
#include <memory>
#include <vector>

struct Range {
  double low;
  double high;
};

// What the commands /lar/... set on the main thread between runs; other threads only read it.
struct Settings {
  bool has_generator;
  bool fast = false;
  Range energy = {1 * GeV, 50 * GeV};
  Range theta = {0, 20 * deg};
  Range phi = {90 * deg, 90 * deg};
  G4ThreeVector entry = {0, 0, 0};  // from the middle of the face
  G4String output = "showers.root";
};

class Commands : public G4UImessenger {
 public:
  explicit Commands(Settings& settings);
  void SetNewValue(G4UIcommand* command, G4String values) override;

 private:
  Settings& settings_;
  G4UIdirectory directory_{"/lar/"};
  G4UIcommand simulation_, energy_, theta_, phi_, entry_, output_;
};

// Photons into the face: energy log-uniform, angles uniform.
class Photons : public G4VUserPrimaryGeneratorAction {
 public:
  explicit Photons(const Settings& settings);
  void GeneratePrimaries(G4Event* event) override;

 private:
  const Settings& settings_;
  G4ParticleGun gun_{1};
};

// What is kept of an event until the run's end.
struct Shower {
  int event;
  float energy;                // GeV
  float theta;                 // rad
  float phi;                   // rad
  std::vector<int> cells;      // those with 0.01 MeV or more, in their order
  std::vector<float> energies;  // MeV
};

// Each thread's showers, and at the end those of all: some 0.5 kB each.
class ShowerRun : public G4Run {
 public:
  void RecordEvent(const G4Event* event) override;
  void Merge(const G4Run* of_a_thread) override;

  std::vector<Shower> showers;
};

// The tree of data/lar_photons, and the event's number, in one file a run.
class ShowerFile {
 public:
  ShowerFile();
  void write(const G4String& path, const std::vector<Shower>& showers);

 private:
  // Of the entry that is filled; Geant4 knows them by address.
  std::vector<float> energy_, x_, y_, z_;
  std::vector<int> section_;
};

// Switches fast simulation; on the main thread, also times the run, writes its showers in the order of
// their events, and says what was done.
class RunAction : public G4UserRunAction {
 public:
  RunAction(const Settings& settings, ShowerTally& tally);
  G4Run* GenerateRun() override;
  void BeginOfRunAction(const G4Run*) override;
  void EndOfRunAction(const G4Run* run) override;

 private:
  void report(const std::vector<Shower>& showers) const;

  const Settings& settings_;
  ShowerTally& tally_;
  std::unique_ptr<ShowerFile> file_;  // of the main thread
  std::chrono::steady_clock::time_point start_;
  std::clock_t processor_start_ = 0;
};

class Actions : public G4VUserActionInitialization {
 public:
  Actions(const Settings& settings, ShowerTally& tally) : settings_(settings), tally_(tally) {}
  void BuildForMaster() const override;
  void Build() const override;

 private:
  const Settings& settings_;
  ShowerTally& tally_;
};
