#include "graph.hpp"

#include <utility>

#include "limits.hpp"
#include "text.hpp"

namespace calogan::detail {

namespace {

class GraphBuilder {
 public:
  GraphBuilder(LwtnnGraph& file, const std::string& source) : file_(file), source_(source) {}

  Graph build() {
    take_nodes();
    sort();
    check_sizes();
    mark_needed();
    merge_layers();
    leave_to_sums();
    return {std::move(nodes_), std::move(order_), file_.output_node};
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(source_, ": ", parts...);
  }

  void take_nodes() {
    if (file_.output_node >= file_.nodes.size()) {
      fail("the output's node_index is ", file_.output_node, ", but there are ",
           file_.nodes.size(), " nodes");
    }
    std::vector<std::shared_ptr<const Layer>> layers;
    for (Layer& layer : file_.layers) {
      layers.push_back(std::make_shared<const Layer>(std::move(layer)));
    }
    file_.layers.clear();
    for (const Node& node : file_.nodes) {
      GraphNode out;
      out.type = node.type;
      if (node.type == Node::Type::input) {
        out.input = node.sources[0];
        out.width = node.index;
      } else {
        out.sources = node.sources;
      }
      if (node.type == Node::Type::feed_forward) {
        out.layer_number = node.index;
        out.layer = layers[node.index];
      }
      nodes_.push_back(std::move(out));
    }
  }

  // Sources before their users, by a search in depth. It has a stack of its own: a file can chain more
  // nodes than a recursion could follow.
  void sort() {
    enum class State { unseen, open, done };
    std::vector<State> state(nodes_.size(), State::unseen);
    std::vector<std::pair<std::size_t, std::size_t>> stack;  // node, next of its sources
    for (std::size_t start = 0; start < nodes_.size(); ++start) {
      if (state[start] != State::unseen) continue;
      stack.emplace_back(start, 0);
      state[start] = State::open;
      while (!stack.empty()) {
        const std::size_t node = stack.back().first;
        if (stack.back().second == nodes_[node].sources.size()) {
          state[node] = State::done;
          order_.push_back(node);
          stack.pop_back();
          continue;
        }
        const std::size_t next = nodes_[node].sources[stack.back().second++];
        if (state[next] == State::open) fail("nodes[", next, "] is among its own sources: a cycle");
        if (state[next] == State::unseen) {
          state[next] = State::open;
          stack.emplace_back(next, 0);
        }
      }
    }
  }

  void check_sizes() {
    std::size_t all_elements = 0;
    for (const std::size_t number : order_) {
      GraphNode& node = nodes_[number];
      switch (node.type) {
        case Node::Type::input:
          break;
        case Node::Type::concatenate:
          for (const std::size_t source : node.sources) node.width += nodes_[source].width;
          break;
        case Node::Type::add:
          node.width = nodes_[node.sources[0]].width;
          for (const std::size_t source : node.sources) {
            if (nodes_[source].width != node.width) {
              fail("nodes[", number, "] adds nodes[", source, "] of ", nodes_[source].width,
                   " elements to nodes[", node.sources[0], "] of ", node.width);
            }
          }
          break;
        case Node::Type::feed_forward:
          node.width = layer_outputs(number, nodes_[node.sources[0]].width);
          break;
      }
      if (node.width == 0) fail("nodes[", number, "] has no elements");
      if (node.width > max_width) {
        fail("nodes[", number, "] has ", node.width, " elements, more than ", max_width);
      }
      all_elements += node.width;
      if (all_elements > 2 * max_width) {
        fail("the nodes have more than ", 2 * max_width, " elements together");
      }
    }
    if (nodes_[file_.output_node].width != file_.labels.size()) {
      fail("the output has ", file_.labels.size(), " labels, but nodes[", file_.output_node,
           "] has ", nodes_[file_.output_node].width, " elements");
    }
  }

  // The number of rows of a matrix that takes `inputs` values.
  std::size_t matrix_rows(const Matrix& matrix, std::size_t inputs, const std::string& where) const {
    const std::size_t rows =
        matrix.bias.empty() ? matrix.weights.size() / inputs : matrix.bias.size();
    // Widths and biases are bounded, so the product cannot overflow.
    if (rows * inputs != matrix.weights.size() || rows == 0) {
      if (matrix.bias.empty()) {
        fail(where, ": ", matrix.weights.size(), " weights are not a multiple of its ", inputs,
             " inputs");
      }
      fail(where, ": ", matrix.weights.size(), " weights, expected ", rows, " x ", inputs, " = ",
           rows * inputs, " (outputs by bias, inputs)");
    }
    return rows;
  }

