// Any bytes at all either load as a model or give a calogan::Error. A model that loads is run once.
#include <calogan/runner.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const std::string_view json(reinterpret_cast<const char*>(data), size);
    const auto generator = calogan::Generator::parse(json);
    std::vector<double> conditions;
    for (const calogan::Condition& condition : generator.conditions()) {
      conditions.push_back(condition.high);
    }
    std::vector<float> energies(generator.n_voxels());
    generator.generate(conditions, 1, 2, energies.data());
  } catch (const calogan::Error&) {
  }
  return 0;
}
