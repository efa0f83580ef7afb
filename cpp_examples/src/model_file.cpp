#include "model_file.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "json.hpp"
#include "limits.hpp"
#include "sha256.hpp"
#include "text.hpp"

namespace calogan::detail {

namespace {

// Version 2 has conditions that are labels.
constexpr int oldest_version = 1, schema_version = 2;

bool is_identifier(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

// Values that are whole numbers and a name for each, all different.
void parse_labels(const Field& field, Condition& condition) {
  const std::vector<double> values = field["values"].numbers<double>();
  std::vector<std::string> names;
  const Field named = field["names"];
  named.each([&](const Field& f) { names.emplace_back(f.string()); });
  if (values.size() < 2 || names.size() != values.size()) {
    field.fail("field ", field.path(), " has ", values.size(), " values and ", names.size(),
               " names, expected 2 or more, and as many names");
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(values[i]) <= largest_label) || values[i] != std::floor(values[i])) {
      field.fail("field ", field.path(), ".values[", i, "] is ", values[i],
                 ", expected a whole number up to ", static_cast<long long>(largest_label));
    }
    for (const Label& label : condition.labels) {
      if (label.value == values[i] || label.name == names[i]) {
        field.fail("field ", field.path(), ".values[", i, "] is ", values[i], " (", names[i],
                   "), which is there already");
      }
    }
    condition.labels.push_back({values[i], names[i]});
  }
  condition.low = *std::min_element(values.begin(), values.end());
  condition.high = *std::max_element(values.begin(), values.end());
  condition.logarithmic = false;
}

Condition parse_condition(const Field& field) {
  Condition condition;
  condition.name = field["name"].string();
  if (!is_identifier(condition.name)) {
    field.fail("field ", field.path(), ".name is \"", condition.name,
               "\", expected letters, digits and underscores");
  }
  if (field.has("values")) {
    parse_labels(field, condition);
    return condition;
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
  model.geometry_json = field.minified();
}

// The number of the input that a field names.
std::size_t parse_input_name(const Field& field, const ModelFile& model) {
  const std::string_view name = field.string();
  for (std::size_t i = 0; i < model.graph.inputs.size(); ++i) {
    if (model.graph.inputs[i].name == name) return i;
  }
  field.fail("field ", field.path(), " is \"", name, "\", but no input has that name");
}

void parse_latent(const Field& field, ModelFile& model) {
  const Field nodes = field["nodes"];
  nodes.each([&](const Field& f) {
    const std::size_t input = parse_input_name(f["name"], model);
    const InputNode& node = model.graph.inputs[input];
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
  std::vector<bool> fed(model.graph.inputs.size(), false);
  for (const std::size_t input : model.latent_inputs) fed[input] = true;
  if (fed[model.conditions_input]) {
    conditions.fail("field ", conditions.path(), ".node is \"",
                    model.graph.inputs[model.conditions_input].name,
                    "\", which is among calogan.latent.nodes");
  }
  fed[model.conditions_input] = true;
  for (std::size_t i = 0; i < fed.size(); ++i) {
    if (!fed[i]) {
      conditions.fail("field inputs[", i, "] is \"", model.graph.inputs[i].name,
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
  if (version < oldest_version || version > schema_version) {
    root.fail("field calogan.schema_version is ", version, ", this runner reads ", oldest_version,
              " and ", schema_version, version > schema_version ? "; update the runner" : "");
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
  parse_output(root, block["output"].string(), model.graph);

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
    check("fractions", test.fractions.size(), model.graph.labels.size());
    model.self_tests.push_back(std::move(test));
  });
  if (model.self_tests.empty()) root.fail("field calogan.self_test is empty, expected a case or more");
}

ModelFile parse(const Field& root) {
  ModelFile model;
  parse_graph(root, model.graph);
  parse_block(root, model);
  return model;
}

}  // namespace

ModelFile parse_model(std::string_view json, const std::string& source) {
  const Document document(json, source);
  return parse(document.root());
}

ModelFile read_model(const File& file) {
  const Document document(read_padded(file), file.path());
  return parse(document.root());
}

ModelFile read_model(const File& file, Origin& origin) {
  PaddedText json = read_padded(file);
  origin.sha256 = sha256({json.bytes.get(), json.size});
  const Document document(json, file.path());
  json.bytes.reset();  // a large file's text is not kept beside what is made of it
  const Field root = document.root();
  ModelFile model = parse(root);
  origin.head = "{";
  for (const std::string_view key : {"inputs", "outputs", "calogan"}) {
    if (origin.head.size() > 1) origin.head += ',';
    origin.head += text("\"", key, "\":", root[key].minified());
  }
  origin.head += '}';
  return model;
}

ModelFile parse_head(std::string_view head, const std::string& source) {
  const Document document(head, source);
  const Field root = document.root();
  ModelFile model;
  parse_inputs(root, model.graph);
  parse_block(root, model);
  return model;
}

}  // namespace calogan::detail
