#include "source.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "text.hpp"

namespace calogan::app {

using detail::fail;

namespace {

constexpr std::size_t not_used = std::numeric_limits<std::size_t>::max();
constexpr std::size_t chunk = 4096;

}  // namespace

Source::Source(const Options& options) {
  if (!std::filesystem::is_directory(options.model)) {
    model_ = Generator::load(options.model);
    if (options.threshold) model_->set_readout_threshold(*options.threshold);
    model_->allow_extrapolation(options.allow_extrapolation);
    return;
  }
  bundle_ = Bundle::open(options.model);
  places_.assign(bundle_->size(), not_used);
  if (options.allow_extrapolation) {
    fail("--allow-extrapolation is for a single model; a bundle has no member for what none covers");
  }
  if (!options.latents.empty()) {
    fail("--latents is for a single model; the members of a bundle may differ in their number");
  }
}

const std::vector<Condition>& Source::conditions() const {
  return bundle_ ? bundle_->conditions() : model_->conditions();
}

void Source::check_conditions(Span conditions) const {
  if (bundle_) {
    bundle_->choose(conditions, 0, 0);
  } else {
    model_->check_conditions(conditions);
  }
}

void Source::prepare(std::uint64_t n, const Options& options,
                     const std::function<void(std::uint64_t, std::size_t, double*)>& fill) {
  if (!bundle_) return;
  const std::size_t k = conditions().size();
  std::vector<double> values(chunk * k);
  std::size_t first_member = 0;
  for (std::uint64_t first = 0; first < n; first += chunk) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, n - first));
    fill(first, count, values.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t member = bundle_->choose({values.data() + i * k, k}, options.seed,
                                                 options.first_event + first + i);
      if (places_[member] != not_used) continue;
      Generator generator = bundle_->generator(member);
      if (options.threshold) generator.set_readout_threshold(*options.threshold);
      if (used_.empty()) first_member = member;
      const auto differ = [&](const char* what, const char* remedy) {
        fail("members ", bundle_->member_name(first_member), " and ", bundle_->member_name(member),
             " of bundle ", name(), " have different ", what, "; ", remedy);
      };
      if (!used_.empty() && generator.geometry_json() != used_.front().geometry_json()) {
        differ("cells, and one file holds showers of one geometry",
               "ask for conditions that one of them takes");
      }
      if (!used_.empty() && generator.readout_threshold() != used_.front().readout_threshold()) {
        differ("readout thresholds", "give one for all with --threshold");
      }
      places_[member] = used_.size();
      used_.push_back(std::move(generator));
    }
  }
}

void Source::generate(std::size_t n, Span conditions, std::uint64_t seed, std::uint64_t first_event,
                      float* energies_mev) const {
  if (!bundle_) {
    model_->generate(n, conditions, seed, first_event, energies_mev);
    return;
  }
  const std::size_t k = bundle_->conditions().size();
  const auto member_of = [&](std::size_t i) {
    return bundle_->choose({conditions.data() + i * k, k}, seed, first_event + i);
  };
  std::vector<double> values;
  for (std::size_t i = 0, end = 0, member = n > 0 ? member_of(0) : 0; i < n; i = end) {
    // Showers side by side that one member makes are made together.
    const Generator& generator = used_[places_[member]];
    const std::size_t taken = generator.conditions().size();
    const std::size_t this_member = member;
    values.clear();
    for (end = i; end < n && member == this_member;) {
      values.resize(values.size() + taken);
      bundle_->member_conditions(member, {conditions.data() + end * k, k},
                                 values.data() + values.size() - taken);
      if (++end < n) member = member_of(end);
    }
    generator.generate(end - i, values, seed, first_event + i,
                       energies_mev + i * generator.n_voxels());
  }
}

}  // namespace calogan::app
