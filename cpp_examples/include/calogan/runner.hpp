// calogan runner: calorimeter showers from a trained generator, in C++17.
//
//   const auto generator = calogan::Generator::load("generator.json");
//   std::vector<float> energies(generator.n_voxels());                      // MeV
//   generator.generate({10.0, 0.1}, /*seed*/ 1, /*event*/ 0, energies.data());  // 10 GeV, 0.1 rad
//
// This is the public interface in C++, with bundle.hpp for many generators in one folder; runner.h is
// the one in C. It needs nothing but the standard library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// What a shared library shows of itself.
#if defined(__GNUC__)
#define CALOGAN_PUBLIC __attribute__((visibility("default")))
#else
#define CALOGAN_PUBLIC
#endif

namespace calogan {

/// Everything that this library throws on purpose (std::bad_alloc aside). what() says what was
/// found, what was expected, and where.
class CALOGAN_PUBLIC Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The library's version, such as "0.1.0".
CALOGAN_PUBLIC std::string_view version() noexcept;

/// A view of contiguous numbers that are owned elsewhere; made from a pointer and a size, a vector,
/// an array, or a braced list within a call.
class Span {
 public:
  constexpr Span(const double* data, std::size_t size) noexcept : data_(data), size_(size) {}
  Span(const std::vector<double>& values) noexcept : Span(values.data(), values.size()) {}
  template <std::size_t N>
  constexpr Span(const double (&values)[N]) noexcept : Span(values, N) {}
  // A list's numbers live until the end of the full expression, which is as long as a call needs.
  Span(std::initializer_list<double> values) noexcept : Span(values.begin(), values.size()) {}

  constexpr const double* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr double operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  const double* data_;
  std::size_t size_;
};

/// A value that a condition may take, and what users call it.
struct Label {
  double value;      ///< a whole number, such as a particle's PDG code
  std::string name;  ///< "e-"
};

/// One quantity that a shower is conditioned on, and the range that the training covered.
struct Condition {
  std::string name;  ///< "energy" (always the first), "theta", ...
  std::string unit;  ///< unit of low, high and of the values given to generate(): GeV, rad, ...
  double low;
  double high;
  bool logarithmic;  ///< the network sees the logarithm, and draws in [low, high] are log-uniform
  /// Not empty: only these values are taken, extrapolation or not; low and high are the least and the
  /// greatest of them, and there is no unit.
  std::vector<Label> labels;
};

/// One cell (voxel) of the calorimeter. Positions are in the model's frame: that of the showers it
/// was trained on. Of a fixed calorimeter, such as the LAr sections in data/lar_photons, this is the
/// detector's frame: particles enter at (0, 0, -240) mm, and theta tilts them towards +y. Cells that
/// follow the particle, as in Geant4's Par04 and the CaloChallenge, have their z axis along it and
/// begin at the origin. Placement takes either to where a particle is.
struct Cell {
  double x;             ///< mm, centre, of cylindrical layers too; of a whole ring, its axis: 0, 0
  double y;             ///< mm
  double z;             ///< mm; NaN where the model does not say
  std::uint32_t layer;  ///< number of the calorimeter layer
  std::uint32_t index;  ///< number of the cell within its layer
};

/// A position in mm, or a direction of any length.
struct Vector {
  double x;
  double y;
  double z;
};

/// Where the model's frame stands in the host's: a rotation, then a shift. A cell without a z (NaN)
/// has no position in the host's frame.
class CALOGAN_PUBLIC Placement {
 public:
  /// The model's frame itself.
  Placement() = default;

  /// For cells that follow the particle. The model's z axis points along `direction`; with theta and
  /// phi its polar angles, the rotation is Rz(phi) Ry(theta), as in Geant4's Par04: the x axis points
  /// to growing theta, the y axis to growing phi. The model's point `entry` comes to `point`.
  /// Throws Error for what is not finite, and for a direction of length 0.
  static Placement along(Vector point, Vector direction, Vector entry = {0, 0, 0});

