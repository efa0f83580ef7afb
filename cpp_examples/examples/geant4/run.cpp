#include "run.hpp"

#include "calorimeter.hpp"

#include <G4Event.hh>
#include <G4Gamma.hh>
#include <G4GlobalFastSimulationManager.hh>
#include <G4HCofThisEvent.hh>
#include <G4PrimaryVertex.hh>
#include <G4RootAnalysisManager.hh>
#include <G4SDManager.hh>
#include <G4THitsMap.hh>
#include <Randomize.hh>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <system_error>
#include <utility>

namespace {

constexpr double least_energy = 0.01;  // MeV, of a cell that is written

void add_parameter(G4UIcommand& command, const char* name, char type, const char* standard = nullptr,
                   const char* candidates = nullptr) {
  auto* const parameter = new G4UIparameter(name, type, standard != nullptr);  // the command's
  if (standard) parameter->SetDefaultValue(standard);
  if (candidates) parameter->SetParameterCandidates(candidates);
  command.SetParameter(parameter);
}

void finish(G4UIcommand& command, const char* guidance) {
  command.SetGuidance(guidance);
  command.AvailableForStates(G4State_PreInit, G4State_Idle);
  command.SetToBeBroadcasted(false);  // all threads read what the main thread has set
}

Range range_of(const G4String& values) {
  std::istringstream in(values);
  Range range{};
  std::string unit;
  in >> range.low >> range.high >> unit;
  const double factor = G4UIcommand::ValueOf(unit.c_str());
  return {range.low * factor, range.high * factor};
}

}  // namespace

Commands::Commands(Settings& settings)
    : settings_(settings),
      simulation_("/lar/simulation", this),
      energy_("/lar/energy", this),
      theta_("/lar/theta", this),
      phi_("/lar/phi", this),
      entry_("/lar/entry", this),
      output_("/lar/output", this) {
  directory_.SetGuidance("Photons into the lead / liquid-argon calorimeter.");
  add_parameter(simulation_, "kind", 's', nullptr, "full fast");
  finish(simulation_, "Whether the generator makes the showers of the next runs.");
  for (G4UIcommand* command : {&energy_, &theta_, &phi_}) {
    add_parameter(*command, "low", 'd');
    add_parameter(*command, "high", 'd');
  }
  add_parameter(energy_, "unit", 's', "GeV", "MeV GeV TeV");
  energy_.SetRange("low > 0 && high >= low");
  finish(energy_, "Energies of the next runs, log-uniform from low to high.");
  add_parameter(theta_, "unit", 's', "deg", "deg rad mrad");
  theta_.SetRange("low >= 0 && high >= low");
  finish(theta_, "Angles to the normal of the face, uniform from low to high.");
  add_parameter(phi_, "unit", 's', "deg", "deg rad mrad");
  phi_.SetRange("high >= low");
  finish(phi_, "To which side photons lean, uniform from low to high: 0 is +x, 90 degrees +y.");
  add_parameter(entry_, "x", 'd');
  add_parameter(entry_, "y", 'd');
  add_parameter(entry_, "unit", 's', "mm", "mm cm");
  finish(entry_, "Where photons enter, from the middle of the face.");
  add_parameter(output_, "file", 's');
  finish(output_, "File of the next run's showers, .root.");
}

