#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "compiled_model.hpp"
#include "calogan/runner.hpp"
#include "file.hpp"
#include "model_file.hpp"
#include "network.hpp"
#include "random.hpp"
#include "text.hpp"

namespace calogan {

namespace {

using detail::fail;
using detail::ModelFile;
using detail::Network;

// How closely the self-test has to be met. A leftover output (a layer's energy logit times its gate)
// is no fraction and may be near 0 by cancellation; it is not used, so 1e-5 absolute will do.
//
// The expected values were computed in double precision. A long-trained network's logits are sums of
// large terms, and in single precision those leave some 1e-4 of a small fraction to rounding,
// whoever computes it. A damaged weight is off by far more.
//
// Rounded weights give other fractions; what is left to find is a conversion gone wrong, since the
// checksum of a compiled model shows damage.
struct Tolerance {
  double relative;
  double absolute;
  double leftover;
};

Tolerance tolerance_of(Weights weights) {
  if (weights == Weights::float32) return {1e-3, 1e-7, 1e-5};
  return {0.5, 1e-3, 0.1};
}

detail::Storage to_storage(Weights weights) {
  switch (weights) {
    case Weights::float32:
      return detail::Storage::float32;
    case Weights::bfloat16:
      return detail::Storage::bfloat16;
    case Weights::int8:
      return detail::Storage::int8;
  }
  fail("weights are kept as float32, bfloat16 or int8");
}

Weights to_weights(detail::Storage storage) {
  switch (storage) {
    case detail::Storage::bfloat16:
      return Weights::bfloat16;
    case detail::Storage::int8:
      return Weights::int8;
    default:
      return Weights::float32;
  }
}

// Memory for one block of showers, kept by each thread for its next call, whichever generator that
// is for. Aligned to a cache line.
class Workspace {
 public:
  float* at_least(std::size_t n) {
    if (n > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<float*>(::operator new(n * sizeof(float), alignment)));
      size_ = n;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(float* p) const noexcept { ::operator delete(p, alignment); }
  };
  std::unique_ptr<float, Free> memory_;
  std::size_t size_ = 0;
};

// Values that went through single precision may be beyond the range by a rounding error: a part in
// 1e4 of half the range, on the condition's scale, is let pass.
bool outside(const Condition& condition, double value) {
  if (value >= condition.low && value <= condition.high) return false;
  const auto on_scale = [&](double v) { return condition.logarithmic ? std::log(v) : v; };
  const double low = on_scale(condition.low);
  const double high = on_scale(condition.high);
  return std::abs(2 * on_scale(value) - low - high) > (1 + 1e-4) * (high - low);
}

// Cells that stand next to each other both in the network's output and in the shower.
struct Run {
  std::size_t output;
  std::size_t voxel;
  std::size_t n;
};

// The number after `prefix`, if that is what the label consists of.
bool label_number(std::string_view label, std::string_view prefix, std::size_t& number) {
  if (label.size() <= prefix.size() || label.substr(0, prefix.size()) != prefix) return false;
  const char* const end = label.data() + label.size();
  const auto result = std::from_chars(label.data() + prefix.size(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

std::vector<Run> match_labels(const ModelFile& file, const std::string& source,
                              std::size_t n_voxels) {
  std::vector<Run> runs;
  std::size_t voxel = 0;
  for (std::size_t i = 0; i < file.labels.size(); ++i) {
    const std::string& label = file.labels[i];
    std::size_t number = 0;
    if (label_number(label, "unused_layer_", number) && number < file.geometry.size()) continue;
    if (!label_number(label, "voxel_", number) || number != voxel) {
      fail(source, ": output label ", i, " is \"", label, "\", expected \"voxel_", voxel,
           "\" (or \"unused_layer_0\" .. \"unused_layer_", file.geometry.size() - 1, "\")");
    }
    if (runs.empty() || runs.back().output + runs.back().n != i) runs.push_back({i, voxel, 0});
    ++runs.back().n;
    ++voxel;
  }
  if (voxel != n_voxels) {
    fail(source, ": the output has ", voxel, " voxels, the geometry has ", n_voxels);
  }
  return runs;
}

constexpr double full_turn = 6.283185307179586;

std::vector<Cell> make_cells(const ModelFile& file, const std::string& source) {
  std::size_t n_cells = 0;
  for (const detail::CalorimeterLayer& layer : file.geometry) n_cells += layer.n_cells();
  // Few edges can make many cells: there is to be a label for each before memory is taken for them.
  if (n_cells > file.labels.size()) {
    fail(source, ": the output has ", file.labels.size(), " labels, the geometry has ", n_cells,
         " cells");
  }
  const auto middle = [](const std::vector<double>& edges, std::size_t i) {
    return 0.5 * (edges[i] + edges[i + 1]);
  };
  std::vector<Cell> cells;
  cells.reserve(n_cells);
  for (std::size_t number = 0; number < file.geometry.size(); ++number) {
    const detail::CalorimeterLayer& layer = file.geometry[number];
    const std::size_t n_first = layer.first_edges.size() - 1;
    const std::size_t n_second = layer.second_edges.size() - 1;
    // A ring's middle angle says nothing: it would put the centre to one side.
    const bool ring = layer.cylindrical && n_second == 1 &&
                      layer.second_edges[1] - layer.second_edges[0] > full_turn * (1 - 1e-6);
    for (std::size_t i = 0; i < n_first * n_second; ++i) {
      const double a = middle(layer.first_edges, file.first_fastest ? i % n_first : i / n_second);
      const double b = middle(layer.second_edges, file.first_fastest ? i / n_first : i % n_second);
      Cell cell{a, b, layer.z, static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(i)};
      if (layer.cylindrical) {
        cell.x = ring ? 0.0 : a * std::cos(b);
        cell.y = ring ? 0.0 : a * std::sin(b);
      }
      cells.push_back(cell);
    }
  }
  return cells;
}

// An input of the graph that takes some of a shower's latents.
struct LatentInput {
  std::size_t input;  // its number
  std::size_t first;  // of its latents among all of the shower's
  std::vector<detail::Variable> variables;
};

}  // namespace

// A member of a public class would be public too.
#if defined(__GNUC__)
#define CALOGAN_HIDDEN __attribute__((visibility("hidden")))
#else
#define CALOGAN_HIDDEN
#endif

struct CALOGAN_HIDDEN Generator::Model {
  std::string name;
  std::vector<Condition> conditions;
  std::vector<Cell> cells;
  std::vector<std::string> layers;
  std::string geometry_json;
  std::string weights_sha256;
  std::vector<std::string> inputs_sha256;
  double readout_threshold;
  double latent_mean;
  double latent_std;
  std::vector<LatentInput> latent_inputs;
  std::size_t latent_size;
  std::size_t conditions_input;  // number of the graph's input
  std::vector<detail::Variable> condition_variables;
  std::vector<Run> runs;
  Network network;
  std::size_t n_self_tests = 0;
  double self_test_deviation = 0;

  Weights weights;
  std::string json_sha256;

  static std::shared_ptr<const Model> of(detail::CompiledModel compiled, const std::string& source);
  static std::shared_ptr<const Model> of(ModelFile file, const std::string& source);

  Model(ModelFile& file, detail::Plan plan, const std::string& source,
        Weights kept = Weights::float32, std::string sha256 = {});

  float* workspace() const {
    thread_local Workspace workspace;
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): the memory that was freed is replaced
    return workspace.at_least(network.workspace_size());
  }

  void check(Span values, std::size_t shower, bool extrapolate) const;
  void check_count(Span values, std::size_t n, bool extrapolate) const;
  void write_conditions(Network::Columns columns, std::size_t n, const double* values) const;
  template <class Get>
  void write_latents(float* memory, std::size_t start, std::size_t n, Get get) const;
  void replay(const std::vector<detail::SelfTest>& tests, const std::string& source);

  // For each block of showers: get(shower, first, n, out) writes n of a shower's latents from the one
  // numbered `first`, use(first, n, fractions) takes the result.
  template <class Get, class Use>
  void run(std::size_t n, const double* values, Get get, Use use) const {
    float* const memory = workspace();
    const Network::Columns inputs = network.input(conditions_input, memory);
    for (std::size_t first = 0; first < n; first += network.block()) {
      const std::size_t count = std::min(network.block(), n - first);
      write_latents(memory, first, count, get);
      write_conditions(inputs, count, values + first * conditions.size());
      use(first, count, network.run(memory, count));
    }
  }

  // A `get` that takes the latents from an array.
  auto from_array(const float* latents) const {
    return [=](std::size_t shower, std::size_t first, std::size_t n, float* out) {
      std::copy_n(latents + shower * latent_size + first, n, out);
    };
  }

  // A `get` that draws them.
  auto drawn(std::uint64_t seed, std::uint64_t first_event) const {
    return [=](std::size_t shower, std::size_t first, std::size_t n, float* out) {
      detail::normals(seed, first_event + shower, latent_mean, latent_std, first, n, out);
    };
  }

  // A `use` that writes energies.
  auto into_energies(const double* values, double threshold, float* energies) const {
    return [=](std::size_t first, std::size_t n, Network::Columns fractions) {
      to_energies(fractions, n, values + first * conditions.size(), threshold,
                  energies + first * cells.size());
    };
  }

  // A `use` that writes the cells over the threshold, after the first `total` entries.
  auto into_cells(const double* values, double threshold, std::uint32_t* numbers, float* energies,
                  std::size_t* offsets, std::size_t& total) const {
    return [=, &total](std::size_t first, std::size_t n, Network::Columns fractions) {
      for (std::size_t i = 0; i < n; ++i) {
        total += to_cells(fractions.data + i * fractions.stride,
                          values[(first + i) * conditions.size()], threshold, numbers + total,
                          energies + total);
        if (offsets != nullptr) offsets[first + i + 1] = total;
      }
    };
  }

  void to_energies(Network::Columns fractions, std::size_t n, const double* values, double threshold,
                   float* energies) const;
  std::size_t to_cells(const float* fractions, double energy, double threshold,
                       std::uint32_t* numbers, float* energies) const;
  void check_sum(float sum, float incident) const;
};

Generator::Model::Model(ModelFile& file, detail::Plan plan, const std::string& source, Weights kept,
                        std::string sha256)
    : name(file.name),
      conditions(file.conditions),
      cells(make_cells(file, source)),
      geometry_json(file.geometry_json),
      weights_sha256(file.weights_sha256),
      inputs_sha256(file.inputs_sha256),
      readout_threshold(file.readout_threshold),
      latent_mean(file.latent_mean),
      latent_std(file.latent_std),
      latent_size(file.latent_size),
      conditions_input(file.conditions_input),
      condition_variables(file.inputs[conditions_input].variables),
      runs(match_labels(file, source, cells.size())),
      network(std::move(plan), source),
      weights(kept),
      json_sha256(std::move(sha256)) {
  for (const detail::CalorimeterLayer& layer : file.geometry) layers.push_back(layer.name);

  const auto check_names = [&](std::size_t input, auto expected_name) {
    const auto& variables = file.inputs[input].variables;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (variables[i].name != expected_name(i)) {
        fail(source, ": field inputs[", input, "].variables[", i, "].name is \"", variables[i].name,
             "\", expected \"", expected_name(i), "\"");
      }
    }
  };
  std::size_t first = 0;
  for (const std::size_t input : file.latent_inputs) {
    const detail::InputNode& node = file.inputs[input];
    check_names(input, [&](std::size_t i) { return detail::text(node.name, "_", i); });
    latent_inputs.push_back({input, first, node.variables});
    first += node.variables.size();
  }
  if (condition_variables.size() != conditions.size()) {
    fail(source, ": input \"", file.inputs[conditions_input].name, "\" has ",
         condition_variables.size(), " variables, the calogan block says ", conditions.size());
  }
  check_names(conditions_input, [&](std::size_t i) {
    return (conditions[i].logarithmic ? "log_" : "") + conditions[i].name;
  });
  replay(file.self_tests, source);
}

void Generator::Model::check(Span values, std::size_t shower, bool extrapolate) const {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const Condition& condition = conditions[i];
    const double value = values[i];
    if (!std::isfinite(value)) {
      fail("shower ", shower, ": ", condition.name, " is ", value, ", expected a finite number of ",
           condition.unit);
    }
    if (value <= 0 && (i == 0 || condition.logarithmic)) {
      fail("shower ", shower, ": ", condition.name, " is ", value, " ", condition.unit,
           ", expected more than 0");
    }
    if (!extrapolate && outside(condition, value)) {
      fail("generator ", name, " takes ", condition.name, " ", condition.low, "..", condition.high,
           " ", condition.unit, ", was asked for ", value, " ", condition.unit,
           "; allow extrapolation to try");
    }
  }
}

void Generator::Model::check_count(Span values, std::size_t n, bool extrapolate) const {
  if (values.size() != n * conditions.size()) {
    std::string names;
    for (const Condition& condition : conditions) {
      names += (names.empty() ? "" : ", ") + condition.name;
    }
    fail("got ", values.size(), " condition values for ", n, n == 1 ? " shower" : " showers",
         ", expected ", conditions.size(), " each (", names, ")");
  }
  for (std::size_t i = 0; i < n; ++i) {
    check({values.data() + i * conditions.size(), conditions.size()}, i, extrapolate);
  }
}

void Generator::Model::write_conditions(Network::Columns columns, std::size_t n,
                                        const double* values) const {
  for (std::size_t shower = 0; shower < n; ++shower) {
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      const double value = *values++;
      const double variable = conditions[i].logarithmic ? std::log(value) : value;
      columns.data[shower * columns.stride + i] = static_cast<float>(
          (variable + condition_variables[i].offset) * condition_variables[i].scale);
    }
  }
}

