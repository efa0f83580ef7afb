// The cells of a model: where each of them stands, and which outputs of the network are theirs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "calogan/runner.hpp"
#include "model_file.hpp"

namespace calogan::detail {

// The cells of all calorimeter layers, in the order of a shower's energies. Throws Error naming
// `source` if the output has too few labels for them.
std::vector<Cell> make_cells(const ModelFile& file, const std::string& source);

// Cells that stand next to each other both in the network's output and in the shower.
struct CellRun {
  std::size_t output;  // of the first
  std::size_t voxel;   // its number
  std::size_t n;
};

// From the labels of the output, which have to name every cell once and in order. Outputs between the
// runs, such as what a layer leaves over, belong to no cell.
std::vector<CellRun> match_labels(const ModelFile& file, const std::string& source,
                                  std::size_t n_voxels);

}  // namespace calogan::detail