  /// For a fixed calorimeter whose angle to the particle is a condition of the model. Its z axis
  /// points along `normal` (into the calorimeter), its y axis to the side where `lean`, as a rule the
  /// particle's direction, departs from it; to growing phi of the normal if the two are parallel.
  static Placement facing(Vector point, Vector normal, Vector lean, Vector entry = {0, 0, 0});

  /// A position of the model's frame in the host's.
  Vector operator()(Vector p) const noexcept {
    return {rotation_[0] * p.x + rotation_[1] * p.y + rotation_[2] * p.z + shift_.x,
            rotation_[3] * p.x + rotation_[4] * p.y + rotation_[5] * p.z + shift_.y,
            rotation_[6] * p.x + rotation_[7] * p.y + rotation_[8] * p.z + shift_.z};
  }
  Vector centre(const Cell& cell) const noexcept { return (*this)({cell.x, cell.y, cell.z}); }

  /// position in the host's frame = rotation (by rows) * position in the model's + shift.
  const std::array<double, 9>& rotation() const noexcept { return rotation_; }
  Vector shift() const noexcept { return shift_; }

 private:
  Placement(Vector x, Vector y, Vector z, Vector point, Vector entry);

  std::array<double, 9> rotation_ = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  Vector shift_ = {0, 0, 0};
};

/// How the weights of a compiled model are kept: exactly, or in a half or a quarter of the memory,
/// rounded. cpp_examples/benchmark/README.md has what rounding costs.
enum class Weights { float32, bfloat16, int8 };

/// A trained generator of showers.
///
/// Cheap to copy: copies share the weights, which never change after load(). Every const member may
/// be called from any number of threads at once. After the first call in a thread, generating
/// allocates no memory.
///
/// Random numbers are counter-based (Philox4x32-10, key = seed, counter = event number), so a shower
/// depends on its conditions, the seed and its event number alone: not on the batch it was made in,
/// the thread, or the showers made before. On machines of different instruction sets the last
/// digits of an energy (about one part in 1e6) may differ.
class CALOGAN_PUBLIC Generator {
 public:
  /// Reads a model file: lwtnn graph JSON with a "calogan" block, or what compile() made of one, which
  /// is recognised by its first bytes. Checks all of it, and replays the self-test cases it contains.
  /// The weights of a compiled model are used where they are in the file, which is mapped into memory
  /// and must not be changed in place (to replace it by another is safe). Throws Error.
  static Generator load(const std::string& path);

  /// The same from memory, which is needed no longer afterwards; `name` stands for the file's name in
  /// errors.
  static Generator parse(std::string_view model, const std::string& name = "model");

  /// Makes of a JSON model a file that load() takes in a few milliseconds, and that processes on one
  /// machine share in memory. It is for this version of the runner, and machines of this byte order;
  /// others refuse it. The file appears whole or not at all. Throws Error.
  static void compile(const std::string& json_path, const std::string& compiled_path,
                      Weights weights = Weights::float32);

  /// What this was compiled to, and the SHA-256 of the JSON file, in hexadecimal; of a JSON model,
  /// float32 and empty.
  Weights weights() const noexcept;
  const std::string& json_sha256() const noexcept;

  const std::string& name() const noexcept;
  const std::vector<Condition>& conditions() const noexcept;
  std::size_t n_voxels() const noexcept;
  std::size_t latent_size() const noexcept;

  /// The cells, in the order of the energies that generate() writes; n_voxels() of them.
  const std::vector<Cell>& cells() const noexcept;

  /// Names of the calorimeter layers.
  const std::vector<std::string>& layers() const noexcept;

  /// The geometry, as the JSON text of the model file.
  const std::string& geometry_json() const noexcept;

  /// SHA-256 of the weights, and of each file of simulation that they were trained on, in
  /// hexadecimal; empty where the model file does not say.
  const std::string& weights_sha256() const noexcept;
  const std::vector<std::string>& inputs_sha256() const noexcept;

  /// Energies below this become 0, MeV. The model file's value unless changed; 0 keeps all.
  double readout_threshold() const noexcept { return threshold_; }
  void set_readout_threshold(double mev);

  /// Whether conditions outside the trained range are taken (at your own risk) or refused, which is
  /// the default. NaN, infinities, and energies of 0 or less are always refused.
  bool allows_extrapolation() const noexcept { return extrapolate_; }
  void allow_extrapolation(bool allow = true) noexcept { extrapolate_ = allow; }

