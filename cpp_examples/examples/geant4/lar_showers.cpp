// Photons into a lead / liquid-argon calorimeter, in full simulation or with a generator's showers.
#include "calorimeter.hpp"
#include "run.hpp"

#include <calogan/runner.hpp>

#include <G4FastSimulationPhysics.hh>
#include <G4PhysListFactory.hh>
#include <G4RunManager.hh>
#include <G4RunManagerFactory.hh>
#include <G4UImanager.hh>
#include <G4VModularPhysicsList.hh>
#include <Randomize.hh>

// Electromagnetic physics that needs no data files, where this Geant4 comes with it.
#if __has_include(<EmStandalone.hh>)
#include <EmStandalone.hh>
#define HAS_EM_STANDALONE
#endif

#include <charconv>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

#ifdef HAS_EM_STANDALONE
constexpr const char* standard_physics = "EmStandalone";
#else
constexpr const char* standard_physics = "FTFP_BERT";
#endif

constexpr const char* help_text =
    R"(Photons into a lead / liquid-argon calorimeter, in full simulation or with a generator's showers.

usage: lar_showers [options] MACRO

  MACRO            a file of Geant4 commands; full.mac and fast.mac lie beside the program

options
  --model FILE     a generator, JSON or compiled, for the showers of fast simulation
  --seed S         default 1; same seed, same showers, whatever --threads is
  --threads N      default 1
  --physics LIST   a physics list of Geant4, such as FTFP_BERT; default here: )";

constexpr const char* help_commands = R"(
  --help           this text

commands for macros, besides Geant4's own
  /lar/simulation full|fast        with fast, the generator makes the showers; at first full
  /lar/energy LOW HIGH UNIT        photons' energies, log-uniform; at first 1 50 GeV
  /lar/theta LOW HIGH UNIT         angles to the face's normal, uniform; at first 0 20 deg
  /lar/phi LOW HIGH UNIT           to which side they lean; at first 90 90 deg, +y
  /lar/entry X Y UNIT              where they enter, from the face's middle; at first 0 0 mm
  /lar/output FILE.root            where the next run's showers go; at first showers.root
  /run/beamOn N                    N photons

Photons that the generator was not trained on are simulated in full; how many they were is said after
the run, on standard error. Geant4's own words are on standard output; with --physics EmStandalone
there are none.

exit status
  0  done
  1  an error that is not in what was given
  2  something given cannot be used: an option, a model, a macro or a command in it
)";

// Something given that cannot be used.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  std::string macro;
  std::string model;
  std::string physics = standard_physics;
  long seed = 1;
  int threads = 1;
  bool help = false;
};

template <class Integer>
Integer whole_number(std::string_view name, std::string_view value, Integer most) {
  Integer out = 0;
  const char* const end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, out);
  if (result.ec != std::errc() || result.ptr != end || out < 1 || out > most) {
    throw Refused(std::string(name) + " is \"" + std::string(value) +
                  "\", expected a whole number from 1 to " + std::to_string(most));
  }
  return out;
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (name.substr(0, 1) != "-") {
      if (!options.macro.empty()) {
        throw Refused("got two macros, " + options.macro + " and " + std::string(name));
      }
      options.macro = name;
      continue;
    }
    const bool known =
        name == "--model" || name == "--seed" || name == "--threads" || name == "--physics";
    if (!known) throw Refused("no option " + std::string(name) + "; --help lists them");
    if (++i == argc) throw Refused(std::string(name) + " needs a value");
    if (name == "--model") options.model = argv[i];
    if (name == "--physics") options.physics = argv[i];
    if (name == "--seed") options.seed = whole_number(name, argv[i], 2147483647L);
    if (name == "--threads") options.threads = whole_number(name, argv[i], 1024);
  }
  if (options.macro.empty()) throw Refused("no macro; --help says what can be in it");
  return options;
}

G4VModularPhysicsList* make_physics(const std::string& name) {
  G4VModularPhysicsList* physics = nullptr;
#ifdef HAS_EM_STANDALONE
  if (name == "EmStandalone") {
    physics = new EmStandaloneList;
    // Its bremsstrahlung, in Geant4 11.4, prints numbers of every photon.
    std::cout.setstate(std::ios_base::failbit);
  }
#endif
  if (!physics) {
    G4PhysListFactory lists(/*verbose=*/0);
    if (!lists.IsReferencePhysList(name)) {
      throw Refused("Geant4 has no physics list " + name + "; FTFP_BERT is its usual one");
    }
    physics = lists.GetReferencePhysList(name);
  }
  auto* const fast = new G4FastSimulationPhysics;
  fast->ActivateFastSimulation("gamma");
  physics->RegisterPhysics(fast);
  return physics;
}

void simulate(const Options& options) {
  std::optional<calogan::Generator> generator;
  if (!options.model.empty()) generator = calogan::Generator::load(options.model);

  Settings settings{generator.has_value()};
  ShowerTally tally;
  // With one thread too: Geant4's main thread then hands each event its own seeds.
  const std::unique_ptr<G4RunManager> run_manager(
      G4RunManagerFactory::CreateRunManager(G4RunManagerType::MT, nullptr, false, options.threads));
  G4Random::setTheSeed(options.seed);
  run_manager->SetUserInitialization(new Calorimeter(generator, tally));
  run_manager->SetUserInitialization(make_physics(options.physics));
  run_manager->SetUserInitialization(new Actions(settings, tally));
  const Commands commands(settings);
  run_manager->Initialize();

  G4UImanager& ui = *G4UImanager::GetUIpointer();
  ui.SetIgnoreCmdNotFound(false);
  ui.ApplyCommand("/control/execute " + options.macro);
  if (ui.GetLastReturnCode() != fCommandSucceeded) {
    throw Refused(options.macro + " was not run to its end, see above");
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse_options(argc, argv);
  if (options.help) {
    std::cout << help_text << standard_physics << help_commands;
    return 0;
  }
  simulate(options);
} catch (const Refused& error) {
  std::cerr << "lar_showers: " << error.what() << '\n';
  return 2;
} catch (const calogan::Error& error) {
  std::cerr << "lar_showers: " << error.what() << '\n';
  return 2;
} catch (const std::exception& error) {
  std::cerr << "lar_showers: " << error.what() << '\n';
  return 1;
}