template <class Get>
void Generator::Model::write_latents(float* memory, std::size_t start, std::size_t n,
                                     Get get) const {
  for (const LatentInput& part : latent_inputs) {
    const Network::Columns columns = network.input(part.input, memory);
    for (std::size_t shower = 0; shower < n; ++shower) {
      float* const column = columns.data + shower * columns.stride;
      get(start + shower, part.first, part.variables.size(), column);
      for (std::size_t i = 0; i < part.variables.size(); ++i) {
        const detail::Variable& variable = part.variables[i];
        column[i] = static_cast<float>((column[i] + variable.offset) * variable.scale);
      }
    }
  }
}

void Generator::Model::to_energies(Network::Columns fractions, std::size_t n, const double* values,
                                   double threshold, float* energies) const {
  for (std::size_t shower = 0; shower < n; ++shower) {
    const float* const from = fractions.data + shower * fractions.stride;
    float* const to = energies + shower * cells.size();
    const auto incident = static_cast<float>(values[shower * conditions.size()] * 1000.0);  // MeV
    const auto cut = static_cast<float>(threshold);
    float sum = 0;
    for (const Run& run : runs) {
      for (std::size_t i = 0; i < run.n; ++i) {
        const float energy = from[run.output + i] * incident;
        sum += energy;
        to[run.voxel + i] = energy >= cut && energy > 0 ? energy : 0.0f;
      }
    }
    check_sum(sum, incident);
  }
}

