#include "model.hpp"

#include <cmath>
#include <memory>
#include <new>

#include "text.hpp"

namespace calogan::detail {

namespace {

// Memory for one block of showers. Each thread keeps it for its next call, whichever generator that is
// for. Aligned to a cache line.
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

}  // namespace

Model::Model(const ModelFile& file, Plan plan, const std::string& source, Weights kept,
             std::string sha256)
    : name(file.name),
      cells(make_cells(file, source)),
      geometry_json(file.geometry_json),
      weights_sha256(file.weights_sha256),
      inputs_sha256(file.inputs_sha256),
      readout_threshold(file.readout_threshold),
      runs(match_labels(file, source, cells.size())),
      network(std::move(plan), source),
      inputs(file, source),
      weights(kept),
      json_sha256(std::move(sha256)) {
  for (const CalorimeterLayer& layer : file.geometry) layers.push_back(layer.name);
}

float* Model::workspace() const {
  thread_local Workspace workspace;
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): the memory that was freed is replaced
  return workspace.at_least(network.workspace_size());
}

void Model::to_energies(const float* fractions, double energy, double threshold,
                        float* energies) const {
  const auto incident = static_cast<float>(energy * 1000.0);  // MeV
  const auto cut = static_cast<float>(threshold);
  float sum = 0;
  for (const CellRun& run : runs) {
    for (std::size_t i = 0; i < run.n; ++i) {
      const float deposit = fractions[run.output + i] * incident;
      sum += deposit;
      energies[run.voxel + i] = deposit >= cut && deposit > 0 ? deposit : 0.0f;
    }
  }
  check_sum(sum, incident);
}

std::size_t Model::to_cells(const float* fractions, double energy, double threshold,
                            std::uint32_t* numbers, float* energies) const {
  const auto incident = static_cast<float>(energy * 1000.0);  // MeV
  const auto cut = static_cast<float>(threshold);
  std::size_t found = 0;
  float sum = 0;
  for (const CellRun& run : runs) {
    for (std::size_t i = 0; i < run.n; ++i) {
      const float deposit = fractions[run.output + i] * incident;
      sum += deposit;
      // Written in any case and kept if it counts: no branch that the processor would have to guess.
      numbers[found] = static_cast<std::uint32_t>(run.voxel + i);
      energies[found] = deposit;
      found += static_cast<std::size_t>((deposit >= cut) & (deposit > 0));
    }
  }
  check_sum(sum, incident);
  return found;
}

void Model::check_sum(float sum, float incident) const {
  if (!std::isfinite(sum)) {
    fail("generator ", name, " gave a sum of ", sum, " MeV for an energy of ", incident,
         " MeV; are the conditions far outside the trained range?");
  }
}

}  // namespace calogan::detail