void Commands::SetNewValue(G4UIcommand* command, G4String values) {
  G4ExceptionDescription refusal;
  if (command == &simulation_) {
    settings_.fast = values == "fast";
    if (settings_.fast && !settings_.has_generator) {
      refusal << "fast simulation needs a generator: start the program with --model FILE";
    }
  } else if (command == &energy_) {
    settings_.energy = range_of(values);
  } else if (command == &theta_) {
    const Range theta = range_of(values);
    if (theta.high < 90 * deg) {
      settings_.theta = theta;
    } else {
      refusal << "theta is up to " << theta.high / deg
              << " degrees, expected less than 90: a photon along the face does not enter";
    }
  } else if (command == &phi_) {
    settings_.phi = range_of(values);
  } else if (command == &entry_) {
    const Range x_and_y = range_of(values);
    settings_.entry = {x_and_y.low, x_and_y.high, 0};
  } else {
    const std::filesystem::path path(values.c_str());
    const std::filesystem::path folder = path.parent_path();
    settings_.output = values;
    if (path.extension() != ".root") {
      refusal << "cannot write " << values << ": its ending is \"" << path.extension().string()
              << "\", expected .root";
    } else if (!folder.empty() && !std::filesystem::is_directory(folder)) {
      refusal << "cannot write " << values << ": there is no folder " << folder.string();
    }
  }
  if (refusal.str().empty()) return;
  G4cerr << command->GetCommandPath() << ": " << refusal.str() << G4endl;
  command->CommandFailed(refusal);
}

Photons::Photons(const Settings& settings) : settings_(settings) {
  gun_.SetParticleDefinition(G4Gamma::Definition());
}

void Photons::GeneratePrimaries(G4Event* event) {
  const Range& energy = settings_.energy;
  const auto draw = [](const Range& range) {
    return range.low + (range.high - range.low) * G4UniformRand();
  };
  gun_.SetParticleEnergy(energy.low * std::pow(energy.high / energy.low, G4UniformRand()));
  G4ThreeVector direction;
  direction.setRThetaPhi(1, draw(settings_.theta), draw(settings_.phi));
  gun_.SetParticleMomentumDirection(direction);
  // A hair outside, so that photons come in through the face.
  gun_.SetParticlePosition(settings_.entry + G4ThreeVector(0, 0, readout::face * mm - 1 * um));
  gun_.GeneratePrimaryVertex(event);
}

void ShowerRun::RecordEvent(const G4Event* event) {
  G4Run::RecordEvent(event);
  if (event->IsAborted()) return;
  const G4PrimaryParticle& photon = *event->GetPrimaryVertex()->GetPrimary();
  const G4ThreeVector direction = photon.GetMomentumDirection();
  Shower shower{event->GetEventID(),
                static_cast<float>(photon.GetKineticEnergy() / GeV),
                static_cast<float>(direction.theta()),
                static_cast<float>(direction.phi()),
                {},
                {}};
  const int collection = G4SDManager::GetSDMpointer()->GetCollectionID("cells/energy");
  const auto& energies =
      *static_cast<const G4THitsMap<G4double>*>(event->GetHCofThisEvent()->GetHC(collection));
  for (const auto& [cell, energy] : *energies.GetMap()) {
    if (*energy < least_energy) continue;
    shower.cells.push_back(cell);
    shower.energies.push_back(static_cast<float>(*energy));
  }
  showers.push_back(std::move(shower));
}

void ShowerRun::Merge(const G4Run* of_a_thread) {
  const auto& theirs = static_cast<const ShowerRun*>(of_a_thread)->showers;
  showers.insert(showers.end(), theirs.begin(), theirs.end());
  G4Run::Merge(of_a_thread);
}

ShowerFile::ShowerFile() {
  G4RootAnalysisManager& file = *G4RootAnalysisManager::Instance();
  file.CreateNtuple("showers", "energy in the cells");
  file.CreateNtupleFColumn("gen_energy");
  file.CreateNtupleFColumn("gen_theta");
  file.CreateNtupleFColumn("gen_phi");
  file.CreateNtupleIColumn("event");
  file.CreateNtupleFColumn("hit_energy", energy_);
  file.CreateNtupleFColumn("hit_x", x_);
  file.CreateNtupleFColumn("hit_y", y_);
  file.CreateNtupleFColumn("hit_z", z_);
  file.CreateNtupleIColumn("hit_layer", section_);
  file.FinishNtuple();
}

