#include "inputs.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "text.hpp"

namespace calogan::detail {

namespace {

bool outside(const Condition& condition, double value) {
  if (value >= condition.low && value <= condition.high) return false;
  const auto on_scale = [&](double v) { return condition.logarithmic ? std::log(v) : v; };
  return beyond(on_scale(condition.low), on_scale(condition.high), on_scale(value));
}

// The names of the variables that the network reads a condition from.
std::vector<std::string> variable_names(const Condition& condition) {
  if (condition.labels.empty()) return {(condition.logarithmic ? "log_" : "") + condition.name};
  std::vector<std::string> names;
  for (const Label& label : condition.labels) {
    names.push_back(text(condition.name, "_", static_cast<long long>(label.value)));
  }
  return names;
}

bool is_label(const Condition& condition, double value) {
  return std::any_of(condition.labels.begin(), condition.labels.end(),
                     [=](const Label& label) { return label.value == value; });
}

std::string listed(const std::vector<Label>& labels) {
  std::string words;
  for (const Label& label : labels) {
    words += text(words.empty() ? "" : ", ", label.name, " (", static_cast<long long>(label.value),
                  ")");
  }
  return words;
}

}  // namespace

Inputs::Inputs(const ModelFile& file, const std::string& source)
    : generator_(file.name),
      conditions_(file.conditions),
      condition_variables_(file.graph.inputs[file.conditions_input].variables),
      conditions_input_(file.conditions_input),
      latent_size_(file.latent_size),
      latent_mean_(file.latent_mean),
      latent_std_(file.latent_std) {
  const auto check_names = [&](std::size_t input, auto expected_name) {
    const auto& variables = file.graph.inputs[input].variables;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (variables[i].name != expected_name(i)) {
        fail(source, ": field inputs[", input, "].variables[", i, "].name is \"", variables[i].name,
             "\", expected \"", expected_name(i), "\"");
      }
    }
  };
  std::size_t first = 0;
  for (const std::size_t input : file.latent_inputs) {
    const InputNode& node = file.graph.inputs[input];
    check_names(input, [&](std::size_t i) { return text(node.name, "_", i); });
    latent_inputs_.push_back({input, first, node.variables});
    first += node.variables.size();
  }
  std::vector<std::string> names;
  for (const Condition& condition : conditions_) {
    for (std::string& name : variable_names(condition)) names.push_back(std::move(name));
  }
  if (condition_variables_.size() != names.size()) {
    fail(source, ": input \"", file.graph.inputs[conditions_input_].name, "\" has ",
         condition_variables_.size(), " variables, the calogan block says ", names.size());
  }
  check_names(conditions_input_, [&](std::size_t i) { return names[i]; });
}

void Inputs::check(Span values, std::size_t n, bool extrapolate) const {
  if (values.size() != n * conditions_.size()) {
    std::string names;
    for (const Condition& condition : conditions_) {
      names += (names.empty() ? "" : ", ") + condition.name;
    }
    fail("got ", values.size(), " condition values for ", n, n == 1 ? " shower" : " showers",
         ", expected ", conditions_.size(), " each (", names, ")");
  }
  for (std::size_t i = 0; i < n; ++i) {
    check_shower({values.data() + i * conditions_.size(), conditions_.size()}, i, extrapolate);
  }
}

void Inputs::check_shower(Span values, std::size_t shower, bool extrapolate) const {
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    const Condition& condition = conditions_[i];
    const double value = values[i];
    if (!std::isfinite(value)) {
      fail("shower ", shower, ": ", condition.name, " is ", value, ", expected a finite number of ",
           condition.unit);
    }
    if (value <= 0 && (i == 0 || condition.logarithmic)) {
      fail("shower ", shower, ": ", condition.name, " is ", value, " ", condition.unit,
           ", expected more than 0");
    }
    if (!condition.labels.empty()) {
      if (is_label(condition, value)) continue;
      fail("generator ", generator_, " takes ", condition.name, " ", listed(condition.labels),
           ", was asked for ", value, "; there is nothing between or beyond these");
    }
    if (!extrapolate && outside(condition, value)) {
      fail("generator ", generator_, " takes ", condition.name, " ", condition.low, "..", condition.high,
           " ", condition.unit, ", was asked for ", value, " ", condition.unit,
           "; allow extrapolation to try");
    }
  }
}

void Inputs::write_conditions(const Network& network, float* workspace, std::size_t n,
                              const double* values) const {
  const Network::Columns columns = network.input(conditions_input_, workspace);
  for (std::size_t shower = 0; shower < n; ++shower) {
    float* const column = columns.data + shower * columns.stride;
    std::size_t i = 0;
    const auto write = [&](double variable) {
      column[i] = static_cast<float>((variable + condition_variables_[i].offset) *
                                     condition_variables_[i].scale);
      ++i;
    };
    for (const Condition& condition : conditions_) {
      const double value = *values++;
      for (const Label& label : condition.labels) write(label.value == value ? 1 : 0);
      if (condition.labels.empty()) write(condition.logarithmic ? std::log(value) : value);
    }
  }
}

}  // namespace calogan::detail
