// The public class: members are loaded when they are first used.
#include "calogan/bundle.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "bundle_index.hpp"
#include "model.hpp"
#include "text.hpp"

namespace calogan {

namespace {

using detail::BundleIndex;
using detail::BundleMember;
using detail::fail;

// A member once it is loaded, and where its conditions are among the bundle's.
struct Loaded {
  Generator generator;
  std::vector<std::size_t> places;
};

Loaded load(const BundleIndex& index, const BundleMember& member) {
  Loaded loaded{Generator::load(member.path), {}};
  const Generator& generator = loaded.generator;
  if (!member.weights_sha256.empty() && generator.weights_sha256() != member.weights_sha256) {
    fail(member.path, ": this is not the generator that was bundled: its weights have SHA-256 ",
         generator.weights_sha256(), ", the index says ", member.weights_sha256,
         "; make the bundle again");
  }
  for (const Condition& wanted : generator.conditions()) {
    const auto found =
        std::find_if(index.conditions.begin(), index.conditions.end(), [&](const Condition& c) {
          return c.name == wanted.name && c.unit == wanted.unit;
        });
    if (found == index.conditions.end()) {
      fail(member.path, ": the generator takes ", wanted.name, " in ", wanted.unit,
           ", which is no condition of ", index.path, "; make the bundle again");
    }
    loaded.places.push_back(static_cast<std::size_t>(found - index.conditions.begin()));
  }
  return loaded;
}

// std::call_once would do, but for the thread sanitizer: it does not follow a load that throws.
class Slot {
 public:
  const Loaded& get(const BundleIndex& index, const BundleMember& member, std::atomic<std::size_t>& n) {
    if (const Loaded* const ready = ready_.load(std::memory_order_acquire)) return *ready;
    const std::lock_guard lock(mutex_);
    if (!loaded_) {
      loaded_ = load(index, member);
      ++n;
      ready_.store(&*loaded_, std::memory_order_release);
    }
    return *loaded_;
  }

 private:
  std::mutex mutex_;
  std::optional<Loaded> loaded_;
  std::atomic<const Loaded*> ready_{nullptr};
};

}  // namespace

struct CALOGAN_HIDDEN Bundle::State {
  explicit State(BundleIndex read) : index(std::move(read)), slots(new Slot[index.members.size()]) {}

  const BundleMember& at(std::size_t member) const {
    if (member >= index.members.size()) {
      fail("bundle ", index.name, " has ", index.members.size(), " members, was asked for number ",
           member, ", counted from 0");
    }
    return index.members[member];
  }

  const Loaded& loaded(std::size_t member) const {
    const BundleMember& wanted = at(member);
    return slots[member].get(index, wanted, n_loaded);
  }

  BundleIndex index;
  std::unique_ptr<Slot[]> slots;
  mutable std::atomic<std::size_t> n_loaded{0};
};

Bundle::Bundle(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Bundle Bundle::open(const std::string& folder) {
  return Bundle(std::make_shared<const State>(BundleIndex::read(folder)));
}

const std::string& Bundle::name() const noexcept { return state_->index.name; }
const std::vector<Condition>& Bundle::conditions() const noexcept {
  return state_->index.conditions;
}
std::size_t Bundle::size() const noexcept { return state_->index.members.size(); }
const std::string& Bundle::member_name(std::size_t member) const { return state_->at(member).name; }
std::size_t Bundle::n_loaded() const noexcept { return state_->n_loaded; }

std::size_t Bundle::choose(Span conditions, std::uint64_t seed, std::uint64_t event_number) const {
  return state_->index.choose(conditions, seed, event_number);
}

const Generator& Bundle::generator(std::size_t member) const {
  return state_->loaded(member).generator;
}

void Bundle::member_conditions(std::size_t member, Span conditions, double* out) const {
  if (conditions.size() != this->conditions().size()) {
    fail("got ", conditions.size(), " condition values, expected ", this->conditions().size());
  }
  for (const std::size_t place : state_->loaded(member).places) *out++ = conditions[place];
}

std::size_t Bundle::generate(Span conditions, std::uint64_t seed, std::uint64_t event_number,
                             std::vector<float>& energies_mev) const {
  const std::size_t member = choose(conditions, seed, event_number);
  const Generator& made_by = generator(member);
  thread_local std::vector<double> values;
  values.resize(made_by.conditions().size());
  member_conditions(member, conditions, values.data());
  energies_mev.resize(made_by.n_voxels());
  made_by.generate(values, seed, event_number, energies_mev.data());
  return member;
}

}  // namespace calogan