// One shower's cells over the threshold; returns how many.
std::size_t Generator::Model::to_cells(const float* fractions, double energy, double threshold,
                                       std::uint32_t* numbers, float* energies) const {
  const auto incident = static_cast<float>(energy * 1000.0);  // MeV
  const auto cut = static_cast<float>(threshold);
  std::size_t found = 0;
  float sum = 0;
  for (const Run& run : runs) {
    for (std::size_t i = 0; i < run.n; ++i) {
      const float deposit = fractions[run.output + i] * incident;
      sum += deposit;
      // Written in any case, and kept if it counts: there is no branch to guess.
      numbers[found] = static_cast<std::uint32_t>(run.voxel + i);
      energies[found] = deposit;
      found += static_cast<std::size_t>((deposit >= cut) & (deposit > 0));
    }
  }
  check_sum(sum, incident);
  return found;
}

void Generator::Model::check_sum(float sum, float incident) const {
  if (!std::isfinite(sum)) {
    fail("generator ", name, " gave a sum of ", sum, " MeV for an energy of ", incident,
         " MeV; are the conditions far outside the trained range?");
  }
}

void Generator::Model::replay(const std::vector<detail::SelfTest>& tests,
                              const std::string& source) {
  const Tolerance tolerance = tolerance_of(weights);
  for (std::size_t t = 0; t < tests.size(); ++t) {
    const detail::SelfTest& test = tests[t];
    check_count(test.conditions, 1, /*extrapolate*/ true);
    const auto compare = [&](std::size_t, std::size_t, Network::Columns fractions) {
      auto next = runs.begin();
      for (std::size_t i = 0; i < test.fractions.size(); ++i) {
        const auto found = static_cast<double>(fractions.data[i]);
        const double expected = test.fractions[i];
        const bool leftover = next == runs.end() || i < next->output;
        if (!leftover && i + 1 == next->output + next->n) ++next;
        const double deviation =
            std::abs(found - expected) / ((leftover ? tolerance.leftover : tolerance.absolute) +
                                          tolerance.relative * std::abs(expected));
        if (!(deviation < 1)) {
          fail(source, ": self-test ", t, ": output ", i, " is ", found, ", expected ", expected,
               "; the file is damaged, or it asks for something that this runner computes otherwise");
        }
        self_test_deviation = std::max(self_test_deviation, deviation);
      }
    };
    run(1, test.conditions.data(), from_array(test.latent.data()), compare);
  }
  n_self_tests = tests.size();
}

