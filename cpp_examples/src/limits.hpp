// How large a model may be. What goes beyond is refused before it costs memory or time. Weights need
// no limit of their own: a file cannot hold more of them than it has bytes.
#pragma once

#include <cstddef>

namespace calogan::detail {

constexpr std::size_t max_inputs = 10'000;
constexpr std::size_t max_nodes = 100'000;
constexpr std::size_t max_steps = 4 * max_nodes;
constexpr std::size_t max_width = std::size_t{1} << 24;
constexpr std::size_t max_operations = std::size_t{1} << 33;  // for one shower
constexpr std::size_t max_conditions = 100;
constexpr double largest_label = 1 << 24;  // whole numbers that single precision holds exactly
constexpr std::size_t max_self_tests = 100;
constexpr std::size_t max_members = 100'000;  // of a bundle

}  // namespace calogan::detail
