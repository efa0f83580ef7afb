#include "lwtnn.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "json.hpp"
#include "limits.hpp"

namespace calogan::detail {

namespace {

InputNode parse_input(const Field& field) {
  InputNode input;
  input.name = field["name"].string();
  field["variables"].each([&](const Field& variable) {
    input.variables.push_back({std::string(variable["name"].string()), variable["offset"].number(),
                               variable["scale"].number()});
  });
  return input;
}

Node parse_node(const Field& field) {
  Node node;
  const std::string_view type = field["type"].string();
  if (type == "input") {
    node.type = Node::Type::input;
    node.index = field["size"].count();
  } else if (type == "feed_forward") {
    node.type = Node::Type::feed_forward;
    node.index = field["layer_index"].count();
  } else if (type == "concatenate") {
    node.type = Node::Type::concatenate;
  } else if (type == "add") {
    node.type = Node::Type::add;
  } else {
    field.fail("field ", field.path(), ".type is \"", type,
               "\"; the runner takes input, feed_forward, concatenate and add");
  }
  const Field sources = field["sources"];
  sources.each([&](const Field& source) { node.sources.push_back(source.count()); });
  const bool single = node.type == Node::Type::input || node.type == Node::Type::feed_forward;
  if (single ? node.sources.size() != 1 : node.sources.empty()) {
    field.fail("field ", sources.path(), " has ", node.sources.size(), " entries, expected ",
               single ? "1" : "at least 1", " for a node of type ", type);
  }
  return node;
}

Activation parse_activation(const Field& field) {
  struct Entry {
    std::string_view name;
    Function function;
    bool needs_alpha;
  };
  // The names that lwtnn reads; a "legacy" one is the same function, in lwtnn at another speed.
  static constexpr Entry table[] = {
      {"linear", Function::linear, false},
      {"sigmoid", Function::sigmoid, false},
      {"rectified", Function::rectified, false},
      {"softmax", Function::softmax, false},
      {"tanh", Function::tanh, false},
      {"hard_sigmoid", Function::hard_sigmoid, false},
      {"elu", Function::elu, true},
      {"leakyrelu", Function::leakyrelu, true},
      {"swish", Function::swish, true},
      {"abs", Function::abs, false},
      {"sigmoid_legacy", Function::sigmoid, false},
      {"hard_sigmoid_legacy", Function::hard_sigmoid, false},
      {"tanh_legacy", Function::tanh, false},
      {"rectified_legacy", Function::rectified, false},
  };
  const std::string_view name =
      field.is_object() ? field["function"].string() : field.string();
  for (const Entry& entry : table) {
    if (entry.name != name) continue;
    if (!entry.needs_alpha) return {entry.function, 0};
    if (field.is_object()) {
      const double alpha = field["alpha"].number();
      if (!(std::abs(alpha) <= static_cast<double>(std::numeric_limits<float>::max()))) {
        field.fail("field ", field.path(), ".alpha is ", alpha,
                   ", which is not finite in single precision");
      }
      return {entry.function, static_cast<float>(alpha)};
    }
    // lwtnn takes alpha = 1 for a bare "elu", and would compute NaN for the others.
    if (entry.function == Function::elu) return {entry.function, 1.0f};
    field.fail("field ", field.path(), " is \"", name, "\" without an alpha, expected {\"function\": \"",
               name, "\", \"alpha\": ...}");
  }
  field.fail("field ", field.path(), ": no activation function \"", name,
             "\" in lwtnn; known are linear, sigmoid, rectified, softmax, tanh, hard_sigmoid, elu, "
             "leakyrelu, swish, abs");
}

Matrix parse_matrix(const Field& field) {
  return {field["weights"].numbers<float>(), field["bias"].numbers<float>()};
}

Layer parse_layer(const Field& field) {
  Layer layer;
  const std::string_view architecture = field["architecture"].string();
  if (architecture == "dense") {
    layer.type = Layer::Type::dense;
    layer.matrix = parse_matrix(field);
    layer.activation = parse_activation(field["activation"]);
  } else if (architecture == "normalization") {
    layer.type = Layer::Type::normalization;
    layer.matrix = parse_matrix(field);
  } else if (architecture == "maxout") {
    layer.type = Layer::Type::maxout;
    const Field sublayers = field["sublayers"];
    sublayers.each([&](const Field& sub) { layer.sublayers.push_back(parse_matrix(sub)); });
    if (layer.sublayers.empty()) field.fail("field ", sublayers.path(), " is empty");
  } else if (architecture == "highway") {
    layer.type = Layer::Type::highway;
    const Field components = field["components"];
    layer.matrix = parse_matrix(components["t"]);
    layer.carry = parse_matrix(components["carry"]);
    layer.activation = parse_activation(field["activation"]);
  } else if (architecture == "embedding") {
    layer.type = Layer::Type::embedding;
    const Field sublayers = field["sublayers"];
    sublayers.each([&](const Field& sub) {
      Embedding embedding{sub["weights"].numbers<float>(), sub["index"].count(),
                          sub["n_out"].count()};
      if (embedding.outputs == 0 || embedding.weights.empty() ||
          embedding.weights.size() % embedding.outputs != 0) {
        sub.fail("field ", sub.path(), ": ", embedding.weights.size(),
                 " weights are not a whole number of categories of n_out = ", embedding.outputs);
      }
      layer.embeddings.push_back(std::move(embedding));
    });
    if (layer.embeddings.empty()) field.fail("field ", sublayers.path(), " is empty");
  } else {
    field.fail("field ", field.path(), ".architecture is \"", architecture,
               "\"; the runner takes dense, normalization, maxout, highway and embedding");
  }
  return layer;
}

}  // namespace

void parse_inputs(const Field& root, LwtnnGraph& graph) {
  const Field inputs = root["inputs"];
  inputs.at_most(max_inputs);
  inputs.each([&](const Field& f) { graph.inputs.push_back(parse_input(f)); });
}

void parse_graph(const Field& root, LwtnnGraph& graph) {
  if (!root.has("nodes") && root.has("layers")) {
    root.fail("no field nodes: this is a sequential lwtnn file, the runner takes graph files");
  }
  parse_inputs(root, graph);
  if (root.has("input_sequences") && root["input_sequences"].size() > 0) {
    root.fail("field input_sequences is not empty; the runner does not take sequences");
  }
  const Field nodes = root["nodes"];
  nodes.at_most(max_nodes);
  nodes.each([&](const Field& f) { graph.nodes.push_back(parse_node(f)); });
  root["layers"].each([&](const Field& f) { graph.layers.push_back(parse_layer(f)); });

  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool input = node.type == Node::Type::input;
    for (std::size_t k = 0; k < node.sources.size(); ++k) {
      const std::size_t limit = input ? graph.inputs.size() : graph.nodes.size();
      if (node.sources[k] >= limit) {
        root.fail("field nodes[", i, "].sources[", k, "] is ", node.sources[k], ", but there are ",
                  limit, input ? " inputs" : " nodes");
      }
    }
    if (node.type == Node::Type::feed_forward && node.index >= graph.layers.size()) {
      root.fail("field nodes[", i, "].layer_index is ", node.index, ", but there are ",
                graph.layers.size(), " layers");
    }
    if (input && node.index != graph.inputs[node.sources[0]].variables.size()) {
      root.fail("field nodes[", i, "].size is ", node.index, ", but inputs[", node.sources[0],
                "] has ", graph.inputs[node.sources[0]].variables.size(), " variables");
    }
  }
}

void parse_output(const Field& root, std::string_view name, LwtnnGraph& graph) {
  const Field outputs = root["outputs"];
  const Field output = outputs[name];
  output["labels"].each([&](const Field& f) { graph.labels.emplace_back(f.string()); });
  graph.output_node = output["node_index"].count();
}

}  // namespace calogan::detail