// ---------------------------------------------------------------------------------------------

Generator::Generator(std::shared_ptr<const Model> model)
    : model_(std::move(model)), threshold_(model_->readout_threshold) {}

std::shared_ptr<const Generator::Model> Generator::Model::of(detail::CompiledModel compiled,
                                                            const std::string& source) {
  return std::make_shared<const Model>(compiled.file, std::move(compiled.plan), source,
                                       to_weights(compiled.storage),
                                       std::move(compiled.json_sha256));
}

std::shared_ptr<const Generator::Model> Generator::Model::of(ModelFile file,
                                                            const std::string& source) {
  detail::Plan plan = detail::Plan::make(file, source);
  return std::make_shared<const Model>(file, std::move(plan), source);
}

Generator Generator::load(const std::string& path) {
  const detail::File file(path);
  if (auto compiled = detail::open_compiled(file)) {
    return Generator(Model::of(std::move(*compiled), path));
  }
  return Generator(Model::of(detail::read_model(file), path));
}

Generator Generator::parse(std::string_view model, const std::string& name) {
  if (detail::is_compiled(model)) return Generator(Model::of(detail::copy_compiled(model, name), name));
  return Generator(Model::of(detail::parse_model(model, name), name));
}

void Generator::compile(const std::string& json_path, const std::string& compiled_path,
                        Weights weights) {
  const detail::File json(json_path);
  if (detail::open_compiled(json)) fail(json_path, ": this model is compiled already");
  if (detail::same_file(json_path, compiled_path)) {
    fail(json_path, " would be replaced by what is compiled from it; choose another name");
  }
  detail::Origin origin;
  ModelFile file = detail::read_model(json, origin);
  const detail::Storage storage = to_storage(weights);
  const detail::Plan plan = detail::Plan::make(file, json_path, storage);
  // What cannot be loaded is not written.
  const Model check(file, plan, json_path, weights);
  detail::write_compiled(compiled_path, origin, plan, storage);
}

