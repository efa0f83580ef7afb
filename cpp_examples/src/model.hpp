// A model that is ready to make showers, made of a model file or a compiled model: what all copies of
// a Generator share. It does not change once it is made.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "calogan/runner.hpp"
#include "cells.hpp"
#include "inputs.hpp"
#include "model_file.hpp"
#include "network.hpp"

// A member of a public class would be public too.
#if defined(__GNUC__)
#define CALOGAN_HIDDEN __attribute__((visibility("hidden")))
#else
#define CALOGAN_HIDDEN
#endif

namespace calogan {

namespace detail {

struct Model {
  std::string name;
  std::vector<Cell> cells;
  std::vector<std::string> layers;
  std::string geometry_json;
  std::string weights_sha256;
  std::vector<std::string> inputs_sha256;
  double readout_threshold;
  std::vector<CellRun> runs;
  Network network;
  Inputs inputs;
  Weights weights;
  std::string json_sha256;  // of a compiled model
  std::size_t n_self_tests = 0;
  double self_test_deviation = 0;

  // Throws Error naming `source` if the plan, the labels and the geometry do not fit each other.
  Model(const ModelFile& file, Plan plan, const std::string& source, Weights kept,
        std::string sha256);

  // Makes n showers, a block at a time. For each block, get(shower, first, count, out) gives latents
  // (see Inputs), and use(first, count, fractions) takes the result.
  template <class Get, class Use>
  void run(std::size_t n, const double* conditions, Get get, Use use) const {
    float* const memory = workspace();
    for (std::size_t first = 0; first < n; first += network.block()) {
      const std::size_t count = std::min(network.block(), n - first);
      inputs.write_latents(network, memory, first, count, get);
      inputs.write_conditions(network, memory, count,
                              conditions + first * inputs.conditions().size());
      use(first, count, network.run(memory, count));
    }
  }

  // A `get` that takes the latents from an array.
  auto latents_from(const float* latents) const {
    return [latents, size = inputs.latent_size()](std::size_t shower, std::size_t first,
                                                  std::size_t n, float* out) {
      std::copy_n(latents + shower * size + first, n, out);
    };
  }

  // From the fractions of one shower to energies (MeV) of all cells, 0 below the threshold; and to the
  // cells over the threshold alone, where it returns how many. `energy` is the incident one, in GeV.
  void to_energies(const float* fractions, double energy, double threshold, float* energies) const;
  std::size_t to_cells(const float* fractions, double energy, double threshold,
                       std::uint32_t* numbers, float* energies) const;

 private:
  float* workspace() const;  // of this thread
  void check_sum(float sum, float incident) const;
};

}  // namespace detail

struct CALOGAN_HIDDEN Generator::Model : detail::Model {
  explicit Model(detail::Model model) : detail::Model(std::move(model)) {}
};

}  // namespace calogan
