#include "network.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "text.hpp"

namespace calogan::detail {

// ---------------------------------------------------------------------------------------------
// From the graph of the file to steps

namespace {

class PlanBuilder {
 public:
  PlanBuilder(ModelFile& model, const std::string& source, Storage storage)
      : model_(model), source_(source), storage_(storage) {}

  Plan build() {
    take_nodes();
    sort();
    check_sizes();
    fold();
    place();
    emit();
    return std::move(plan_);
  }

 private:
  using View = Plan::View;
  using Step = Plan::Step;
  using LayerPointer = std::shared_ptr<const Layer>;

  struct GraphNode {
    Node::Type type;
    std::vector<std::size_t> sources;  // nodes; none for an input
    std::size_t input = 0;
    std::size_t layer_number = 0;
    LayerPointer layer;
    std::size_t width = 0;
    std::size_t n_uses = 0;  // by other nodes, and as the output
    bool needed = false;
    bool placed = false;
    bool within_add = false;  // a normalization that the one add which uses it does on the way
    View view;
  };

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(source_, ": ", parts...);
  }

  void take_nodes() {
    if (model_.output_node >= model_.nodes.size()) {
      fail("the output's node_index is ", model_.output_node, ", but there are ",
           model_.nodes.size(), " nodes");
    }
    std::vector<LayerPointer> layers;
    for (Layer& layer : model_.layers) {
      layers.push_back(std::make_shared<const Layer>(std::move(layer)));
    }
    model_.layers.clear();
    for (const Node& node : model_.nodes) {
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

  // order_: sources before their users. A depth-first search with its own stack, since a file can
  // chain more nodes than the thread's stack would bear.
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
    if (nodes_[model_.output_node].width != model_.labels.size()) {
      fail("the output has ", model_.labels.size(), " labels, but nodes[", model_.output_node,
           "] has ", nodes_[model_.output_node].width, " elements");
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

  static bool is_layer(const GraphNode& node, Layer::Type type) {
    return node.type == Node::Type::feed_forward && node.layer->type == type;
  }

  static bool has_weights(const GraphNode& node) {
    return is_layer(node, Layer::Type::dense) && !node.layer->matrix.weights.empty();
  }

  // Marks what the output needs, and merges into a linear dense layer the normalization or bare
  // activation that alone uses it: W, b become diag(s) W and s (b + shift), the same function. A
  // normalization that is left and goes into a sum alone is done in the summing.
  void fold() {
    nodes_[model_.output_node].needed = true;
    nodes_[model_.output_node].n_uses = 1;
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (!nodes_[*it].needed) continue;
      for (const std::size_t source : nodes_[*it].sources) {
        nodes_[source].needed = true;
        ++nodes_[source].n_uses;
      }
    }
    for (const std::size_t number : order_) {
      GraphNode& node = nodes_[number];
      if (!node.needed || node.type != Node::Type::feed_forward || has_weights(node)) continue;
      GraphNode& before = nodes_[node.sources[0]];
      // A layer that other nodes share stays shared, so that a small file cannot ask for much memory.
      if (!has_weights(before) || before.n_uses != 1 || before.layer.use_count() != 1 ||
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
    for (const GraphNode& node : nodes_) {
      if (!node.needed || node.type != Node::Type::add) continue;
      for (const std::size_t source : node.sources) {
        GraphNode& term = nodes_[source];
        term.within_add = term.n_uses == 1 && is_layer(term, Layer::Type::normalization);
      }
    }
  }

  View new_buffer(std::size_t rows) {
    View view{plan_.floats_per_shower, rows, 0, rows};
    plan_.floats_per_shower += rows;
    if (plan_.floats_per_shower > 2 * max_width) {
      fail("the nodes have more than ", 2 * max_width, " elements together");
    }
    return view;
  }

  // Whether the node may be computed where its one user is, which then changes it in place. Inputs
  // are kept as they are, and the parts of a concatenation may have users of their own.
  static bool may_be_changed(const GraphNode& node) {
    return node.n_uses == 1 && !node.within_add && node.type != Node::Type::input &&
           node.type != Node::Type::concatenate;
  }

  // The source that is computed in the node's own place, if there is one: for layers that work
  // element by element, and for one term of a sum.
  std::size_t source_in_place(const GraphNode& node) const {
    const bool elementwise = node.type == Node::Type::feed_forward && !has_weights(node) &&
                             (node.layer->type == Layer::Type::dense ||
                              node.layer->type == Layer::Type::normalization);
    if (!elementwise && node.type != Node::Type::add) return none;
    for (const std::size_t source : node.sources) {
      if (may_be_changed(nodes_[source])) return source;
    }
    return none;
  }

  // Gives every node its rows in a buffer. Users come before their sources here, so that what goes
  // into a concatenation, or is changed in place, can be written where it belongs at once.
  void place() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      GraphNode& node = nodes_[*it];
      if (!node.needed || node.within_add) continue;
      if (!node.placed) {
        node.view = new_buffer(node.width);
        node.placed = true;
      }
      if (const std::size_t source = source_in_place(node); source != none) {
        nodes_[source].view = node.view;
        nodes_[source].placed = true;
      }
      if (node.type != Node::Type::concatenate) continue;
      std::size_t first = node.view.first;
      for (const std::size_t source : node.sources) {
        GraphNode& part = nodes_[source];
        if (!part.placed) {
          part.view = {node.view.offset, node.view.stride, first, part.width};
          part.placed = true;
        }
        first += part.width;
      }
    }
    // What is fed is written where the first node that reads it has its place.
    for (std::size_t input = 0; input < model_.inputs.size(); ++input) {
      const auto reader = std::find_if(nodes_.begin(), nodes_.end(), [input](const GraphNode& node) {
        return node.needed && node.type == Node::Type::input && node.input == input;
      });
      plan_.inputs.push_back(reader != nodes_.end()
                                     ? reader->view
                                     : new_buffer(model_.inputs[input].variables.size()));
    }
    plan_.output = nodes_[model_.output_node].view;
  }

  static bool same(const View& a, const View& b) {
    return a.offset == b.offset && a.first == b.first;
  }

  void emit() {
    for (const GraphNode& node : nodes_) {
      if (may_join(node)) narrow_[node.sources[0]].push_back(&node);
    }
    for (const std::size_t number : order_) {
      const GraphNode& node = nodes_[number];
      if (!node.needed || node.within_add) continue;
      switch (node.type) {
        case Node::Type::input:
          if (!same(plan_.inputs[node.input], node.view)) {
            add_step(Step::Type::copy, plan_.inputs[node.input], node.view);
          }
          break;
        case Node::Type::concatenate: {
          View part = node.view;
          for (const std::size_t source : node.sources) {
            part.rows = nodes_[source].width;
            if (!same(part, nodes_[source].view)) {
              add_step(Step::Type::copy, nodes_[source].view, part);
            }
            part.first += part.rows;
          }
          break;
        }
        case Node::Type::add:
          emit_sum(node);
          break;
        case Node::Type::feed_forward:
          emit_layer(node);
          break;
      }
    }
  }

  void emit_sum(const GraphNode& node) {
    const std::size_t in_place = source_in_place(node);
    bool begun = in_place != none;
    for (const std::size_t source : node.sources) {
      if (source == in_place) continue;
      const GraphNode& term = nodes_[source];
      const View& in = term.within_add ? nodes_[term.sources[0]].view : term.view;
      Step& step = add_step(begun ? Step::Type::add : Step::Type::affine, in, node.view);
      if (term.within_add) set_affine(step, *term.layer);
      begun = true;
    }
  }

  static void set_affine(Step& step, const Layer& normalization) {
    step.scale = normalization.matrix.weights;
    step.shift = normalization.matrix.bias;
    for (std::size_t i = 0; i < step.shift.size(); ++i) step.shift[i] *= step.scale[i];
  }

  Step& add_step(Step::Type type, const View& in, const View& out) {
    if (plan_.steps.size() >= max_steps) fail("the nodes need more than ", max_steps, " steps");
    Step step;
    step.type = type;
    step.in = in;
    step.out = out;
    plan_.steps.push_back(std::move(step));
    return plan_.steps.back();
  }

  static bool all_zero(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return v == 0.0f; });
  }

