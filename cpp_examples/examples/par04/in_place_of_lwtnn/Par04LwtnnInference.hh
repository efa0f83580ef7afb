// In place of Par04's header of this name: `/Par04/inference/setInferenceLibrary LWTNN` gives calogan's
// runner.
#pragma once

#include "Par04CaloganInference.hh"

using Par04LwtnnInference = Par04CaloganInference;
