// Weights of dense layers as the kernels read them. The layout is one and the same in memory and in
// compiled models, whatever the instruction set (x86, or any little-endian machine).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels.hpp"

namespace calogan::detail {

// Changes whenever panels of the same weights get other bytes.
constexpr unsigned packed_layout_version = 2;

// Panels and biases begin at a multiple of this many bytes; it makes them quicker to read, no more.
constexpr std::size_t packed_alignment = 64;

// Weights, and the owner of the memory that they are in: a block of the heap, or a file mapped into
// memory. Copies share it.
struct PackedMatrix : DenseWeights {
  std::shared_ptr<const void> owner;

  std::size_t n_panels() const { return (rows + panel_rows - 1) / panel_rows; }
  std::size_t panels_size() const { return n_panels() * panel_bytes; }              // bytes
  std::size_t bias_size() const { return n_panels() * panel_rows * sizeof(float); }  // bytes
};

// The bytes of one panel; what DenseWeights::panel_bytes must be.
std::size_t packed_panel_bytes(Storage storage, std::size_t inputs);

// Packs row-major (rows, inputs) weights and a bias (may be empty: zeros). The weights are finite.
PackedMatrix pack(const std::vector<float>& row_major, const std::vector<float>& bias,
                  std::size_t rows, std::size_t inputs, Storage storage = Storage::float32);

}  // namespace calogan::detail