  static bool maps_zero_to_zero(Function f) {
    return f != Function::sigmoid && f != Function::hard_sigmoid && f != Function::softmax;
  }

  // Nodes that share a layer share its packed weights.
  std::shared_ptr<const std::vector<PackedMatrix>> packed(const LayerPointer& layer,
                                                          const std::vector<const Matrix*>& matrices,
                                                          std::size_t inputs) {
    auto& entry = packed_[layer];
    if (!entry) {
      std::vector<PackedMatrix> out;
      for (const Matrix* matrix : matrices) {
        const std::size_t rows = matrix->weights.size() / inputs;
        out.push_back(pack(matrix->weights, matrix->bias, rows, inputs, storage_));
      }
      entry = std::make_shared<const std::vector<PackedMatrix>>(std::move(out));
    }
    return entry;
  }

  void emit_layer(const GraphNode& node) {
    const Layer& layer = *node.layer;
    const View& in = nodes_[node.sources[0]].view;
    switch (layer.type) {
      case Layer::Type::dense:
        if (layer.matrix.weights.empty()) {
          Step& step = add_step(Step::Type::affine, in, node.view);
          step.shift = layer.matrix.bias;
          step.activation = layer.activation;
        } else if (!emit_together(node)) {
          Step& step = add_step(Step::Type::dense, in, node.view);
          step.matrices = packed(node.layer, {&layer.matrix}, in.rows);
          step.activation = layer.activation;
        }
        break;
      case Layer::Type::normalization:
        set_affine(add_step(Step::Type::affine, in, node.view), layer);
        break;
      case Layer::Type::maxout: {
        std::vector<const Matrix*> matrices;
        for (const Matrix& matrix : layer.sublayers) matrices.push_back(&matrix);
        Step& step = add_step(Step::Type::maxout, in, node.view);
        step.matrices = packed(node.layer, matrices, in.rows);
        step.scratch = new_buffer(node.view.rows);
        break;
      }
      case Layer::Type::highway:
        emit_highway(node, in);
        break;
      case Layer::Type::embedding:
        add_step(Step::Type::embedding, in, node.view).embeddings = {node.layer, &layer.embeddings};
        break;
    }
  }

