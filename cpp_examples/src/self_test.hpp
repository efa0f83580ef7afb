// The self-test of a model file: cases whose results are known, replayed when a model is loaded.
#pragma once

#include <string>
#include <vector>

#include "model.hpp"
#include "model_file.hpp"

namespace calogan::detail {

// Returns the largest deviation, in units of the tolerance. Throws Error naming `source` for one of 1
// or more.
double replay(const std::vector<SelfTest>& tests, const Model& model, const std::string& source);

}  // namespace calogan::detail