Weights Generator::weights() const noexcept { return model_->weights; }
const std::string& Generator::json_sha256() const noexcept { return model_->json_sha256; }

const std::string& Generator::name() const noexcept { return model_->name; }
const std::vector<Condition>& Generator::conditions() const noexcept { return model_->conditions; }
std::size_t Generator::n_voxels() const noexcept { return model_->cells.size(); }
std::size_t Generator::latent_size() const noexcept { return model_->latent_size; }
std::size_t Generator::n_outputs() const noexcept { return model_->network.n_outputs(); }
const std::vector<Cell>& Generator::cells() const noexcept { return model_->cells; }
const std::vector<std::string>& Generator::layers() const noexcept { return model_->layers; }
const std::string& Generator::geometry_json() const noexcept { return model_->geometry_json; }
const std::string& Generator::weights_sha256() const noexcept { return model_->weights_sha256; }
const std::vector<std::string>& Generator::inputs_sha256() const noexcept {
  return model_->inputs_sha256;
}
double Generator::latent_mean() const noexcept { return model_->latent_mean; }
double Generator::latent_std() const noexcept { return model_->latent_std; }
std::size_t Generator::n_self_tests() const noexcept { return model_->n_self_tests; }
double Generator::self_test_deviation() const noexcept { return model_->self_test_deviation; }

