// The command line of calogan-generate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calogan/runner.hpp"

namespace calogan::app {

// "10" is 10..10.
struct Range {
  double low;
  double high;
  std::vector<double> among{};  // of a label: what is drawn from, in place of a range
};

struct Options {
  std::string model;
  std::string output;
  std::optional<std::uint64_t> number;
  std::uint64_t seed = 1;
  std::uint64_t first_event = 0;
  std::string like;
  std::string latents;
  std::string compile;
  std::optional<Weights> weights;
  std::optional<double> threshold;
  bool allow_extrapolation = false;
  std::size_t threads = 1;
  std::size_t batch = 0;  // 0: chosen by the size of a shower
  bool quiet = false;
  bool help = false;
  bool version = false;
  // Options that are not the program's own: conditions, whose names only the model knows.
  std::map<std::string, std::string> conditions;
};

// Throws Error for a mistake.
Options parse_options(const std::vector<std::string>& arguments);

// The value or range of each condition that was given. Throws Error for a name the model lacks.
std::map<std::string, Range> parse_conditions(const Options& options,
                                              const std::vector<Condition>& known);

// The name most like `wanted`, or "" if none is close.
std::string nearest(const std::string& wanted, const std::vector<std::string>& names);

// As --weights calls it.
std::string_view name_of(Weights weights);

extern const char* const help_text;

}  // namespace calogan::app