  std::size_t layer_outputs(std::size_t number, std::size_t inputs) const {
    const GraphNode& node = nodes_[number];
    const Layer& layer = *node.layer;
    const std::string where = text("layers[", node.layer_number, "]");
    switch (layer.type) {
      case Layer::Type::dense:
        if (!layer.matrix.weights.empty()) return matrix_rows(layer.matrix, inputs, where);
        // lwtnn: no weights means the identity.
        if (!layer.matrix.bias.empty() && layer.matrix.bias.size() != inputs) {
          fail(where, ": ", layer.matrix.bias.size(), " biases, expected ", inputs);
        }
        return inputs;
      case Layer::Type::normalization:
        if (layer.matrix.weights.size() != inputs || layer.matrix.bias.size() != inputs) {
          fail(where, ": ", layer.matrix.weights.size(), " weights and ", layer.matrix.bias.size(),
               " biases, expected ", inputs, " of each");
        }
        return inputs;
      case Layer::Type::maxout: {
        std::size_t rows = 0;
        for (std::size_t i = 0; i < layer.sublayers.size(); ++i) {
          const std::string sub = text(where, ".sublayers[", i, "]");
          const std::size_t sub_rows = matrix_rows(layer.sublayers[i], inputs, sub);
          if (layer.sublayers[i].bias.empty()) fail(sub, ": no biases, expected ", sub_rows);
          if (i > 0 && sub_rows != rows) {
            fail(sub, " has ", sub_rows, " outputs, the sublayers before it have ", rows);
          }
          rows = sub_rows;
        }
        return rows;
      }
      case Layer::Type::highway:
        for (const auto& [matrix, name] :
             {std::pair{&layer.matrix, ".components.t"}, {&layer.carry, ".components.carry"}}) {
          if (matrix->bias.size() != inputs) {
            fail(where, name, ": ", matrix->bias.size(), " biases, expected ", inputs);
          }
          matrix_rows(*matrix, inputs, where + name);
        }
        return inputs;
      case Layer::Type::embedding: {
        std::size_t width = inputs;
        for (std::size_t i = 0; i < layer.embeddings.size(); ++i) {
          if (layer.embeddings[i].index >= width) {
            fail(where, ".sublayers[", i, "].index is ", layer.embeddings[i].index,
                 ", but there are ", width, " elements");
          }
          width += layer.embeddings[i].outputs - 1;
        }
        return width;
      }
    }
    fail(where, ": unknown type");
  }

  void mark_needed() {
    nodes_[file_.output_node].needed = true;
    nodes_[file_.output_node].n_uses = 1;
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (!nodes_[*it].needed) continue;
      for (const std::size_t source : nodes_[*it].sources) {
        nodes_[source].needed = true;
        ++nodes_[source].n_uses;
      }
    }
  }

  // A linear dense layer and the normalization or bare activation that alone uses it become one dense
  // layer, which is the same function: W and b become diag(s) W and s (b + shift).
  void merge_layers() {
    for (const std::size_t number : order_) {
      GraphNode& node = nodes_[number];
      if (!node.needed || node.type != Node::Type::feed_forward || node.has_weights()) continue;
      GraphNode& before = nodes_[node.sources[0]];
      // A layer that nodes share is not copied: a small file could ask for much memory that way.
      if (!before.has_weights() || before.n_uses != 1 || before.layer.use_count() != 1 ||
          before.layer->activation.function != Function::linear) {
        continue;
      }
      const bool normalization = node.layer->type == Layer::Type::normalization;
      if (!normalization && node.layer->type != Layer::Type::dense) continue;
      Layer merged = *before.layer;
      const std::size_t rows = before.width;
      const std::size_t inputs = merged.matrix.weights.size() / rows;
      merged.matrix.bias.resize(rows, 0.0f);
      const Matrix& own = node.layer->matrix;
      for (std::size_t row = 0; row < rows; ++row) {
        if (!own.bias.empty()) merged.matrix.bias[row] += own.bias[row];
        if (!normalization) continue;
        merged.matrix.bias[row] *= own.weights[row];
        for (std::size_t k = 0; k < inputs; ++k) {
          merged.matrix.weights[row * inputs + k] *= own.weights[row];
        }
      }
      if (!normalization) merged.activation = node.layer->activation;
      node.layer = std::make_shared<const Layer>(std::move(merged));
      node.sources = before.sources;
      before.needed = false;
      before.layer.reset();
    }
  }

  // A normalization that was not merged and that only a sum uses is done while summing.
  void leave_to_sums() {
    for (const GraphNode& node : nodes_) {
      if (!node.needed || node.type != Node::Type::add) continue;
      for (const std::size_t source : node.sources) {
        GraphNode& term = nodes_[source];
        term.within_add = term.n_uses == 1 && term.is(Layer::Type::normalization);
      }
    }
  }

  LwtnnGraph& file_;
  const std::string& source_;
  std::vector<GraphNode> nodes_;
  std::vector<std::size_t> order_;
};

}  // namespace

Graph Graph::make(LwtnnGraph& file, const std::string& source) {
  return GraphBuilder(file, source).build();
}

}  // namespace calogan::detail