  static bool may_join(const GraphNode& node) {
    return node.needed && has_weights(node) && node.width % panel_rows != 0 &&
           node.width < 8 * panel_rows && node.layer.use_count() == 1;
  }

  // Narrow layers on one source, such as the energies of the calorimeter layers, would each fill up a
  // panel with zeros: they become one product, whose parts are copied to their places. Returns false
  // if that saves nothing. A layer that nodes share keeps its weights to itself.
  bool emit_together(const GraphNode& node) {
    if (done_together_.count(&node) > 0) return true;
    if (!may_join(node)) return false;
    const auto panels = [](std::size_t rows) { return (rows + panel_rows - 1) / panel_rows; };
    const std::vector<const GraphNode*>& members = narrow_[node.sources[0]];
    std::size_t panels_apart = 0;
    Matrix all;
    for (const GraphNode* member : members) {
      panels_apart += panels(member->width);
      const Matrix& own = member->layer->matrix;
      all.weights.insert(all.weights.end(), own.weights.begin(), own.weights.end());
      all.bias.insert(all.bias.end(), own.bias.begin(), own.bias.end());
      all.bias.resize(all.bias.size() + (own.bias.empty() ? member->width : 0), 0.0f);
    }
    const std::size_t rows = all.bias.size();
    if (panels(rows) == panels_apart) return false;
    const View& in = nodes_[node.sources[0]].view;
    View part = new_buffer(rows);
    Step& product = add_step(Step::Type::dense, in, part);
    product.matrices = std::make_shared<const std::vector<PackedMatrix>>(
        1, pack(all.weights, all.bias, rows, in.rows, storage_));
    for (const GraphNode* member : members) {
      part.rows = member->width;
      add_step(Step::Type::affine, part, member->view).activation = member->layer->activation;
      part.first += member->width;
      done_together_.insert(member);
    }
    return true;
  }

