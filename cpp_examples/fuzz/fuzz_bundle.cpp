// Any bytes at all either are read as the index of a bundle or give a calogan::Error, and so does
// each choice that the index is asked for, of a member that takes what was asked.
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "bundle_index.hpp"
#include "inputs.hpp"
#include "target.hpp"

namespace {

using calogan::Condition;
using calogan::detail::BundleIndex;
using calogan::detail::Reach;

void choose(const BundleIndex& index, const std::vector<double>& values, std::uint64_t event) {
  try {
    const auto& member = index.members.at(index.choose(values, 1, event));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Reach& reach = member.reaches[i];
      const double value = index.conditions[i].logarithmic ? std::log(values[i]) : values[i];
      const double rounding = 1e-6 * std::abs(value);
      if (!reach.covers(value) &&
          calogan::detail::beyond(reach.low - rounding, reach.high + rounding, value)) {
        std::abort();
      }
    }
  } catch (const calogan::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto index = BundleIndex::parse({reinterpret_cast<const char*>(data), size}, "bundle");
    for (const double part : {0.0, 0.1, 0.5, 1.0, 2.0}) {
      std::vector<double> values;
      for (const Condition& condition : index.conditions) {
        values.push_back(condition.low + part * (condition.high - condition.low));
      }
      for (std::uint64_t event = 0; event < 4; ++event) choose(index, values, event);
    }
    for (const double value : {0.0, -1.0, std::numeric_limits<double>::max(),
                               std::numeric_limits<double>::quiet_NaN()}) {
      choose(index, std::vector<double>(index.conditions.size(), value), 0);
    }
  } catch (const calogan::Error&) {
  }
  return 0;
}
