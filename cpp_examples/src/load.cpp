// How a file, or bytes, become a generator: JSON and compiled models are told apart by their first
// bytes, and either has to pass its self-test.
#include <memory>
#include <utility>

#include "calogan/runner.hpp"
#include "compiled_model.hpp"
#include "file.hpp"
#include "model.hpp"
#include "model_file.hpp"
#include "plan.hpp"
#include "self_test.hpp"
#include "text.hpp"

namespace calogan {

namespace {

using detail::fail;
using detail::ModelFile;
using detail::Plan;
using detail::Storage;

Storage to_storage(Weights weights) {
  switch (weights) {
    case Weights::float32:
      return Storage::float32;
    case Weights::bfloat16:
      return Storage::bfloat16;
    case Weights::int8:
      return Storage::int8;
  }
  fail("weights are kept as float32, bfloat16 or int8");
}

Weights to_weights(Storage storage) {
  switch (storage) {
    case Storage::bfloat16:
      return Weights::bfloat16;
    case Storage::int8:
      return Weights::int8;
    default:
      return Weights::float32;
  }
}

detail::Model make_model(const ModelFile& file, Plan plan, const std::string& source,
                         Weights weights, std::string sha256 = {}) {
  detail::Model model(file, std::move(plan), source, weights, std::move(sha256));
  model.self_test_deviation = detail::replay(file.self_tests, model, source);
  model.n_self_tests = file.self_tests.size();
  return model;
}

detail::Model make_model(detail::CompiledModel compiled, const std::string& source) {
  return make_model(compiled.file, std::move(compiled.plan), source, to_weights(compiled.storage),
                    std::move(compiled.json_sha256));
}

detail::Model make_model(ModelFile file, const std::string& source) {
  Plan plan = Plan::make(file.graph, source);
  return make_model(file, std::move(plan), source, Weights::float32);
}

}  // namespace

Generator Generator::load(const std::string& path) {
  const detail::File file(path);
  auto compiled = detail::open_compiled(file);
  return Generator(std::make_shared<const Model>(
      compiled ? make_model(std::move(*compiled), path) : make_model(detail::read_model(file), path)));
}

Generator Generator::parse(std::string_view model, const std::string& name) {
  return Generator(std::make_shared<const Model>(
      detail::is_compiled(model) ? make_model(detail::copy_compiled(model, name), name)
                                 : make_model(detail::parse_model(model, name), name)));
}

void Generator::compile(const std::string& json_path, const std::string& compiled_path,
                        Weights weights) {
  const detail::File json(json_path);
  if (detail::open_compiled(json)) fail(json_path, ": this model is compiled already");
  if (detail::same_file(json_path, compiled_path)) {
    fail(json_path, " would be replaced by what is compiled from it; choose another name");
  }
  detail::Origin origin;
  ModelFile file = detail::read_model(json, origin);
  const Storage storage = to_storage(weights);
  const Plan plan = Plan::make(file.graph, json_path, storage);
  make_model(file, plan, json_path, weights);  // what cannot be loaded is not written
  detail::write_compiled(compiled_path, origin, plan, storage);
}

}  // namespace calogan