  // lwtnn: c t + (1 - c) x with c = sigmoid(carry x), t = act(T x). With T = 0 (and act(0) = 0) the
  // first term vanishes; if moreover every row of carry is the same and looks at one element, the
  // layer is a gate: all of x times one sigmoid.
  void emit_highway(const GraphNode& node, const View& in) {
    const Layer& layer = *node.layer;
    const bool no_transform = all_zero(layer.matrix.weights) && all_zero(layer.matrix.bias) &&
                              maps_zero_to_zero(layer.activation.function);
    const std::size_t n = in.rows;
    if (no_transform) {
      const float* first_row = layer.carry.weights.data();
      const auto is_zero = [](float v) { return v == 0.0f; };
      const auto row = static_cast<std::size_t>(
          std::find_if_not(first_row, first_row + n, is_zero) - first_row);
      bool gate = row < n && std::all_of(first_row + row + 1, first_row + n, is_zero);
      for (std::size_t i = 1; gate && i < n; ++i) {
        gate = std::equal(first_row, first_row + n, first_row + i * n) &&
               layer.carry.bias[i] == layer.carry.bias[0];
      }
      if (gate) {
        Step& step = add_step(Step::Type::gate, in, node.view);
        step.gate_row = row;
        step.gate_weight = first_row[row];
        step.gate_bias = layer.carry.bias[0];
        return;
      }
    }
    Step& step = add_step(Step::Type::highway, in, node.view);
    step.activation = layer.activation;
    std::vector<const Matrix*> matrices = {&layer.carry};
    if (!no_transform) matrices.push_back(&layer.matrix);
    step.matrices = packed(node.layer, matrices, n);
    step.scratch = new_buffer(n);
  }

  static constexpr auto none = static_cast<std::size_t>(-1);

  ModelFile& model_;
  const std::string& source_;
  Storage storage_;
  Plan plan_;
  std::vector<GraphNode> nodes_;
  std::vector<std::size_t> order_;
  std::map<LayerPointer, std::shared_ptr<const std::vector<PackedMatrix>>> packed_;
  std::map<std::size_t, std::vector<const GraphNode*>> narrow_;  // that may join, by their source
  std::set<const GraphNode*> done_together_;
};

}  // namespace

Plan Plan::make(ModelFile& model, const std::string& source, Storage storage) {
  return PlanBuilder(model, source, storage).build();
}

// ---------------------------------------------------------------------------------------------
// Checking

namespace {

// What a step may touch, and how much all of them do.
class PlanCheck {
 public:
  PlanCheck(const Plan& plan, const std::string& source) : plan_(plan), source_(source) {}

  void check() {
    if (plan_.floats_per_shower > 2 * max_width) fail("the steps need too much memory");
    for (const Plan::View& view : plan_.inputs) {
      // An input without values has no place.
      if (view.rows > 0) check(view);
    }
    check(plan_.output);
    for (; step_ < plan_.steps.size(); ++step_) check(plan_.steps[step_]);
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(source_, ": ", parts...);
  }

  void require(bool condition, std::string_view what) const {
    if (!condition) fail("step ", step_, ": ", what);
  }

  void check(const Plan::View& view) const {
    require(view.rows > 0 && view.rows <= view.stride && view.first <= view.stride - view.rows &&
                view.stride <= plan_.floats_per_shower &&
                view.offset <= plan_.floats_per_shower - view.stride,
            "rows outside the memory of a shower");
  }

  void count(std::size_t rows, std::size_t columns) {
    // Rows and columns are bounded by max_width, the sum by what is checked here.
    operations_ += rows * columns;
    if (operations_ > max_operations) {
      fail("a shower would take more than ", max_operations, " multiplications");
    }
  }

