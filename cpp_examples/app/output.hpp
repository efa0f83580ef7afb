// Where showers go, and the files that they can be taken from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "calogan/runner.hpp"
#include "source.hpp"
#include "temporary_file.hpp"

namespace calogan::app {

using detail::TemporaryFile;

struct RunInfo {
  std::uint64_t seed;
  std::uint64_t first_event;
  std::uint64_t n;
  std::string model_path;
  std::string like;
};

class Output {
 public:
  virtual ~Output() = default;
  // conditions (n, k) and energies (n, n_voxels), MeV; showers come in order.
  virtual void write(std::size_t n, const double* conditions, const float* energies) = 0;
  virtual void finish() = 0;
};

// Throws Error unless the ending of `path` names a format: .csv, .h5 or .hdf5.
void check_output_name(const std::string& path);

// In the format that the ending of `path` names.
std::unique_ptr<Output> make_output(const std::string& path, const Source& source,
                                    const RunInfo& info);

// Implemented in store.cpp, or as an error in no_store.cpp when built without HDF5.
std::unique_ptr<Output> make_store(const std::string& path, const Source& source,
                                   const RunInfo& info);

// One column for each of the conditions; empty for those that the file lacks.
std::vector<std::vector<double>> read_conditions(const std::string& path,
                                                 const std::vector<Condition>& conditions);

// (n, latent_size)
std::vector<float> read_latents(const std::string& path, std::size_t latent_size);

}  // namespace calogan::app
