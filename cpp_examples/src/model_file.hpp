// A model file as a whole: lwtnn's graph, and the block "calogan" that says what its inputs and outputs
// mean. Each field is checked by itself; whether they fit each other is checked where they are used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "calogan/runner.hpp"
#include "file.hpp"
#include "lwtnn.hpp"

namespace calogan::detail {

struct CalorimeterLayer {
  std::string name;
  bool cylindrical;
  std::vector<double> first_edges;   // x mm, or r mm
  std::vector<double> second_edges;  // y mm, or alpha rad
  double z;                          // centre, mm; NaN if not given

  std::size_t n_cells() const { return (first_edges.size() - 1) * (second_edges.size() - 1); }
};

struct SelfTest {
  std::vector<float> latent;
  std::vector<double> conditions;
  std::vector<double> fractions;
};

struct ModelFile {
  LwtnnGraph graph;

  std::string name;
  std::vector<std::size_t> latent_inputs;  // numbers of the inputs that take latents, in their order
  std::size_t latent_size = 0;             // of all of them
  double latent_mean = 0;
  double latent_std = 1;
  std::size_t conditions_input = 0;
  std::vector<Condition> conditions;
  double readout_threshold = 0;
  std::vector<CalorimeterLayer> geometry;
  bool first_fastest = false;
  std::string geometry_json;
  std::string weights_sha256;
  std::vector<std::string> inputs_sha256;
  std::vector<SelfTest> self_tests;
};

// Throws Error naming `source` (the file) and the field at fault.
ModelFile parse_model(std::string_view json, const std::string& source);
ModelFile read_model(const File& file);

// What a compiled model keeps of the JSON that it was made from.
struct Origin {
  std::string sha256;  // of the file, hexadecimal
  std::string head;    // all that parse_head() needs, as JSON
};

ModelFile read_model(const File& file, Origin& origin);

// All of a model but its graph: it has no nodes and no layers.
ModelFile parse_head(std::string_view head, const std::string& source);

}  // namespace calogan::detail
