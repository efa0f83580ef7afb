// Broken files, each with the message it must give.
#include <calogan/runner.hpp>

#include <clocale>
#include <limits>

#include "check.hpp"

using calogan::Generator;

namespace {

const std::string& good() {
  static const std::string text = test::read_text("gated.json");
  return text;
}

// A good file with the first `from` after `anchor` replaced.
std::string replaced(std::string json, const std::string& anchor, const std::string& from,
                     const std::string& to) {
  const std::size_t start = json.find(anchor);
  const std::size_t at = start == std::string::npos ? start : json.find(from, start);
  if (at == std::string::npos) {
    test::report(__FILE__, __LINE__, "the test's text is not in the good file: " + anchor + from);
    return json;
  }
  return json.replace(at, from.size(), to);
}

std::string with(const std::string& anchor, const std::string& from, const std::string& to) {
  return replaced(good(), anchor, from, to);
}

std::string with(const std::string& from, const std::string& to) { return with("", from, to); }

std::string error_of(const std::string& json) {
  return test::error_of([&] { Generator::parse(json, "file"); });
}

void expect(const std::string& json, const std::string& message) {
  const std::string error = error_of(json);
  if (error.find(message) == std::string::npos) {
    test::report(__FILE__, __LINE__, "error is \"" + error + "\", expected \"" + message + "\"");
  }
}

}  // namespace

TEST(the_good_file_loads) { CHECK_EQ(error_of(good()), std::string()); }

TEST(files_that_are_not_there) {
  CHECK_ERROR(Generator::load("/nowhere/model.json"), "cannot open /nowhere/model.json: No such file");
  CHECK_ERROR(Generator::load("/"), "cannot read /: Is a directory");
  CHECK_ERROR(Generator::load("/dev/null"), "/dev/null: the file is empty");
  // Without an end, but soon seen to be no model.
  CHECK_ERROR(Generator::load("/dev/zero"), "/dev/zero: not a model file");
  CHECK_ERROR(Generator::load("/proc/self/exe"), "not a model file: it does not begin with {");
}

