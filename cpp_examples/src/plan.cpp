#include "plan.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "graph.hpp"
#include "limits.hpp"
#include "text.hpp"

namespace calogan::detail {

namespace {

// A node, and the rows that hold what it computes.
struct PlacedNode : GraphNode {
  explicit PlacedNode(GraphNode node) : GraphNode(std::move(node)) {}

  Plan::View view;
  bool placed = false;
};

class PlanBuilder {
 public:
  PlanBuilder(LwtnnGraph& file, const std::string& source, Storage storage)
      : file_(file), source_(source), storage_(storage) {
    Graph graph = Graph::make(file, source);
    for (GraphNode& node : graph.nodes) nodes_.emplace_back(std::move(node));
    order_ = std::move(graph.order);
    output_node_ = graph.output;
  }

  Plan build() {
    place();
    emit();
    return std::move(plan_);
  }

 private:
  using View = Plan::View;
  using Step = Plan::Step;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(source_, ": ", parts...);
  }

  View new_buffer(std::size_t rows) {
    View view{plan_.floats_per_shower, rows, 0, rows};
    plan_.floats_per_shower += rows;
    if (plan_.floats_per_shower > 2 * max_width) {
      fail("the nodes have more than ", 2 * max_width, " elements together");
    }
    return view;
  }

  // Whether the node's one user may compute in its place, and so overwrite it. Inputs stay as they are,
  // and the parts of a concatenation may have users of their own.
  static bool may_be_changed(const PlacedNode& node) {
    return node.n_uses == 1 && !node.within_add && node.type != Node::Type::input &&
           node.type != Node::Type::concatenate;
  }

  // The source that the node overwrites, if there is one: layers that work element by element have one,
  // and sums, which add the other terms to it.
  std::size_t source_in_place(const PlacedNode& node) const {
    const bool elementwise = node.type == Node::Type::feed_forward && !node.has_weights() &&
                             (node.layer->type == Layer::Type::dense ||
                              node.layer->type == Layer::Type::normalization);
    if (!elementwise && node.type != Node::Type::add) return none;
    for (const std::size_t source : node.sources) {
      if (may_be_changed(nodes_[source])) return source;
    }
    return none;
  }

  // Gives every node its rows in a buffer. Users come before their sources here: a source whose user
  // concatenates or overwrites it is then written where the user has its place, and never copied.
  void place() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      PlacedNode& node = nodes_[*it];
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
        PlacedNode& part = nodes_[source];
        if (!part.placed) {
          part.view = {node.view.offset, node.view.stride, first, part.width};
          part.placed = true;
        }
        first += part.width;
      }
    }
    // An input is fed into the place of the first node that reads it.
    for (std::size_t input = 0; input < file_.inputs.size(); ++input) {
      const auto reader = std::find_if(nodes_.begin(), nodes_.end(), [input](const PlacedNode& node) {
        return node.needed && node.type == Node::Type::input && node.input == input;
      });
      plan_.inputs.push_back(reader != nodes_.end()
                                 ? reader->view
                                 : new_buffer(file_.inputs[input].variables.size()));
    }
    plan_.output = nodes_[output_node_].view;
  }

  static bool same(const View& a, const View& b) {
    return a.offset == b.offset && a.first == b.first;
  }

  void emit() {
    for (const PlacedNode& node : nodes_) {
      if (may_join(node)) narrow_[node.sources[0]].push_back(&node);
    }
    for (const std::size_t number : order_) {
      const PlacedNode& node = nodes_[number];
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

  void emit_sum(const PlacedNode& node) {
    const std::size_t in_place = source_in_place(node);
    bool begun = in_place != none;
    for (const std::size_t source : node.sources) {
      if (source == in_place) continue;
      const PlacedNode& term = nodes_[source];
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
  std::shared_ptr<const std::vector<PackedMatrix>> packed(const std::shared_ptr<const Layer>& layer,
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

  void emit_layer(const PlacedNode& node) {
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

  // A layer that nodes share keeps its weights to itself.
  static bool may_join(const PlacedNode& node) {
    return node.needed && node.has_weights() && node.width % panel_rows != 0 &&
           node.width < 8 * panel_rows && node.layer.use_count() == 1;
  }

  // Narrow layers on one source, such as those for the energies of the calorimeter layers, would each
  // fill up a panel with zeros. Together they are one product, whose parts are then copied to their
  // places. Returns false if that saves nothing.
  bool emit_together(const PlacedNode& node) {
    if (done_together_.count(&node) > 0) return true;
    if (!may_join(node)) return false;
    const auto panels = [](std::size_t rows) { return (rows + panel_rows - 1) / panel_rows; };
    const std::vector<const PlacedNode*>& members = narrow_[node.sources[0]];
    std::size_t panels_apart = 0;
    Matrix all;
    for (const PlacedNode* member : members) {
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
    for (const PlacedNode* member : members) {
      part.rows = member->width;
      add_step(Step::Type::affine, part, member->view).activation = member->layer->activation;
      part.first += member->width;
      done_together_.insert(member);
    }
    return true;
  }

  // lwtnn: c t + (1 - c) x with c = sigmoid(carry x), t = act(T x). If T = 0 and act(0) = 0, the first
  // term vanishes. If besides all rows of carry are equal and look at one element, the layer is a gate:
  // all of x times one sigmoid.
  void emit_highway(const PlacedNode& node, const View& in) {
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

  const LwtnnGraph& file_;
  const std::string& source_;
  Storage storage_;
  std::vector<PlacedNode> nodes_;
  std::vector<std::size_t> order_;  // sources before their users
  std::size_t output_node_ = 0;
  Plan plan_;
  std::map<std::shared_ptr<const Layer>, std::shared_ptr<const std::vector<PackedMatrix>>> packed_;
  std::map<std::size_t, std::vector<const PlacedNode*>> narrow_;  // that may join, by their source
  std::set<const PlacedNode*> done_together_;
};

}  // namespace

Plan Plan::make(LwtnnGraph& file, const std::string& source, Storage storage) {
  return PlanBuilder(file, source, storage).build();
}

}  // namespace calogan::detail
