// A plan: what a network does to a shower, as a list of steps over one block of memory. It is built
// from the graph of a model file (plan.cpp) or read from a compiled model, and checked before it is run
// wherever it comes from (plan_check.cpp).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lwtnn.hpp"
#include "packed.hpp"

namespace calogan::detail {

struct Plan {
  // Some rows of a buffer; a buffer is a matrix of as many columns as showers in the workspace.
  struct View {
    std::size_t offset = 0;  // of the buffer, in floats per shower
    std::size_t stride = 0;  // rows of the buffer
    std::size_t first = 0;
    std::size_t rows = 0;
  };

  struct Step {
    enum class Type { copy, add, affine, dense, maxout, highway, gate, embedding };
    Type type;
    View in;
    View out;
    View scratch;           // maxout, highway
    Activation activation;  // dense, affine, highway
    std::shared_ptr<const std::vector<PackedMatrix>> matrices;
    std::vector<float> scale;  // affine, add: in * scale + shift; may be empty
    std::vector<float> shift;
    std::shared_ptr<const std::vector<Embedding>> embeddings;
    std::size_t gate_row = 0;  // gate: out = in * sigmoid(-(weight * in[row] + bias))
    float gate_weight = 0;
    float gate_bias = 0;
  };

  std::vector<Step> steps;
  std::vector<View> inputs;  // by their numbers in the model file
  View output;
  std::size_t floats_per_shower = 0;  // of all buffers

  // Takes the layers' weights out of the file and keeps them as `storage` says. Throws Error naming
  // `source` if nodes, layers and inputs do not fit each other.
  static Plan make(LwtnnGraph& file, const std::string& source, Storage storage = Storage::float32);

  // Throws Error naming `source` if a step would read or write where it must not, or if a shower would
  // take too long.
  void check(const std::string& source) const;
};

}  // namespace calogan::detail
