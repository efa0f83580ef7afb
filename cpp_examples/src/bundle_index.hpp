// The index of a bundle: which member takes which conditions, and where it hands over to another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "calogan/runner.hpp"

namespace calogan::detail {

// The values of one condition that a member takes, on the condition's scale (the logarithm of the
// value, or the value). Between `low` and `full_low` another member hands over to this one, between
// `full_high` and `high` this one to another.
struct Reach {
  double low;
  double full_low;
  double full_high;
  double high;

  bool covers(double value) const { return value >= low && value <= high; }
  double weight(double value) const;  // 0 to 1, where it covers
};

struct BundleMember {
  std::string name;
  std::string path;
  std::string weights_sha256;  // empty: not checked
  std::vector<Reach> reaches;  // one for each condition of the bundle
};

struct BundleIndex {
  std::string name;
  std::string path;
  std::vector<Condition> conditions;
  std::vector<BundleMember> members;

  // Throw Error naming the file and the field at fault.
  static BundleIndex read(const std::string& folder);
  static BundleIndex parse(std::string_view json, const std::string& folder);

  // The number of the member for a shower; throws Error if there is none.
  std::size_t choose(Span values, std::uint64_t seed, std::uint64_t event) const;

 private:
  [[noreturn]] void refuse(Span values, const double* scaled) const;
  std::string covered(std::size_t condition, const std::vector<const BundleMember*>& by) const;
};

}  // namespace calogan::detail
