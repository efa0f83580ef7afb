#include "bundle_index.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "file.hpp"
#include "inputs.hpp"
#include "json.hpp"
#include "limits.hpp"
#include "random.hpp"
#include "text.hpp"

namespace calogan::detail {

namespace {

constexpr std::size_t schema_version = 1;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::size_t most_intervals = 8;  // written out in an error

// From 0 to 1, without a kink at either end; of t and 1 - t the sum is 1.
double smooth(double t) { return t * t * (3 - 2 * t); }

double on_scale(const Condition& condition, double value) {
  return condition.logarithmic ? std::log(value) : value;
}

// A float32's rounding beyond the end of a range does not count, as in a generator's own check; nor
// does it where the range is one value, which has no width to compare with.
bool nearly_covers(const Reach& reach, double value) {
  const auto rounded = [](double v) { return static_cast<float>(v); };
  return reach.covers(value) || !beyond(reach.low, reach.high, value) ||
         (rounded(value) >= rounded(reach.low) && rounded(value) <= rounded(reach.high));
}

Condition read_condition(const Field& field) {
  const Field scale = field["scale"];
  if (scale.string() != "log" && scale.string() != "linear") {
    field.fail("field ", scale.path(), " is \"", scale.string(), "\", expected \"log\" or \"linear\"");
  }
  return {std::string(field["name"].string()), std::string(field["unit"].string()), infinity,
          -infinity, scale.string() == "log", {}};
}

Reach read_reach(const Field& field, const Condition& condition) {
  const std::vector<double> ends = field.numbers<double>();
  if (ends.size() != 4) {
    field.fail("field ", field.path(), " is ", field.minified(),
               ", expected four numbers: low, full from, full to, high");
  }
  // Where neighbours share much, a member is nowhere full: `full from` may be beyond `full to`.
  const auto [inner_low, inner_high] = std::minmax(ends[1], ends[2]);
  if (!(ends[0] <= inner_low && inner_high <= ends[3])) {
    field.fail("field ", field.path(), " is ", field.minified(),
               ", expected the two in the middle to be within the first and the last");
  }
  if (!std::isfinite(ends[3] - ends[0])) {
    field.fail("field ", field.path(), " is ", field.minified(), ", wider than numbers go");
  }
  if (condition.logarithmic && !(ends[0] > 0)) {
    field.fail("field ", field.path(), " begins with ", ends[0],
               ", but the scale is logarithmic: expected more than 0");
  }
  return {on_scale(condition, ends[0]), on_scale(condition, ends[1]), on_scale(condition, ends[2]),
          on_scale(condition, ends[3])};
}

BundleMember read_member(const Field& field, const std::string& folder,
                         std::vector<Condition>& conditions) {
  const std::string file(field["file"].string());
  constexpr std::string_view not_in_names("/\0", 2);
  if (file.empty() || file == "." || file == ".." || file.find_first_of(not_in_names) != file.npos) {
    field.fail("field ", field["file"].path(), " is ", field["file"].minified(),
               ", expected the name of a file in the bundle's folder");
  }
  BundleMember member{std::string(field["name"].string()), folder + '/' + file,
                      std::string(field["weights_sha256"].string()), {}};
  const Field ranges = field["ranges"];
  for (const std::string_view name : ranges.keys()) {
    const auto is_it = [=](const Condition& condition) { return condition.name == name; };
    if (std::none_of(conditions.begin(), conditions.end(), is_it)) {
      field.fail("field ", ranges.path(), " has a range of ", name, ", which is no condition");
    }
  }
  for (Condition& condition : conditions) {
    if (!ranges.has(condition.name)) {
      member.reaches.push_back({-infinity, -infinity, infinity, infinity});
      continue;
    }
    const Field range = ranges[condition.name];
    member.reaches.push_back(read_reach(range, condition));
    const std::vector<double> ends = range.numbers<double>();
    condition.low = std::min(condition.low, ends.front());
    condition.high = std::max(condition.high, ends.back());
  }
  return member;
}

std::string path_in(const std::string& folder) { return folder + "/bundle.json"; }

BundleIndex from_document(const Document& document, const std::string& folder,
                          const std::string& path) {
  const Field root = document.root();
  if (root["calogan_bundle"].count() != schema_version) {
    root.fail("its index has schema version ", root["calogan_bundle"].count(), ", this runner reads ",
              schema_version, "; make it again with `calogan bundle` of this version");
  }
  BundleIndex index{std::string(root["name"].string()), path, {}, {}};
  const Field conditions = root["conditions"];
  conditions.at_most(max_conditions);
  conditions.each([&](const Field& field) {
    index.conditions.push_back(read_condition(field));
    for (std::size_t i = 0; i + 1 < index.conditions.size(); ++i) {
      if (index.conditions[i].name == index.conditions.back().name) {
        field.fail("field ", field.path(), " has the name of another, \"", index.conditions[i].name,
                   "\"");
      }
    }
  });
  const Field members = root["members"];
  members.at_most(max_members);
  index.members.reserve(members.size());
  std::set<std::string> names;
  members.each([&](const Field& field) {
    index.members.push_back(read_member(field, folder, index.conditions));
    if (!names.insert(index.members.back().name).second) {
      field.fail("field ", field.path(), " has the name of another, \"", index.members.back().name,
                 "\"");
    }
  });
  if (index.members.empty()) root.fail("the bundle has no members");
  for (std::size_t i = 0; i < index.conditions.size(); ++i) {
    if (!(index.conditions[i].low <= index.conditions[i].high)) {
      root.fail("no member has a range of ", index.conditions[i].name, ", condition ", i);
    }
  }
  return index;
}

}  // namespace

double Reach::weight(double value) const {
  double weight = 1;
  if (value < full_low) weight *= smooth((value - low) / (full_low - low));
  if (value > full_high) weight *= smooth((high - value) / (high - full_high));
  return weight;
}

BundleIndex BundleIndex::read(const std::string& folder) {
  const std::string path = path_in(folder);
  return from_document(Document(read_padded(File(path)), path), folder, path);
}

BundleIndex BundleIndex::parse(std::string_view json, const std::string& folder) {
  const std::string path = path_in(folder);
  return from_document(Document(json, path), folder, path);
}

std::size_t BundleIndex::choose(Span values, std::uint64_t seed, std::uint64_t event) const {
  if (values.size() != conditions.size()) {
    std::string names;
    for (const Condition& condition : conditions) {
      names += (names.empty() ? "" : ", ") + condition.name;
    }
    fail("got ", values.size(), " condition values, expected ", conditions.size(), " (", names, ")");
  }
  std::array<double, max_conditions> scaled{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(conditions[i].name, " is ", values[i], ", expected a finite number of ",
           conditions[i].unit);
    }
    if (conditions[i].logarithmic && values[i] <= 0) {
      fail(conditions[i].name, " is ", values[i], " ", conditions[i].unit, ", expected more than 0");
    }
    scaled[i] = on_scale(conditions[i], values[i]);
  }
  // A member's weight; -1 if it does not take these values.
  const auto weight_of = [&](const BundleMember& member) {
    double weight = 1;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!member.reaches[i].covers(scaled[i])) return -1.0;
      weight *= member.reaches[i].weight(scaled[i]);
    }
    return weight;
  };
  double total = 0;
  std::size_t last = members.size();  // of those that take them
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double weight = weight_of(members[i]);
    if (weight < 0) continue;
    total += weight;
    // At the very end of a range the weight is 0, which will do where there is no other member.
    if (weight > 0 || last == members.size()) last = i;
  }
  if (last == members.size()) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      bool nearly = true;
      for (std::size_t k = 0; k < values.size() && nearly; ++k) {
        nearly = nearly_covers(members[i].reaches[k], scaled[k]);
      }
      if (nearly) return i;
    }
    refuse(values, scaled.data());
  }
  const auto words = random_block(seed, event, Stream::members, 0);
  double left = open_unit(words[0]) * total;
  for (std::size_t i = 0; i < last; ++i) {
    const double weight = weight_of(members[i]);
    if (weight <= 0) continue;
    left -= weight;
    if (left < 0) return i;
  }
  return last;
}

