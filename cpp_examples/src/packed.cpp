#include "packed.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>

namespace calogan::detail {

namespace {

struct Free {
  void operator()(void* p) const noexcept {
    ::operator delete(p, std::align_val_t{packed_alignment});
  }
};

// Rounds to the nearest, ties to even, and to the largest bfloat16 what is beyond it.
std::uint32_t to_bfloat16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
  const bool overflows = (rounded & 0x7F800000) == 0x7F800000;
  return (overflows ? bits : rounded) >> 16;
}

// Where a row's weights go: its lane in its group, and how many lanes the group has.
struct Place {
  unsigned char* group;
  std::size_t lane;
  std::size_t lanes;
};

void pack_float32(const float* row, std::size_t inputs, const Place& to) {
  for (std::size_t k = 0; k < inputs; ++k) {
    std::memcpy(to.group + (k * to.lanes + to.lane) * sizeof(float), row + k, sizeof(float));
  }
}

void pack_bfloat16(const float* row, std::size_t inputs, const Place& to) {
  for (std::size_t k = 0; k < inputs; k += 2) {
    const std::uint32_t odd = k + 1 < inputs ? to_bfloat16(row[k + 1]) : 0;
    const std::uint32_t word = odd << 16 | to_bfloat16(row[k]);
    std::memcpy(to.group + (k / 2 * to.lanes + to.lane) * sizeof word, &word, sizeof word);
  }
}

void pack_int8(const float* row, std::size_t inputs, const Place& to) {
  unsigned char* out = to.group;
  for (std::size_t first = 0; first < inputs; first += stretch) {
    const std::size_t n = std::min(stretch, inputs - first);
    float largest = 0;
    for (std::size_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(row[first + k]));
    float scale = largest / 127;
    if (scale < std::numeric_limits<float>::min()) scale = 0;
    std::memcpy(out + to.lane * sizeof scale, &scale, sizeof scale);
    out += to.lanes * sizeof scale;
    for (std::size_t k = 0; k < n; ++k) {
      const float number = scale > 0 ? std::nearbyint(row[first + k] / scale) : 0.0f;
      const auto integer = static_cast<std::int8_t>(std::clamp(number, -127.0f, 127.0f));
      std::memcpy(out + (k / 4 * to.lanes + to.lane) * 4 + k % 4, &integer, 1);
    }
    out += (n + 3) / 4 * to.lanes * 4;
  }
}

}  // namespace

std::size_t packed_panel_bytes(Storage storage, std::size_t inputs) {
  switch (storage) {
    case Storage::float32:
      return inputs * panel_rows * sizeof(float);
    case Storage::bfloat16:
      return (inputs + 1) / 2 * panel_rows * sizeof(std::uint32_t);
    case Storage::int8: {
      const std::size_t n_stretches = (inputs + stretch - 1) / stretch;
      return (n_stretches * sizeof(float) + (inputs + 3) / 4 * 4) * panel_rows;
    }
  }
  return 0;
}

PackedMatrix pack(const std::vector<float>& row_major, const std::vector<float>& bias,
                  std::size_t rows, std::size_t inputs, Storage storage) {
  PackedMatrix out;
  out.storage = storage;
  out.rows = rows;
  out.inputs = inputs;
  out.panel_bytes = packed_panel_bytes(storage, inputs);
  const std::size_t size = out.panels_size() + out.bias_size();
  const std::shared_ptr<void> memory(
      ::operator new(size, std::align_val_t{packed_alignment}), Free());
  std::memset(memory.get(), 0, size);  // rows that pad the last panel
  auto* const panels = static_cast<unsigned char*>(memory.get());
  const auto pack_row = storage == Storage::float32    ? pack_float32
                        : storage == Storage::bfloat16 ? pack_bfloat16
                                                       : pack_int8;
  const std::size_t n_groups = (out.n_panels() + group_panels - 1) / group_panels;
  std::size_t panel = 0;
  for (std::size_t group = 0; group < n_groups; ++group) {
    const std::size_t larger = out.n_panels() % n_groups;
    const std::size_t n = out.n_panels() / n_groups + (group < larger ? 1 : 0);
    const std::size_t first = panel * panel_rows;
    for (std::size_t row = first; row < std::min(rows, first + n * panel_rows); ++row) {
      pack_row(row_major.data() + row * inputs, inputs,
               {panels + panel * out.panel_bytes, row - first, n * panel_rows});
    }
    panel += n;
  }
  if (!bias.empty()) {
    std::memcpy(panels + out.panels_size(), bias.data(), bias.size() * sizeof(float));
  }
  out.panels = panels;
  out.bias = reinterpret_cast<const float*>(panels + out.panels_size());
  out.owner = memory;
  return out;
}

}  // namespace calogan::detail
