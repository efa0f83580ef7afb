#include "model_file.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "file.hpp"
#include "sha256.hpp"
#include "text.hpp"

namespace calogan::detail {
namespace {

namespace dom = simdjson::dom;

constexpr int schema_version = 1;
constexpr std::size_t max_depth = 64;

std::string_view type_name(dom::element_type type) {
  switch (type) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "true or false";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

// A value in the document that knows where it stands. The path is spelled out only for errors.
class Field {
 public:
  Field(dom::element value, const std::string& source) : value_(value), source_(&source) {}

  bool is_null() const { return value_.is_null(); }
  bool is_object() const { return value_.is_object(); }
  dom::element element() const { return value_; }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(*source_, ": ", parts...);
  }

  std::string path() const {
    if (parent_ == nullptr) return {};
    std::string out = parent_->path();
    if (key_.data() == nullptr) return text(out, "[", index_, "]");
    if (!out.empty()) out += '.';
    return out += key_;
  }

  [[noreturn]] void expected(std::string_view what) const {
    fail("field ", path(), " is ", type_name(value_.type()), ", expected ", what);
  }

  bool has(std::string_view key) const {
    dom::element unused;
    return object().at_key(key).get(unused) == simdjson::SUCCESS;
  }

  Field operator[](std::string_view key) const {
    dom::element child;
    if (object().at_key(key).get(child) != simdjson::SUCCESS) {
      if (parent_ == nullptr) fail("no field ", key);
      fail("no field ", path(), ".", key);
    }
    Field field(child, *source_);
    field.parent_ = this;
    field.key_ = key;
    return field;
  }

  std::string_view string() const {
    std::string_view out;
    if (value_.get(out) != simdjson::SUCCESS) expected("a string");
    return out;
  }

  double number() const {
    double out = 0;
    if (value_.get(out) != simdjson::SUCCESS) expected("a number");
    return out;
  }

  std::size_t count() const {
    std::int64_t out = 0;
    if (value_.get(out) != simdjson::SUCCESS) expected("a whole number");
    if (out < 0) fail("field ", path(), " is ", out, ", expected 0 or more");
    return static_cast<std::size_t>(out);
  }

  dom::object object() const {
    dom::object out;
    if (value_.get(out) != simdjson::SUCCESS) {
      if (parent_ == nullptr) fail("the document is ", type_name(value_.type()), ", expected an object");
      expected("an object");
    }
    return out;
  }

  // Calls f(Field) for each element of an array.
  template <class F>
  void each(F f) const {
    std::size_t index = 0;
    for (const dom::element child : array()) {
      Field field(child, *source_);
      field.parent_ = this;
      field.index_ = index++;
      f(field);
    }
  }

  // simdjson's own count saturates, and the limits here are far below that.
  std::size_t size() const { return array().size(); }

  void at_most(std::size_t limit) const {
    if (size() > limit) fail("field ", path(), " has ", size(), " entries, more than ", limit);
  }

  // An array of finite numbers; Number is float or double, and finite means finite in it.
  template <class Number>
  std::vector<Number> numbers() const {
    const dom::array values = array();
    std::vector<Number> out;
    out.reserve(values.size());
    for (const dom::element value : values) {
      double number = 0;
      if (value.get(number) != simdjson::SUCCESS) {
        fail("field ", path(), "[", out.size(), "] is ", type_name(value.type()),
             ", expected a number");
      }
      if (!(std::abs(number) <= static_cast<double>(std::numeric_limits<Number>::max()))) {
        fail("field ", path(), "[", out.size(), "] is ", number,
             ", which is not finite in single precision");
      }
      out.push_back(static_cast<Number>(number));
    }
    return out;
  }

 private:
  dom::array array() const {
    dom::array out;
    if (value_.get(out) != simdjson::SUCCESS) expected("an array");
    return out;
  }

  dom::element value_;
  const std::string* source_;
  const Field* parent_ = nullptr;
  std::string_view key_;
  std::size_t index_ = 0;
};

// ---------------------------------------------------------------------------------------------
// The lwtnn graph

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
  // The names that lwtnn reads; its "legacy" ones differ from their namesakes in speed alone.
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

void parse_inputs(const Field& root, ModelFile& model) {
  const Field inputs = root["inputs"];
  inputs.at_most(max_inputs);
  inputs.each([&](const Field& f) { model.inputs.push_back(parse_input(f)); });
}

void parse_graph(const Field& root, ModelFile& model) {
  if (!root.has("nodes") && root.has("layers")) {
    root.fail("no field nodes: this is a sequential lwtnn file, the runner takes graph files");
  }
  parse_inputs(root, model);
  if (root.has("input_sequences") && root["input_sequences"].size() > 0) {
    root.fail("field input_sequences is not empty; the runner does not take sequences");
  }
  const Field nodes = root["nodes"];
  nodes.at_most(max_nodes);
  nodes.each([&](const Field& f) { model.nodes.push_back(parse_node(f)); });
  root["layers"].each([&](const Field& f) { model.layers.push_back(parse_layer(f)); });

  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    const Node& node = model.nodes[i];
    const bool input = node.type == Node::Type::input;
    for (std::size_t k = 0; k < node.sources.size(); ++k) {
      const std::size_t limit = input ? model.inputs.size() : model.nodes.size();
      if (node.sources[k] >= limit) {
        root.fail("field nodes[", i, "].sources[", k, "] is ", node.sources[k], ", but there are ",
                  limit, input ? " inputs" : " nodes");
      }
    }
    if (node.type == Node::Type::feed_forward && node.index >= model.layers.size()) {
      root.fail("field nodes[", i, "].layer_index is ", node.index, ", but there are ",
                model.layers.size(), " layers");
    }
    if (input && node.index != model.inputs[node.sources[0]].variables.size()) {
      root.fail("field nodes[", i, "].size is ", node.index, ", but inputs[", node.sources[0],
                "] has ", model.inputs[node.sources[0]].variables.size(), " variables");
    }
  }
}

void parse_output(const Field& root, std::string_view name, ModelFile& model) {
  const Field outputs = root["outputs"];
  const Field output = outputs[name];
  output["labels"].each([&](const Field& f) { model.labels.emplace_back(f.string()); });
  model.output_node = output["node_index"].count();
}

// ---------------------------------------------------------------------------------------------
// The calogan block

bool is_identifier(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

Condition parse_condition(const Field& field) {
  Condition condition;
  condition.name = field["name"].string();
  if (!is_identifier(condition.name)) {
    field.fail("field ", field.path(), ".name is \"", condition.name,
               "\", expected letters, digits and underscores");
  }
  condition.unit = field["unit"].string();
  condition.low = field["low"].number();
  condition.high = field["high"].number();
  const std::string_view scale = field["scale"].string();
  if (scale != "log" && scale != "linear") {
    field.fail("field ", field.path(), ".scale is \"", scale, "\", expected \"log\" or \"linear\"");
  }
  condition.logarithmic = scale == "log";
  if (!(condition.low < condition.high) || (condition.logarithmic && !(condition.low > 0))) {
    field.fail("field ", field.path(), ": the range ", condition.low, "..", condition.high,
               " is not one, expected low < high", condition.logarithmic ? " and low > 0" : "");
  }
  return condition;
}

std::vector<double> parse_edges(const Field& field) {
  std::vector<double> edges = field.numbers<double>();
  if (edges.size() < 2) {
    field.fail("field ", field.path(), " has ", edges.size(), " edges, expected at least 2");
  }
  for (std::size_t i = 1; i < edges.size(); ++i) {
    if (!(edges[i - 1] < edges[i])) {
      field.fail("field ", field.path(), "[", i, "] is ", edges[i], " after ", edges[i - 1],
                 ", expected edges in increasing order");
    }
  }
  return edges;
}

CalorimeterLayer parse_calorimeter_layer(const Field& field) {
  CalorimeterLayer layer;
  layer.name = field["name"].string();
  const std::string_view system = field["system"].string();
  if (system != "cartesian" && system != "cylindrical") {
    field.fail("field ", field.path(), ".system is \"", system,
               "\", expected \"cartesian\" or \"cylindrical\"");
  }
  layer.cylindrical = system == "cylindrical";
  layer.first_edges = parse_edges(field[layer.cylindrical ? "r_edges" : "x_edges"]);
  layer.second_edges = parse_edges(field[layer.cylindrical ? "alpha_edges" : "y_edges"]);
  layer.z = std::numeric_limits<double>::quiet_NaN();
  if (field.has("z") && !field["z"].is_null()) {
    const Field z = field["z"];
    const std::vector<double> ends = z.numbers<double>();
    if (ends.size() != 2) {
      field.fail("field ", z.path(), " has ", ends.size(), " entries, expected 2 or null");
    }
    layer.z = 0.5 * (ends[0] + ends[1]);
  }
  return layer;
}

void parse_geometry(const Field& field, ModelFile& model) {
  const std::string_view fastest = field["fastest"].string();
  if (fastest != "last" && fastest != "first") {
    field.fail("field ", field.path(), ".fastest is \"", fastest,
               "\", expected \"last\" or \"first\"");
  }
  model.first_fastest = fastest == "first";
  std::size_t cells = 0;
  field["layers"].each([&](const Field& f) {
    model.geometry.push_back(parse_calorimeter_layer(f));
    cells += model.geometry.back().n_cells();
    if (cells > max_width) {
      f.fail("field ", f.path(), ": more than ", max_width, " cells up to here");
    }
  });
  if (cells == 0) field.fail("field ", field.path(), ".layers is empty");
  model.geometry_json = simdjson::minify(field.element());
}

// The number of the input that a field names.
std::size_t parse_input_name(const Field& field, const ModelFile& model) {
  const std::string_view name = field.string();
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    if (model.inputs[i].name == name) return i;
  }
  field.fail("field ", field.path(), " is \"", name, "\", but no input has that name");
}

void parse_latent(const Field& field, ModelFile& model) {
  const Field nodes = field["nodes"];
  nodes.each([&](const Field& f) {
    const std::size_t input = parse_input_name(f["name"], model);
    const InputNode& node = model.inputs[input];
    for (std::size_t i = 0; i < model.latent_inputs.size(); ++i) {
      if (model.latent_inputs[i] == input) {
        f.fail("field ", f.path(), ".name is \"", node.name, "\" as in nodes[", i, "]");
      }
    }
    const std::size_t size = f["size"].count();
    if (size != node.variables.size()) {
      f.fail("field ", f.path(), ".size is ", size, ", but input \"", node.name, "\" has ",
             node.variables.size(), " variables");
    }
    model.latent_inputs.push_back(input);
    model.latent_size += size;
  });
  if (model.latent_inputs.empty()) {
    field.fail("field ", nodes.path(), " is empty, expected an input or more");
  }
  const std::string_view distribution = field["distribution"].string();
  if (distribution != "normal") {
    field.fail("field ", field.path(), ".distribution is \"", distribution,
               "\", expected \"normal\"");
  }
  model.latent_mean = field["mean"].number();
  model.latent_std = field["std"].number();
  if (!(model.latent_std > 0)) {
    field.fail("field ", field.path(), ".std is ", model.latent_std, ", expected more than 0");
  }
}

// Every input of the graph must be one that the block speaks of.
void check_inputs(const Field& conditions, const ModelFile& model) {
  std::vector<bool> fed(model.inputs.size(), false);
  for (const std::size_t input : model.latent_inputs) fed[input] = true;
  if (fed[model.conditions_input]) {
    conditions.fail("field ", conditions.path(), ".node is \"",
                    model.inputs[model.conditions_input].name,
                    "\", which is among calogan.latent.nodes");
  }
  fed[model.conditions_input] = true;
  for (std::size_t i = 0; i < fed.size(); ++i) {
    if (!fed[i]) {
      conditions.fail("field inputs[", i, "] is \"", model.inputs[i].name,
                      "\", which is neither calogan.conditions.node nor among "
                      "calogan.latent.nodes: nothing feeds it");
    }
  }
}

void parse_block(const Field& root, ModelFile& model) {
  if (!root.has("calogan")) {
    root.fail(
        "no field calogan: this may be an lwtnn network, but not a generator; "
        "'calogan export' writes the block that says what its inputs and outputs mean");
  }
  const Field block = root["calogan"];
  const std::size_t version = block["schema_version"].count();
  if (version != schema_version) {
    root.fail("field calogan.schema_version is ", version, ", this runner reads ", schema_version,
              version > schema_version ? "; update the runner" : "");
  }
  model.name = block["name"].string();

  parse_latent(block["latent"], model);

  const Field conditions = block["conditions"];
  model.conditions_input = parse_input_name(conditions["node"], model);
  check_inputs(conditions, model);
  const Field variables = conditions["variables"];
  variables.at_most(max_conditions);
  variables.each([&](const Field& f) {
    model.conditions.push_back(parse_condition(f));
    for (std::size_t i = 0; i + 1 < model.conditions.size(); ++i) {
      if (model.conditions[i].name == model.conditions.back().name) {
        f.fail("field ", f.path(), ".name is \"", model.conditions[i].name, "\" as in variables[", i,
               "]");
      }
    }
  });
  if (model.conditions.empty() || model.conditions[0].name != "energy" ||
      model.conditions[0].unit != "GeV") {
    root.fail("field ", variables.path(), "[0] must be the incident energy in GeV, named \"energy\"");
  }

  model.readout_threshold = block["readout_threshold"].number();
  if (!(model.readout_threshold >= 0)) {
    root.fail("field calogan.readout_threshold is ", model.readout_threshold,
              " MeV, expected 0 or more");
  }
  parse_geometry(block["geometry"], model);
  if (block.has("weights_sha256")) model.weights_sha256 = block["weights_sha256"].string();
  if (block.has("provenance")) {
    const Field provenance = block["provenance"];
    if (provenance.has("inputs_sha256")) {
      const Field inputs = provenance["inputs_sha256"];
      inputs.each([&](const Field& f) { model.inputs_sha256.emplace_back(f.string()); });
    }
  }
  parse_output(root, block["output"].string(), model);

  const Field self_test = block["self_test"];
  self_test.at_most(max_self_tests);
  self_test.each([&](const Field& f) {
    SelfTest test{f["latent"].numbers<float>(), f["conditions"].numbers<double>(),
                  f["fractions"].numbers<double>()};
    const auto check = [&](std::string_view key, std::size_t found, std::size_t expected) {
      if (found != expected) {
        f.fail("field ", f.path(), ".", key, " has ", found, " entries, expected ", expected);
      }
    };
    check("latent", test.latent.size(), model.latent_size);
    check("conditions", test.conditions.size(), model.conditions.size());
    check("fractions", test.fractions.size(), model.labels.size());
    model.self_tests.push_back(std::move(test));
  });
  if (model.self_tests.empty()) root.fail("field calogan.self_test is empty, expected a case or more");
}

dom::element document(const simdjson::simdjson_result<dom::element>& parsed,
                      const std::string& source) {
  const simdjson::error_code error = parsed.error();
  if (error == simdjson::N_ATOM_ERROR || error == simdjson::T_ATOM_ERROR ||
      error == simdjson::TAPE_ERROR || error == simdjson::NUMBER_ERROR) {
    fail(source, ": not valid JSON (", simdjson::error_message(error),
         "); note that JSON has no NaN and no Infinity");
  }
  if (error != simdjson::SUCCESS) {
    fail(source, ": not valid JSON (", simdjson::error_message(error), ")");
  }
  return parsed.value_unsafe();
}

ModelFile read(const Field& root) {
  ModelFile model;
  parse_graph(root, model);
  parse_block(root, model);
  return model;
}

void allocate(dom::parser& parser, std::size_t capacity, const std::string& source) {
  if (capacity > simdjson::SIMDJSON_MAXSIZE_BYTES) {
    fail(source, ": ", capacity, " bytes are too many to parse");
  }
  // Within its limits, memory is all that can be lacking.
  if (parser.allocate(capacity, max_depth)) throw std::bad_alloc();
}

// A file's bytes, and room for what simdjson looks at beyond them: it reads in blocks.
struct Text {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
};

Text read_text(const File& file) {
  const std::string& path = file.path();
  Text text;
  // A file's size is where to begin; what counts is where reading ends, so pipes work too.
  std::size_t capacity = 0;
  const auto grow = [&](std::size_t to) {
    // Not value-initialised: clearing a large file's memory first would take longer than reading it.
    std::unique_ptr<char[]> larger(new char[to + simdjson::SIMDJSON_PADDING]);
    if (text.size > 0) std::memcpy(larger.get(), text.bytes.get(), text.size);
    text.bytes = std::move(larger);
    capacity = to;
  };
  grow(std::min<std::size_t>(file.size() + 1, simdjson::SIMDJSON_MAXSIZE_BYTES));
  for (;;) {
    if (text.size == capacity) {
      if (capacity >= simdjson::SIMDJSON_MAXSIZE_BYTES) {
        fail(path, ": more than ", simdjson::SIMDJSON_MAXSIZE_BYTES, " bytes are too many to parse");
      }
      grow(std::min<std::size_t>(std::max<std::size_t>(2 * capacity, 1u << 20),
                                 simdjson::SIMDJSON_MAXSIZE_BYTES));
    }
    const std::size_t got = file.read(text.bytes.get() + text.size, capacity - text.size);
    if (got == 0) break;
    // What is no model at all need not be read to its end, which some devices do not have.
    constexpr std::string_view beginnings = "{ \t\r\n";
    if (text.size == 0 && beginnings.find(text.bytes[0]) == beginnings.npos) {
      fail(path, ": not a model file: it does not begin with {");
    }
    text.size += got;
  }
  if (text.size == 0) fail(path, ": the file is empty");
  return text;
}

// A document that `parser` keeps, which needs the file's bytes no longer.
dom::element read_document(dom::parser& parser, const Text& text, const std::string& path) {
  allocate(parser, text.size, path);
  return document(parser.parse(text.bytes.get(), text.size, false), path);
}

dom::element parse_document(dom::parser& parser, std::string_view json, const std::string& source) {
  allocate(parser, json.size(), source);
  return document(parser.parse(json.data(), json.size()), source);
}

}  // namespace

ModelFile parse_model(std::string_view json, const std::string& source) {
  dom::parser parser;
  return read({parse_document(parser, json, source), source});
}

ModelFile read_model(const File& file) {
  dom::parser parser;
  const dom::element root = read_document(parser, read_text(file), file.path());
  return read({root, file.path()});
}

ModelFile read_model(const File& file, Origin& origin) {
  dom::parser parser;
  dom::element root;
  {
    const Text text = read_text(file);
    origin.sha256 = sha256({text.bytes.get(), text.size});
    root = read_document(parser, text, file.path());
  }
  ModelFile model = read({root, file.path()});
  origin.head = "{";
  for (const std::string_view key : {"inputs", "outputs", "calogan"}) {
    if (origin.head.size() > 1) origin.head += ',';
    origin.head += text("\"", key, "\":", simdjson::minify(root.at_key(key).value_unsafe()));
  }
  origin.head += '}';
  return model;
}

ModelFile parse_head(std::string_view head, const std::string& source) {
  dom::parser parser;
  const dom::element element = parse_document(parser, head, source);
  const Field root(element, source);
  ModelFile model;
  parse_inputs(root, model);
  parse_block(root, model);
  return model;
}

}  // namespace calogan::detail