void ShowerFile::write(const G4String& path, const std::vector<Shower>& showers) {
  G4RootAnalysisManager& file = *G4RootAnalysisManager::Instance();
  bool written = file.OpenFile(path);
  for (const Shower& shower : showers) {
    energy_ = shower.energies;
    x_.clear();
    y_.clear();
    z_.clear();
    section_.clear();
    for (const int cell : shower.cells) {
      const G4ThreeVector centre = readout::centre(cell);
      x_.push_back(static_cast<float>(centre.x() / mm));
      y_.push_back(static_cast<float>(centre.y() / mm));
      z_.push_back(static_cast<float>(centre.z() / mm));
      section_.push_back(readout::section(cell));
    }
    file.FillNtupleFColumn(0, shower.energy);
    file.FillNtupleFColumn(1, shower.theta);
    file.FillNtupleFColumn(2, shower.phi);
    file.FillNtupleIColumn(3, shower.event);
    written = written && file.AddNtupleRow();
  }
  written = written && file.Write() && file.CloseFile();
  if (!written) {
    G4Exception("ShowerFile", "Output", FatalException, ("cannot write " + path).c_str());
  }
}

RunAction::RunAction(const Settings& settings, ShowerTally& tally)
    : settings_(settings), tally_(tally) {
  if (IsMaster()) file_ = std::make_unique<ShowerFile>();
}

G4Run* RunAction::GenerateRun() { return new ShowerRun; }

void RunAction::BeginOfRunAction(const G4Run*) {
  // As /param/ActivateModel and /param/InActivateModel would, in each thread.
  auto& models = *G4GlobalFastSimulationManager::GetGlobalFastSimulationManager();
  if (settings_.fast) {
    models.ActivateFastSimulationModel("showers");
  } else if (settings_.has_generator) {
    models.InActivateFastSimulationModel("showers");
  }
  if (!IsMaster()) return;
  // Before the work, not after it: Geant4 crashes on a file that it cannot open.
  if (!std::ofstream(settings_.output, std::ios::app)) {
    const std::string why = std::generic_category().message(errno);
    G4Exception("RunAction", "Output", FatalException,
                ("cannot write " + settings_.output + ": " + why).c_str());
  }
  tally_.generated = tally_.other_conditions = tally_.other_entry = 0;
  start_ = std::chrono::steady_clock::now();
  processor_start_ = std::clock();
}

void RunAction::EndOfRunAction(const G4Run* run) {
  if (!IsMaster()) return;
  std::vector<Shower> showers = static_cast<const ShowerRun*>(run)->showers;
  std::sort(showers.begin(), showers.end(),
            [](const Shower& a, const Shower& b) { return a.event < b.event; });
  report(showers);
  file_->write(settings_.output, showers);
  std::cerr << "wrote " << settings_.output << '\n';
}

void RunAction::report(const std::vector<Shower>& showers) const {
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start_;
  const double processor =
      static_cast<double>(std::clock() - processor_start_) / static_cast<double>(CLOCKS_PER_SEC);
  double visible = 0;  // sum of the showers' fractions
  for (const Shower& shower : showers) {
    double sum = 0;
    for (const float energy : shower.energies) sum += static_cast<double>(energy);
    visible += sum * MeV / (static_cast<double>(shower.energy) * GeV);
  }
  const auto n = static_cast<double>(showers.size());
  std::cerr << showers.size() << " photons in " << time.count() << " s, " << processor
            << " s of processor time: " << tally_.generated << " showers by the generator, "
            << showers.size() - tally_.generated << " in full simulation";
  if (tally_.other_conditions + tally_.other_entry > 0) {
    std::cerr << "\nwhat the generator was not trained on: " << tally_.other_conditions
              << " by energy or angle, " << tally_.other_entry << " by where they enter or lean to";
  }
  if (!showers.empty()) std::cerr << "\nvisible: " << visible / n << " of the energy, on average";
  std::cerr << '\n';
}

void Actions::BuildForMaster() const { SetUserAction(new RunAction(settings_, tally_)); }

void Actions::Build() const {
  SetUserAction(new Photons(settings_));
  SetUserAction(new RunAction(settings_, tally_));
}