void Generator::set_readout_threshold(double mev) {
  if (!(mev >= 0 && std::isfinite(mev))) {
    fail("the readout threshold is ", mev, " MeV, expected 0 or more");
  }
  threshold_ = mev;
}

void Generator::check_conditions(Span conditions) const {
  model_->check_count(conditions, 1, extrapolate_);
}

void Generator::generate(Span conditions, std::uint64_t seed, std::uint64_t event_number,
                         float* energies_mev) const {
  generate(1, conditions, seed, event_number, energies_mev);
}

void Generator::generate(std::size_t n, Span conditions, std::uint64_t seed,
                         std::uint64_t first_event, float* energies_mev) const {
  const Model& model = *model_;
  model.check_count(conditions, n, extrapolate_);
  model.run(n, conditions.data(), model.drawn(seed, first_event),
            model.into_energies(conditions.data(), threshold_, energies_mev));
}

void Generator::generate_from(std::size_t n, Span conditions, const float* latents,
                              float* energies_mev) const {
  const Model& model = *model_;
  model.check_count(conditions, n, extrapolate_);
  model.run(n, conditions.data(), model.from_array(latents),
            model.into_energies(conditions.data(), threshold_, energies_mev));
}

std::size_t Generator::generate_sparse(std::size_t n, Span conditions, std::uint64_t seed,
                                       std::uint64_t first_event, std::uint32_t* cells,
                                       float* energies_mev, std::size_t* offsets) const {
  const Model& model = *model_;
  model.check_count(conditions, n, extrapolate_);
  std::size_t total = 0;
  if (offsets != nullptr) offsets[0] = 0;
  model.run(n, conditions.data(), model.drawn(seed, first_event),
            model.into_cells(conditions.data(), threshold_, cells, energies_mev, offsets, total));
  return total;
}

std::size_t Generator::generate_sparse_from(std::size_t n, Span conditions, const float* latents,
                                            std::uint32_t* cells, float* energies_mev,
                                            std::size_t* offsets) const {
  const Model& model = *model_;
  model.check_count(conditions, n, extrapolate_);
  std::size_t total = 0;
  if (offsets != nullptr) offsets[0] = 0;
  model.run(n, conditions.data(), model.from_array(latents),
            model.into_cells(conditions.data(), threshold_, cells, energies_mev, offsets, total));
  return total;
}

void Generator::draw_latents(std::uint64_t seed, std::uint64_t event_number, float* latents) const {
  detail::normals(seed, event_number, model_->latent_mean, model_->latent_std, 0,
                  latent_size(), latents);
}

void Generator::evaluate(std::size_t n, Span conditions, const float* latents,
                         float* fractions) const {
  const Model& model = *model_;
  model.check_count(conditions, n, extrapolate_);
  const auto copy = [&](std::size_t first, std::size_t count, Network::Columns found) {
    for (std::size_t i = 0; i < count; ++i) {
      const float* const column = found.data + i * found.stride;
      std::copy(column, column + n_outputs(), fractions + (first + i) * n_outputs());
    }
  };
  model.run(n, conditions.data(), model.from_array(latents), copy);
}

std::string_view version() noexcept { return CALOGAN_VERSION; }

}  // namespace calogan
