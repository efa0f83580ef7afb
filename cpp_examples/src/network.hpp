// The graph of a model file, checked and arranged as a list of steps, and how these are run.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels.hpp"
#include "model_file.hpp"
#include "packed.hpp"

namespace calogan::detail {

// What a network does: a list of steps over one block of memory.
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
    View scratch;                        // maxout, highway
    Activation activation;               // dense, affine, highway
    std::shared_ptr<const std::vector<PackedMatrix>> matrices;
    std::vector<float> scale;            // affine, add: in * scale + shift; may be empty
    std::vector<float> shift;
    std::shared_ptr<const std::vector<Embedding>> embeddings;
    std::size_t gate_row = 0;            // gate: out = in * sigmoid(-(weight * in[row] + bias))
    float gate_weight = 0;
    float gate_bias = 0;
  };

  std::vector<Step> steps;
  std::vector<View> inputs;  // by their numbers in the model file
  View output;
  std::size_t floats_per_shower = 0;  // of all buffers

  // Checks that nodes, layers and inputs of a model file fit each other; throws Error naming
  // `source`. Takes the layers' weights out of the model and keeps them as `storage` says.
  static Plan make(ModelFile& model, const std::string& source,
                   Storage storage = Storage::float32);
};

class Network {
 public:
  // Checks that no step reads or writes where it must not, wherever the plan comes from; throws
  // Error naming `source`. `kernels` is for tests; default is the best for the machine.
  Network(Plan plan, const std::string& source, const Kernels& kernels = best_kernels());

  const Plan& plan() const { return plan_; }

  std::size_t n_outputs() const { return plan_.output.rows; }

  // How many showers one call of run() takes at most, chosen to stay within the cache.
  std::size_t block() const { return block_; }

  // Floats needed by run().
  std::size_t workspace_size() const { return plan_.floats_per_shower * block_; }

  // The showers of a block, column by column.
  struct Columns {
    float* data;
    std::size_t stride;  // from one shower to the next
  };

  // Where the values of an input (numbered as in the model file) are to be written before run().
  Columns input(std::size_t number, float* workspace) const;

  // Evaluates n <= block() showers and returns where the outputs are.
  Columns run(float* workspace, std::size_t n) const;

 private:
  using View = Plan::View;
  using Step = Plan::Step;

  float* at(const View& view, float* workspace) const {
    return workspace + view.offset * block_ + view.first;
  }
  void run(const Step& step, float* workspace, std::size_t n) const;
  void multiply(const PackedMatrix& matrix, const View& in, const View& out, float* workspace,
                std::size_t n) const;

  const Kernels* kernels_;
  Plan plan_;
  std::size_t block_ = 1;
};

}  // namespace calogan::detail