  void check(const PackedMatrix& matrix, std::size_t rows, std::size_t inputs) {
    require(matrix.rows == rows && matrix.inputs == inputs, "a matrix that does not fit");
    count(matrix.n_panels() * panel_rows, inputs);
  }

  void check(const Plan::Step& step) {
    using Type = Plan::Step::Type;
    check(step.in);
    check(step.out);
    const std::size_t rows = step.out.rows;
    const std::size_t inputs = step.in.rows;
    count(rows, 16);  // whatever is done with each element, activations among it
    const std::size_t n_matrices = step.matrices ? step.matrices->size() : 0;
    const auto check_scratch = [&] {
      check(step.scratch);
      require(step.scratch.rows == rows, "scratch rows that do not fit");
    };
    const auto check_matrices = [&](bool number_fits) {
      require(number_fits, "a number of matrices that does not fit");
      for (const PackedMatrix& matrix : *step.matrices) check(matrix, rows, inputs);
    };
    const auto same_rows = [&] { require(inputs == rows, "rows that do not fit"); };
    switch (step.type) {
      case Type::copy:
      case Type::add:
      case Type::affine:
        same_rows();
        return require((step.scale.empty() || step.scale.size() == rows) &&
                           (step.shift.empty() || step.shift.size() == rows),
                       "a scale or shift that does not fit");
      case Type::dense:
        return check_matrices(n_matrices == 1);
      case Type::maxout:
        check_scratch();
        return check_matrices(n_matrices >= 1);
      case Type::highway:
        same_rows();
        check_scratch();
        return check_matrices(n_matrices == 1 || n_matrices == 2);
      case Type::gate:
        same_rows();
        return require(step.gate_row < inputs, "a gate that looks outside its input");
      case Type::embedding:
        return check_embeddings(step);
    }
    require(false, "an unknown type");
  }

  void check_embeddings(const Plan::Step& step) const {
    require(step.embeddings != nullptr, "no embeddings");
    std::size_t width = step.in.rows;
    for (const Embedding& embedding : *step.embeddings) {
      require(embedding.index < width && embedding.outputs > 0 && !embedding.weights.empty() &&
                  embedding.weights.size() % embedding.outputs == 0,
              "an embedding that does not fit");
      width += embedding.outputs - 1;
    }
    require(width == step.out.rows, "rows that do not fit");
  }

  const Plan& plan_;
  const std::string& source_;
  std::size_t step_ = 0;
  std::size_t operations_ = 0;
};

}  // namespace

Network::Network(Plan plan, const std::string& source, const Kernels& kernels)
    : kernels_(&kernels), plan_(std::move(plan)) {
  PlanCheck(plan_, source).check();
  // What a matrix product reads should stay in the second-level cache beside the weights in use.
  std::size_t widest = 1;
  for (const Step& step : plan_.steps) {
    if (step.matrices) widest = std::max(widest, step.in.rows);
  }
  constexpr std::size_t cache_floats = (std::size_t{512} << 10) / sizeof(float);
  constexpr std::size_t tile = 24;  // a multiple of every kernel's number of columns
  block_ = std::clamp(cache_floats / widest / tile * tile, tile, 8 * tile);
  // However large a network is, a thread's workspace is not.
  constexpr std::size_t workspace_floats = (std::size_t{64} << 20) / sizeof(float);
  const std::size_t fitting = workspace_floats / plan_.floats_per_shower;
  if (fitting < block_) block_ = std::max<std::size_t>(1, fitting / tile * tile);
}

// ---------------------------------------------------------------------------------------------
// Running

Network::Columns Network::input(std::size_t number, float* workspace) const {
  return {at(plan_.inputs[number], workspace), plan_.inputs[number].stride};
}

Network::Columns Network::run(float* workspace, std::size_t n) const {
  for (const Step& step : plan_.steps) run(step, workspace, n);
  return {at(plan_.output, workspace), plan_.output.stride};
}