  /// Throws Error unless these are conditions that generate() takes.
  void check_conditions(Span conditions) const;

  /// Makes one shower.
  ///
  /// conditions: one value per condition, in their order and physical units.
  /// energies_mev: n_voxels() energies are written here, in MeV.
  void generate(Span conditions, std::uint64_t seed, std::uint64_t event_number,
                float* energies_mev) const;

  /// Makes n showers, event numbers first_event .. first_event + n - 1; quicker than one by one.
  ///
  /// conditions: n x conditions().size() values, one shower after another.
  /// energies_mev: n x n_voxels() energies are written here, in MeV.
  void generate(std::size_t n, Span conditions, std::uint64_t seed, std::uint64_t first_event,
                float* energies_mev) const;

  /// Makes n showers, event numbers first_event .. first_event + n - 1, and gives only the cells over
  /// the readout threshold (and over 0): their energies are those of generate(), bit for bit.
  ///
  /// cells, energies_mev: room for n x n_voxels() entries each. One shower's cells after another's,
  ///   their numbers (indices of cells()) increasing within a shower.
  /// offsets: n + 1 entries; those of shower i are offsets[i] .. offsets[i + 1] - 1. May be null.
  /// Returns the number of entries written, which is offsets[n].
  std::size_t generate_sparse(std::size_t n, Span conditions, std::uint64_t seed,
                              std::uint64_t first_event, std::uint32_t* cells, float* energies_mev,
                              std::size_t* offsets) const;

  /// The same for one shower; returns how many cells it has.
  std::size_t generate_sparse(Span conditions, std::uint64_t seed, std::uint64_t event_number,
                              std::uint32_t* cells, float* energies_mev) const {
    return generate_sparse(1, conditions, seed, event_number, cells, energies_mev, nullptr);
  }

  /// Makes n showers from the caller's own random numbers.
  ///
  /// latents: n x latent_size() values as the network's inputs take them: independent normal
  /// deviates of latent_mean() and latent_std(). Where several inputs take latents, a shower's are
  /// side by side in the order of the model file's calogan.latent.nodes.
  void generate_from(std::size_t n, Span conditions, const float* latents,
                     float* energies_mev) const;
  std::size_t generate_sparse_from(std::size_t n, Span conditions, const float* latents,
                                   std::uint32_t* cells, float* energies_mev,
                                   std::size_t* offsets) const;

  double latent_mean() const noexcept;
  double latent_std() const noexcept;

  /// Writes the latents that generate() uses for one event: latent_size() values.
  void draw_latents(std::uint64_t seed, std::uint64_t event_number, float* latents) const;

  /// The same from the host's engine: `normal()` gives one standard normal deviate, as in
  /// draw_latents([] { return G4RandGauss::shoot(); }, latents). Called latent_size() times.
  template <class Normal>
  void draw_latents(Normal&& normal, float* latents) const {
    const std::size_t n = latent_size();
    for (std::size_t i = 0; i < n; ++i) {
      latents[i] = static_cast<float>(latent_mean() + latent_std() * static_cast<double>(normal()));
    }
  }

  /// The bare network: n x n_outputs() fractions of the incident energy, in the order of the
  /// model's output labels (each layer's cells, then its leftover output if it has one).
  /// Conditions are checked as in generate(); no threshold is applied.
  void evaluate(std::size_t n, Span conditions, const float* latents, float* fractions) const;
  std::size_t n_outputs() const noexcept;

  /// What the replay of the self-test found: how many cases, and the largest deviation in units of
  /// the tolerance (1e-3 relative plus 1e-7 absolute, of leftover outputs 1e-5; where weights are
  /// rounded, 0.5 plus 1e-3, of leftover outputs 0.1); always below 1.
  std::size_t n_self_tests() const noexcept;
  double self_test_deviation() const noexcept;

 private:
  struct Model;
  explicit Generator(std::shared_ptr<const Model> model);

  std::shared_ptr<const Model> model_;
  double threshold_;
  bool extrapolate_ = false;
};

}  // namespace calogan
