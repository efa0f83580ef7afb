// What the fuzz targets share.
#pragma once

#include <calogan/runner.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace calogan::fuzz {

// A model that loads is run, alone and in a batch. Errors are as it should be.
inline void load_and_run(std::string_view bytes) {
  try {
    const auto generator = Generator::parse(bytes);
    constexpr std::size_t n = 3;
    std::vector<double> conditions;
    for (std::size_t shower = 0; shower < n; ++shower) {
      for (const Condition& condition : generator.conditions()) conditions.push_back(condition.high);
    }
    std::vector<float> energies(n * generator.n_voxels());
    generator.generate({conditions.data(), conditions.size() / n}, 1, 2, energies.data());
    generator.generate(n, conditions, 1, 2, energies.data());
  } catch (const Error&) {
  }
}

}  // namespace calogan::fuzz
