// What a model file says, checked piece by piece (names, types, ranges of each field, and that what
// it refers to is there); that the pieces fit each other is checked where they are put together, in
// network.cpp and generator.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "calogan/runner.hpp"
#include "file.hpp"
#include "kernels.hpp"

namespace calogan::detail {

// What is beyond these is refused before memory is taken for it, or time. Weights need no limit of
// their own: they cannot outnumber the bytes of the file.
constexpr std::size_t max_inputs = 10'000;
constexpr std::size_t max_nodes = 100'000;
constexpr std::size_t max_steps = 4 * max_nodes;
constexpr std::size_t max_width = std::size_t{1} << 24;
constexpr std::size_t max_operations = std::size_t{1} << 33;  // for one shower
constexpr std::size_t max_conditions = 100;
constexpr std::size_t max_self_tests = 100;

struct Variable {
  std::string name;
  double offset;  // the network sees (value + offset) * scale
  double scale;
};

struct InputNode {
  std::string name;
  std::vector<Variable> variables;
};

struct Node {
  enum class Type { input, feed_forward, concatenate, add };
  Type type;
  std::vector<std::size_t> sources;  // nodes; for an input, the number of the input
  std::size_t index = 0;             // feed_forward: number of the layer; input: its size
};

struct Matrix {
  std::vector<float> weights;  // row-major, (outputs, inputs)
  std::vector<float> bias;     // (outputs,)
};

struct Embedding {
  std::vector<float> weights;  // row-major, (outputs, categories)
  std::size_t index;           // which element holds the category
  std::size_t outputs;
};

struct Layer {
  enum class Type { dense, normalization, maxout, highway, embedding };
  Type type;
  Matrix matrix;                       // dense, normalization; highway: t
  Matrix carry;                        // highway
  std::vector<Matrix> sublayers;       // maxout
  std::vector<Embedding> embeddings;   // embedding
  Activation activation;               // dense, highway
};

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
  std::vector<InputNode> inputs;
  std::vector<Node> nodes;
  std::vector<Layer> layers;
  std::vector<std::string> labels;  // of the one output that is read
  std::size_t output_node = 0;

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
