// lwtnn's part of a model file: the inputs, nodes, layers and outputs of a graph, as lwtnn writes them.
// Each field is checked by itself, and that the nodes and layers it refers to are there; whether the
// sizes fit each other is for graph.cpp to say.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernels.hpp"

namespace calogan::detail {

class Field;

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
  Matrix matrix;                      // dense, normalization; highway: t
  Matrix carry;                       // highway
  std::vector<Matrix> sublayers;      // maxout
  std::vector<Embedding> embeddings;  // embedding
  Activation activation;              // dense, highway
};

struct LwtnnGraph {
  std::vector<InputNode> inputs;
  std::vector<Node> nodes;
  std::vector<Layer> layers;
  std::vector<std::string> labels;  // of the one output that is read
  std::size_t output_node = 0;
};

// These read from the root of a document and throw Error naming the field at fault.
void parse_inputs(const Field& root, LwtnnGraph& graph);
void parse_graph(const Field& root, LwtnnGraph& graph);  // inputs, nodes and layers
void parse_output(const Field& root, std::string_view name, LwtnnGraph& graph);

}  // namespace calogan::detail