void Network::multiply(const PackedMatrix& matrix, const View& in, const View& out,
                       float* workspace, std::size_t n) const {
  kernels_->dense(matrix, at(in, workspace), in.stride, at(out, workspace), out.stride, n);
}

void Network::run(const Step& step, float* workspace, std::size_t n) const {
  const float* in = at(step.in, workspace);
  float* out = at(step.out, workspace);
  const std::size_t rows = step.out.rows;
  const auto each_column = [&](auto f) {
    for (std::size_t c = 0; c < n; ++c) f(in + c * step.in.stride, out + c * step.out.stride);
  };
  const auto activate = [&](const View& view) {
    kernels_->activate(step.activation, at(view, workspace), view.rows, view.stride, n);
  };

  switch (step.type) {
    case Step::Type::copy:
    case Step::Type::affine:
    case Step::Type::add: {
      const float* scale = step.scale.empty() ? nullptr : step.scale.data();
      const float* shift = step.shift.empty() ? nullptr : step.shift.data();
      if (in != out || scale != nullptr || shift != nullptr) {
        kernels_->affine(in, step.in.stride, scale, shift, step.type == Step::Type::add, out,
                         step.out.stride, rows, n);
      }
      activate(step.out);
      break;
    }
    case Step::Type::dense:
      multiply(step.matrices->front(), step.in, step.out, workspace, n);
      activate(step.out);
      break;
    case Step::Type::maxout:
      multiply(step.matrices->front(), step.in, step.out, workspace, n);
      for (std::size_t m = 1; m < step.matrices->size(); ++m) {
        multiply((*step.matrices)[m], step.in, step.scratch, workspace, n);
        const float* other = at(step.scratch, workspace);
        for (std::size_t c = 0; c < n; ++c) {
          const float* x = other + c * step.scratch.stride;
          float* y = out + c * step.out.stride;
          for (std::size_t i = 0; i < rows; ++i) y[i] = std::max(y[i], x[i]);
        }
      }
      break;
    case Step::Type::highway: {
      const bool transform = step.matrices->size() > 1;
      if (transform) {
        multiply((*step.matrices)[1], step.in, step.out, workspace, n);
        activate(step.out);
      }
      multiply((*step.matrices)[0], step.in, step.scratch, workspace, n);
      float* carry = at(step.scratch, workspace);
      kernels_->activate({Function::sigmoid, 0}, carry, rows, step.scratch.stride, n);
      for (std::size_t c = 0; c < n; ++c) {
        const float* gate = carry + c * step.scratch.stride;
        const float* x = in + c * step.in.stride;
        float* y = out + c * step.out.stride;
        for (std::size_t i = 0; i < rows; ++i) {
          y[i] = (transform ? gate[i] * y[i] : 0.0f) + (1.0f - gate[i]) * x[i];
        }
      }
      break;
    }
    case Step::Type::gate:
      kernels_->gate(in, step.in.stride, step.gate_row, step.gate_weight, step.gate_bias, out,
                     step.out.stride, rows, n);
      break;
    case Step::Type::embedding:
      each_column([&](const float* x, float* y) {
        std::copy(x, x + step.in.rows, y);
        std::size_t width = step.in.rows;
        for (const Embedding& embedding : *step.embeddings) {
          const std::size_t categories = embedding.weights.size() / embedding.outputs;
          const float value = y[embedding.index];
          if (!(value >= 0 && value < static_cast<float>(categories)) ||
              value != static_cast<float>(static_cast<std::size_t>(value))) {
            fail("embedding: the category is ", value, ", expected a whole number below ",
                 categories);
          }
          const auto category = static_cast<std::size_t>(value);
          std::copy_backward(y + embedding.index + 1, y + width,
                             y + width + embedding.outputs - 1);
          width += embedding.outputs - 1;
          for (std::size_t i = 0; i < embedding.outputs; ++i) {
            y[embedding.index + i] = embedding.weights[i * categories + category];
          }
        }
      });
      break;
  }
}

}  // namespace calogan::detail
