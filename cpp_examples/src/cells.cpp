#include "cells.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "text.hpp"

namespace calogan::detail {

namespace {

constexpr double full_turn = 6.283185307179586;

// The number after `prefix`, if that is what the label consists of.
bool label_number(std::string_view label, std::string_view prefix, std::size_t& number) {
  if (label.size() <= prefix.size() || label.substr(0, prefix.size()) != prefix) return false;
  const char* const end = label.data() + label.size();
  const auto result = std::from_chars(label.data() + prefix.size(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

std::vector<Cell> make_cells(const ModelFile& file, const std::string& source) {
  std::size_t n_cells = 0;
  for (const CalorimeterLayer& layer : file.geometry) n_cells += layer.n_cells();
  // Few edges can make many cells, so no memory is taken for them unless each has a label.
  if (n_cells > file.graph.labels.size()) {
    fail(source, ": the output has ", file.graph.labels.size(), " labels, the geometry has ", n_cells,
         " cells");
  }
  const auto middle = [](const std::vector<double>& edges, std::size_t i) {
    return 0.5 * (edges[i] + edges[i + 1]);
  };
  std::vector<Cell> cells;
  cells.reserve(n_cells);
  for (std::size_t number = 0; number < file.geometry.size(); ++number) {
    const CalorimeterLayer& layer = file.geometry[number];
    const std::size_t n_first = layer.first_edges.size() - 1;
    const std::size_t n_second = layer.second_edges.size() - 1;
    // The middle of a whole ring is on the axis; its middle angle would put it to one side.
    const bool ring = layer.cylindrical && n_second == 1 &&
                      layer.second_edges[1] - layer.second_edges[0] > full_turn * (1 - 1e-6);
    for (std::size_t i = 0; i < n_first * n_second; ++i) {
      const double a = middle(layer.first_edges, file.first_fastest ? i % n_first : i / n_second);
      const double b = middle(layer.second_edges, file.first_fastest ? i / n_first : i % n_second);
      Cell cell{a, b, layer.z, static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(i)};
      if (layer.cylindrical) {
        cell.x = ring ? 0.0 : a * std::cos(b);
        cell.y = ring ? 0.0 : a * std::sin(b);
      }
      cells.push_back(cell);
    }
  }
  return cells;
}

std::vector<CellRun> match_labels(const ModelFile& file, const std::string& source,
                                  std::size_t n_voxels) {
  std::vector<CellRun> runs;
  std::size_t voxel = 0;
  for (std::size_t i = 0; i < file.graph.labels.size(); ++i) {
    const std::string& label = file.graph.labels[i];
    std::size_t number = 0;
    if (label_number(label, "unused_layer_", number) && number < file.geometry.size()) continue;
    if (!label_number(label, "voxel_", number) || number != voxel) {
      fail(source, ": output label ", i, " is \"", label, "\", expected \"voxel_", voxel,
           "\" (or \"unused_layer_0\" .. \"unused_layer_", file.geometry.size() - 1, "\")");
    }
    if (runs.empty() || runs.back().output + runs.back().n != i) runs.push_back({i, voxel, 0});
    ++runs.back().n;
    ++voxel;
  }
  if (voxel != n_voxels) {
    fail(source, ": the output has ", voxel, " voxels, the geometry has ", n_voxels);
  }
  return runs;
}

}  // namespace calogan::detail
