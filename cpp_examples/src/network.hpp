// A network: a plan that was checked, and how its steps are run for many showers at once.
#pragma once

#include <cstddef>
#include <string>

#include "kernels.hpp"
#include "plan.hpp"

namespace calogan::detail {

class Network {
 public:
  // Throws Error naming `source` for a plan that does not pass Plan::check(). `kernels` is for tests;
  // default is the best for the machine.
  Network(Plan plan, const std::string& source, const Kernels& kernels = best_kernels());

  const Plan& plan() const { return plan_; }

  std::size_t n_outputs() const { return plan_.output.rows; }

  // How many showers one call of run() takes at most: so many that they stay in the processor's cache.
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