void BundleIndex::refuse(Span values, const double* scaled) const {
  const auto asked = [&](std::size_t i) {
    const std::string& unit = conditions[i].unit;
    return text(conditions[i].name, " ", values[i], unit.empty() ? "" : " ", unit);
  };
  std::string all;
  std::string said;
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    all += text(all.empty() ? "" : ", ", asked(i));
    // What would do in this condition's place, with all others as they are.
    std::vector<const BundleMember*> by;
    for (const BundleMember& member : members) {
      bool others = true;
      for (std::size_t k = 0; k < conditions.size() && others; ++k) {
        others = k == i || nearly_covers(member.reaches[k], scaled[k]);
      }
      if (others) by.push_back(&member);
    }
    if (by.empty()) continue;
    said += text(said.empty() ? "covered, all else as asked, is " : ", or ", covered(i, by));
  }
  if (said.empty()) {
    std::vector<const BundleMember*> by;
    for (const BundleMember& member : members) by.push_back(&member);
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      said += text(said.empty() ? "its members cover " : ", ", covered(i, by));
    }
    said += ", not all with all";
  }
  fail("bundle ", name, " has no member for ", all, "; ", said);
}

// As in "energy 1..50 GeV" and "particle 11, 22".
std::string BundleIndex::covered(std::size_t condition,
                                 const std::vector<const BundleMember*>& by) const {
  std::vector<std::pair<double, double>> intervals;
  for (const BundleMember* member : by) {
    intervals.emplace_back(member->reaches[condition].low, member->reaches[condition].high);
  }
  std::sort(intervals.begin(), intervals.end());
  std::vector<std::pair<double, double>> merged;
  for (const auto& interval : intervals) {
    if (!merged.empty() && interval.first <= merged.back().second) {
      merged.back().second = std::max(merged.back().second, interval.second);
    } else {
      merged.push_back(interval);
    }
  }
  const auto value = [&](double scaled) {
    return conditions[condition].logarithmic ? std::exp(scaled) : scaled;
  };
  std::string out = conditions[condition].name;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    if (i == most_intervals) {
      out += text(" and ", merged.size() - i, " more ranges");
      break;
    }
    out += text(i == 0 ? " " : ", ", value(merged[i].first));
    if (merged[i].second > merged[i].first) out += text("..", value(merged[i].second));
  }
  const std::string& unit = conditions[condition].unit;
  return unit.empty() ? out : out + ' ' + unit;
}

}  // namespace calogan::detail
