// The graph of a model file made ready for a plan: its sizes are checked, its nodes stand in the order
// of computing, and what need not be computed is taken out.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lwtnn.hpp"

namespace calogan::detail {

struct GraphNode {
  Node::Type type;
  std::vector<std::size_t> sources;  // nodes; none for an input
  std::size_t input = 0;
  std::size_t layer_number = 0;
  std::shared_ptr<const Layer> layer;  // nodes may share one
  std::size_t width = 0;
  std::size_t n_uses = 0;   // by other nodes, and as the output
  bool needed = false;      // for the output
  bool within_add = false;  // a normalization that the sum which alone uses it does on the way

  bool is(Layer::Type wanted) const {
    return type == Node::Type::feed_forward && layer->type == wanted;
  }
  bool has_weights() const { return is(Layer::Type::dense) && !layer->matrix.weights.empty(); }
};

struct Graph {
  std::vector<GraphNode> nodes;
  std::vector<std::size_t> order;  // of all nodes, sources before their users
  std::size_t output;

  // Takes the layers out of `file`. Throws Error naming `source` if nodes, layers and output do not
  // fit each other.
  static Graph make(LwtnnGraph& file, const std::string& source);
};

}  // namespace calogan::detail