TEST(not_json) {
  expect("", "file: not valid JSON");
  expect("nonsense", "file: not valid JSON");
  expect("[1, 2]", "file: the document is an array, expected an object");
  expect("3", "file: the document is a number, expected an object");
  for (const std::size_t part : {2, 3, 10, 100, 1000}) {
    expect(good().substr(0, good().size() / part), "file: not valid JSON");
  }
  expect(good() + "}", "file: not valid JSON");
  expect(std::string(100'000, '['), "file: not valid JSON");
  expect(good() + std::string(3, '\0'), "file: not valid JSON");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{\"a\":";
  deep += "1" + std::string(100, '}');
  expect(with("\"provenance\":{", "\"provenance\":{\"a\":" + deep + ","),
         "file: not valid JSON");
}

TEST(numbers_that_are_none) {
  const std::string first = "\"weights\":[";
  expect(with(first, first + "NaN,"), "JSON has no NaN and no Infinity");
  expect(with(first, first + "Infinity,"), "JSON has no NaN and no Infinity");
  expect(with(first, first + "1e999,"), "JSON has no NaN and no Infinity");
  expect(with(first, first + "1e39,"),
         "file: field layers[0].weights[0] is 1e+39, which is not finite in single precision");
  expect(with(first, first + "null,"), "field layers[0].weights[0] is null, expected a number");
  expect(with(first, first + "\"1\","), "field layers[0].weights[0] is a string, expected a number");
  expect(with(first, first + "[1],"), "field layers[0].weights[0] is an array, expected a number");
  expect(with("\"mean\":0.0", "\"mean\":true"),
         "field calogan.latent.mean is true or false, expected a number");
}

TEST(hashes_for_provenance) {
  const std::string provenance = "\"provenance\":{";
  const std::string hashes = provenance + "\"inputs_sha256\":[\"ab\",\"cd\"],";
  const std::string weights = "\"weights_sha256\":\"\"";
  const auto generator = Generator::parse(
      replaced(with(provenance, hashes), "", weights, "\"weights_sha256\":\"12ef\""), "file");
  CHECK_EQ(generator.weights_sha256(), std::string("12ef"));
  CHECK((generator.inputs_sha256() == std::vector<std::string>{"ab", "cd"}));
  expect(with(provenance, provenance + "\"inputs_sha256\":\"ab\","),
         "field calogan.provenance.inputs_sha256 is a string, expected an array");
  expect(with(provenance, provenance + "\"inputs_sha256\":[7],"),
         "field calogan.provenance.inputs_sha256[0] is a number, expected a string");
  expect(with(weights, "\"weights_sha256\":7"),
         "field calogan.weights_sha256 is a number, expected a string");
}

TEST(missing_and_wrong_fields) {
  expect(with("\"nodes\"", "\"nodez\""), "this is a sequential lwtnn file");
  expect(with("\"layers\"", "\"layerz\""), "file: no field layers");
  expect(with("\"calogan\"", "\"calogone\""), "file: no field calogan: this may be an lwtnn network");
  expect(with("\"outputs\":{\"fractions\"", "\"outputs\":{\"other\""),
         "file: no field outputs.fractions");
  expect(with("\"type\":\"input\",", ""), "file: no field nodes[0].type");
  expect(with("\"sources\":[0],", "\"sources\":0,"),
         "field nodes[0].sources is a number, expected an array");
  expect(with("\"sources\":[0],", "\"sources\":[0.5],"),
         "field nodes[0].sources[0] is a number, expected a whole number");
  expect(with("\"sources\":[0],", "\"sources\":[-1],"),
         "field nodes[0].sources[0] is -1, expected 0 or more");
  expect(with("\"sources\":[0],", "\"sources\":[0,1],"),
         "field nodes[0].sources has 2 entries, expected 1 for a node of type input");
  expect(with("\"sources\":[0,1]", "\"sources\":[]"),
         "field nodes[2].sources has 0 entries, expected at least 1");
  expect(with("\"input_sequences\":[]", "\"input_sequences\":[1]"), "does not take sequences");
  expect(with("{\"architecture\":\"dense\",", "7,{\"architecture\":\"dense\","),
         "field layers[0] is a number, expected an object");
}

TEST(graphs_that_do_not_fit) {
  expect(with("\"layer_index\":0", "\"layer_index\":12"),
         "field nodes[3].layer_index is 12, but there are 12 layers");
  expect(with("\"layer_index\":0", "\"layer_index\":18446744073709551615"),
         "field nodes[3].layer_index is a number, expected a whole number");
  expect(with("\"sources\":[0,1]", "\"sources\":[0,18]"),
         "field nodes[2].sources[1] is 18, but there are 18 nodes");
  expect(with("\"type\":\"input\",\"sources\":[1]", "\"type\":\"input\",\"sources\":[2]"),
         "field nodes[1].sources[0] is 2, but there are 2 inputs");
  expect(with("\"size\":6", "\"size\":7"), "field nodes[0].size is 7, but inputs[0] has 6 variables");
  expect(with("\"node_index\":17", "\"node_index\":99"),
         "the output's node_index is 99, but there are 18 nodes");
  expect(with("\"node_index\":17", "\"node_index\":16"),
         "the output has 28 labels, but nodes[16] has 21 elements");
  expect(with("\"sources\":[2],\"layer_index\":0", "\"sources\":[4],\"layer_index\":0"),
         "a cycle");
  expect(with("\"sources\":[2],\"layer_index\":0", "\"sources\":[3],\"layer_index\":0"),
         "nodes[3] is among its own sources: a cycle");
  expect(with("\"type\":\"concatenate\"", "\"type\":\"add\""),
         "nodes[2] adds nodes[1] of 2 elements to nodes[0] of 6");
  expect(with("\"type\":\"concatenate\"", "\"type\":\"sum\""), "field nodes[2].type is \"sum\"");
}

TEST(layers_that_do_not_fit) {
  expect(with("\"weights\":[", "\"weights\":[1,"),
         "layers[0]: 97 weights, expected 12 x 8 = 96 (outputs by bias, inputs)");
  expect(with("\"bias\":[", "\"bias\":[1,"), "layers[0]: 96 weights, expected 13 x 8 = 104");
  expect(with("normalization", "\"weights\":[", "\"weights\":[1,"),
         "layers[1]: 13 weights and 12 biases, expected 12 of each");
  expect(with("\"highway\"", "\"t\":{\"weights\":[", "\"t\":{\"weights\":[0,"),
         "layers[8].components.t: 50 weights, expected 7 x 7 = 49");
  expect(with("\"highway\"", "\"bias\":[0,", "\"bias\":["),
         "layers[8].components.t: 6 biases, expected 7");
  expect(with("\"highway\"", "\"carry\"", "\"carrot\""), "no field layers[8].components.carry");
  expect(with("\"architecture\":\"normalization\"", "\"architecture\":\"lstm\""),
         "field layers[1].architecture is \"lstm\"; the runner takes dense, normalization, maxout, "
         "highway and embedding");
  expect(with("\"activation\":\"linear\"", "\"activation\":\"gelu\""),
         "field layers[0].activation: no activation function \"gelu\" in lwtnn");
  expect(with("\"activation\":\"linear\"", "\"activation\":\"swish\""),
         "field layers[0].activation is \"swish\" without an alpha");
  expect(with("\"activation\":\"linear\"", "\"activation\":{\"function\":\"elu\"}"),
         "no field layers[0].activation.alpha");
  expect(with("\"architecture\":\"normalization\"",
              "\"architecture\":\"embedding\",\"sublayers\":[{\"weights\":[1,2,3],\"index\":0,"
              "\"n_out\":2}]"),
         "field layers[1].sublayers[0]: 3 weights are not a whole number of categories of n_out = 2");
  expect(with("\"architecture\":\"normalization\"",
              "\"architecture\":\"embedding\",\"sublayers\":[{\"weights\":[1,2],\"index\":12,"
              "\"n_out\":2}]"),
         "layers[1].sublayers[0].index is 12, but there are 12 elements");
  expect(with("\"architecture\":\"normalization\"", "\"architecture\":\"maxout\",\"sublayers\":[]"),
         "field layers[1].sublayers is empty");
  expect(with("\"architecture\":\"normalization\"",
              "\"architecture\":\"maxout\",\"sublayers\":[{\"weights\":[1,2,3,4,5,6,7,8,9,10,11,12],"
              "\"bias\":[1]},{\"weights\":[1],\"bias\":[1]}]"),
         "layers[1].sublayers[1]: 1 weights, expected 1 x 12 = 12");
}

// A small file must not be able to ask for a lot of memory.
TEST(widths_are_limited) {
  std::string nodes = "{\"type\":\"concatenate\",\"sources\":[0,0]}";
  for (int i = 18; i < 60; ++i) {
    nodes += calogan::detail::text(",{\"type\":\"concatenate\",\"sources\":[", i, ",", i, "]}");
  }
  expect(with("{\"type\":\"concatenate\",\"sources\":[12,16]}",
              "{\"type\":\"concatenate\",\"sources\":[12,16]}," + nodes),
         "elements, more than 16777216");
  std::string many = "{\"type\":\"input\",\"sources\":[0],\"size\":6}";
  for (int i = 0; i < 100'000; ++i) many += ",{\"type\":\"concatenate\",\"sources\":[0]}";
  expect(with("{\"type\":\"input\",\"sources\":[0],\"size\":6}", many),
         "field nodes has 100018 entries, more than 100000");
}

// A chain as long as is allowed must not exhaust the stack.
TEST(long_chains) {
  std::string chain;
  for (int i = 18; i < 90'000; ++i) {
    chain += calogan::detail::text(",{\"type\":\"concatenate\",\"sources\":[", i - 1, "]}");
  }
  std::string json = with("{\"type\":\"concatenate\",\"sources\":[12,16]}",
                          "{\"type\":\"concatenate\",\"sources\":[12,16]}" + chain);
  const std::string old = "\"node_index\":17";
  json.replace(json.find(old), old.size(), "\"node_index\":89999");
  CHECK_EQ(error_of(json), std::string());
}

TEST(the_block) {
  const std::string block = "\"calogan\"";
  expect(with("\"schema_version\":1", "\"schema_version\":2"),
         "field calogan.schema_version is 2, this runner reads 1; update the runner");
  expect(with("\"schema_version\":1", "\"schema_version\":0"),
         "field calogan.schema_version is 0, this runner reads 1");
  expect(with("\"schema_version\":1", "\"schema_version\":\"1\""),
         "field calogan.schema_version is a string, expected a whole number");
  expect(with("\"normal\"", "\"uniform\""), "field calogan.latent.distribution is \"uniform\"");
  expect(with("\"std\":1.0", "\"std\":0"), "field calogan.latent.std is 0, expected more than 0");
  expect(with(block, "\"node\":\"conditions\"", "\"node\":\"latent\""),
         "field calogan.conditions.node is \"latent\", which is among calogan.latent.nodes");
  expect(with(block, "\"node\":\"conditions\"", "\"node\":\"labels\""),
         "field calogan.conditions.node is \"labels\", but no input has that name");
  expect(with("\"name\":\"log_energy\"", "\"name\":\"energy\""),
         "field inputs[1].variables[0].name is \"energy\", expected \"log_energy\"");
  expect(with("{\"name\":\"energy\"", "{\"name\":\"momentum\""),
         "field calogan.conditions.variables[0] must be the incident energy in GeV");
  expect(with("\"unit\":\"GeV\"", "\"unit\":\"MeV\""), "must be the incident energy in GeV");
  expect(with(block, "{\"name\":\"theta\"", "{\"name\":\"energy\""),
         "field calogan.conditions.variables[1].name is \"energy\" as in variables[0]");
  expect(with("{\"name\":\"theta\",\"unit\"", "{\"name\":\"th eta\",\"unit\""),
         "expected letters, digits and underscores");
  expect(with("\"low\":1.0", "\"low\":50.0"), "the range 50..50 is not one, expected low < high");
  expect(with("\"low\":1.0", "\"low\":0.0"), "expected low < high and low > 0");
  expect(with("\"scale\":\"log\"", "\"scale\":\"sqrt\""), "expected \"log\" or \"linear\"");
  expect(with("\"readout_threshold\":0.3", "\"readout_threshold\":-1"),
         "field calogan.readout_threshold is -1 MeV");
  expect(with("\"voxel_7\",\"voxel_8\"", "\"voxel_8\",\"voxel_7\""),
         "output label 8 is \"voxel_8\", expected \"voxel_7\"");
  expect(with("\"unused_layer_1\"", "\"unused_layer_2\""),
         "output label 27 is \"unused_layer_2\", expected \"voxel_26\" (or \"unused_layer_0\" .. "
         "\"unused_layer_1\")");
  expect(with("\"unused_layer_1\"", "\"voxel_26\""),
         "the output has 27 voxels, the geometry has 26");
}

// One input of the graph for each cell layer's latents, and one for the rest.
TEST(the_latent_nodes) {
  const std::string cells = test::read_text("cells.json");
  CHECK_EQ(error_of(cells), std::string());
  const auto changed = [&](const std::string& from, const std::string& to) {
    return replaced(cells, "\"latent\":{\"nodes\"", from, to);
  };
  const std::string first = "{\"name\":\"latent\",\"size\":6}";
  const std::string second = "{\"name\":\"cell_latent_0\",\"size\":6}";
  const std::string third = "{\"name\":\"cell_latent_1\",\"size\":20}";
  const std::string all = first + "," + second + "," + third;
  const std::string nodes = "field calogan.latent.nodes";
  expect(changed("\"nodes\":[" + all + "]", "\"node\":\"latent\",\"size\":6"),
         "no field calogan.latent.nodes");
  expect(changed("[" + all + "]", first), nodes + " is an object, expected an array");
  expect(changed(all, ""), nodes + " is empty, expected an input or more");
  expect(changed(second, "\"cell_latent_0\""), nodes + "[1] is a string, expected an object");
  expect(changed(second, "{\"name\":\"cell_latent_0\"}"), "no field calogan.latent.nodes[1].size");
  expect(changed(second, "{\"size\":6}"), "no field calogan.latent.nodes[1].name");
  expect(changed("\"cell_latent_0\"", "3"),
         nodes + "[1].name is a number, expected a string");
  expect(changed("\"cell_latent_0\"", "\"cell_latent_7\""),
         nodes + "[1].name is \"cell_latent_7\", but no input has that name");
  expect(changed("\"cell_latent_0\"", "\"latent\""),
         nodes + "[1].name is \"latent\" as in nodes[0]");
  expect(changed(all, all + "," + third), nodes + "[3].name is \"cell_latent_1\" as in nodes[2]");
  expect(changed(all, all + ",{\"name\":\"conditions\",\"size\":2}"),
         "field calogan.conditions.node is \"conditions\", which is among calogan.latent.nodes");
  expect(changed("\"size\":20", "\"size\":19"),
         nodes + "[2].size is 19, but input \"cell_latent_1\" has 20 variables");
  expect(changed("\"size\":20", "\"size\":-20"), nodes + "[2].size is -20, expected 0 or more");
  expect(changed(second + ",", ""),
         "field inputs[1] is \"cell_latent_0\", which is neither calogan.conditions.node nor among "
         "calogan.latent.nodes: nothing feeds it");
  expect(replaced(cells, "\"inputs\"", "\"inputs\":[",
                  "\"inputs\":[{\"name\":\"spare\",\"variables\":[]},"),
         "but inputs[0] has 0 variables");
  expect(replaced(cells, "\"inputs\"", "\"cell_latent_1_19\"", "\"cell_latent_1_20\""),
         "field inputs[2].variables[19].name is \"cell_latent_1_20\", expected \"cell_latent_1_19\"");
  expect(with("\"name\":\"latent_3\"", "\"name\":\"latent_4\""),
         "field inputs[0].variables[3].name is \"latent_4\", expected \"latent_3\"");
  expect(replaced(cells, "\"self_test\"", "\"latent\":[", "\"latent\":[0.5,"),
         "field calogan.self_test[0].latent has 33 entries, expected 32");
  // Another order is another meaning of the latents, which the self-test notices.
  expect(changed(first + "," + second, second + "," + first), "file: self-test 0: output");
}

TEST(the_geometry) {
  expect(with("\"fastest\":\"last\"", "\"fastest\":\"second\""),
         "field calogan.geometry.fastest is \"second\"");
  expect(with("\"system\":\"cartesian\"", "\"system\":\"spherical\""),
         "field calogan.geometry.layers[0].system is \"spherical\"");
  expect(with("\"system\":\"cartesian\"", "\"system\":\"cylindrical\""),
         "no field calogan.geometry.layers[0].r_edges");
  expect(with("\"x_edges\":[-240.0,0.0,240.0]", "\"x_edges\":[-240.0]"),
         "field calogan.geometry.layers[0].x_edges has 1 edges, expected at least 2");
  expect(with("\"x_edges\":[-240.0,0.0,240.0]", "\"x_edges\":[-240.0,0.0,0.0]"),
         "field calogan.geometry.layers[0].x_edges[2] is 0 after 0, expected edges in increasing");
  expect(with("\"x_edges\":[-240.0,0.0,240.0]", "\"x_edges\":[-240.0,240.0]"),
         "the output has 26 voxels, the geometry has 23");
  expect(with("\"z\":[-240.0,-150.0]", "\"z\":[1]"),
         "field calogan.geometry.layers[0].z has 1 entries, expected 2 or null");
  CHECK_EQ(error_of(with("\"z\":[-240.0,-150.0]", "\"z\":null")), std::string());
}

TEST(the_self_test) {
  const std::string test = "\"self_test\"";
  expect(with(test, "\"latent\":[", "\"latent\":[0.5,"),
         "field calogan.self_test[0].latent has 7 entries, expected 6");
  expect(with(test, "\"conditions\":[1.0,0.0]", "\"conditions\":[1.0]"),
         "field calogan.self_test[0].conditions has 1 entries, expected 2");
  expect(with(test, "\"fractions\":[", "\"fractions\":[0.5,"),
         "field calogan.self_test[0].fractions has 29 entries, expected 28");
  expect(with(test, "\"conditions\":[1.0,0.0]", "\"conditions\":[0.0,0.0]"),
         "energy is 0 GeV, expected more than 0");
  // Any weight changed is noticed.
  expect(with("\"weights\":[", "\"weights\":[-"), "file: self-test 0: output 0 is ");
  expect(with(test, "\"conditions\":[1.0,0.0]", "\"conditions\":[1.01,0.0]"), "the file is damaged");
  const std::size_t start = good().find(test);
  expect(good().substr(0, start) + "\"self_test\":[]}}", "field calogan.self_test is empty");
}

// A host program's locale with a decimal comma changes nothing.
TEST(locale) {
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  }
  CHECK_EQ(error_of(good()), std::string());
  expect(with("\"low\":1.0", "\"low\":50.5"), "the range 50.5..50 is not one");
  std::setlocale(LC_ALL, "C");
}
