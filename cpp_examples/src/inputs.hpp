// What a network is fed for a shower: conditions, which are checked first, and latents (the random
// numbers). Both are scaled as the model file says.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "calogan/runner.hpp"
#include "model_file.hpp"
#include "network.hpp"

namespace calogan::detail {

// A value that went through single precision may be beyond its range by a rounding error, so 1e-4 of
// half the range, on the condition's scale, does not count.
inline bool beyond(double low, double high, double value) {
  return std::abs(2 * value - low - high) > (1 + 1e-4) * (high - low);
}

class Inputs {
 public:
  // Throws Error naming `source` if the graph's inputs are not those that the calogan block speaks of.
  Inputs(const ModelFile& file, const std::string& source);

  const std::vector<Condition>& conditions() const { return conditions_; }
  std::size_t latent_size() const { return latent_size_; }
  double latent_mean() const { return latent_mean_; }
  double latent_std() const { return latent_std_; }

  // Throws Error unless `values` are conditions for n showers, within the trained range unless
  // `extrapolate`.
  void check(Span values, std::size_t n, bool extrapolate) const;

  // Writes the conditions of n showers where the network reads them.
  void write_conditions(const Network& network, float* workspace, std::size_t n,
                        const double* values) const;

  // Writes the latents of n showers where the network reads them. get(shower, first, count, out) gives
  // `count` latents of a shower, beginning with the one numbered `first`; showers begin with `start`.
  template <class Get>
  void write_latents(const Network& network, float* workspace, std::size_t start, std::size_t n,
                     Get get) const {
    for (const LatentInput& part : latent_inputs_) {
      const Network::Columns columns = network.input(part.input, workspace);
      for (std::size_t shower = 0; shower < n; ++shower) {
        float* const column = columns.data + shower * columns.stride;
        get(start + shower, part.first, part.variables.size(), column);
        for (std::size_t i = 0; i < part.variables.size(); ++i) {
          const Variable& variable = part.variables[i];
          column[i] = static_cast<float>((column[i] + variable.offset) * variable.scale);
        }
      }
    }
  }

 private:
  // An input of the graph that takes some of a shower's latents.
  struct LatentInput {
    std::size_t input;  // its number
    std::size_t first;  // of its latents among all of the shower's
    std::vector<Variable> variables;
  };

  void check_shower(Span values, std::size_t shower, bool extrapolate) const;

  std::string generator_;  // its name, for errors
  std::vector<Condition> conditions_;
  std::vector<Variable> condition_variables_;
  std::size_t conditions_input_;  // number of the graph's input
  std::vector<LatentInput> latent_inputs_;
  std::size_t latent_size_;
  double latent_mean_;
  double latent_std_;
};

}  // namespace calogan::detail
