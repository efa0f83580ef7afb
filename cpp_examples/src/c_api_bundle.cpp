#include "c_api.hpp"
#include "calogan/bundle.h"
#include "calogan/bundle.hpp"

struct calogan_bundle {
  calogan::Bundle bundle;
};

namespace {

using namespace calogan::c_api;
using calogan::Bundle;
using calogan::Span;

const Bundle& checked(const calogan_bundle* bundle) {
  check_pointer(bundle, "bundle");
  return bundle->bundle;
}

// Checks that there are n x the bundle's number of conditions.
void check_conditions(const Bundle& bundle, std::size_t n, const double* conditions,
                      std::size_t n_conditions) {
  const std::size_t expected = times(n, bundle.conditions().size());
  if (n_conditions != expected) {
    throw BadArgument(text("argument n_conditions is ", n_conditions, ", expected ", expected, ": ",
                           bundle.conditions().size(), " for each shower"));
  }
  check_pointer(conditions, "conditions", n_conditions);
}

Span of_shower(const Bundle& bundle, const double* conditions, std::size_t i) {
  const std::size_t k = bundle.conditions().size();
  return {conditions + i * k, k};
}

}  // namespace

// What is called here and outside guarded() throws nothing.
extern "C" {

calogan_status calogan_bundle_open(const char* folder, calogan_bundle** out) {
  return create(out, [&] {
    check_pointer(folder, "folder");
    return Bundle::open(folder);
  });
}

void calogan_bundle_free(calogan_bundle* bundle) {
  const std::unique_ptr<calogan_bundle> owned(bundle);
}

const char* calogan_bundle_name(const calogan_bundle* bundle) {
  return bundle == nullptr ? nullptr : bundle->bundle.name().c_str();
}

size_t calogan_bundle_n_conditions(const calogan_bundle* bundle) {
  return bundle == nullptr ? 0 : bundle->bundle.conditions().size();
}

calogan_status calogan_bundle_get_condition(const calogan_bundle* bundle, size_t i,
                                            calogan_condition* out) {
  return guarded([&] {
    const auto& conditions = checked(bundle).conditions();
    check_pointer(out, "out");
    if (i >= conditions.size()) {
      throw BadArgument(text("argument i is ", i, ", but there are ", conditions.size(),
                             " conditions"));
    }
    *out = describe(conditions[i]);
  });
}

size_t calogan_bundle_size(const calogan_bundle* bundle) {
  return bundle == nullptr ? 0 : bundle->bundle.size();
}

size_t calogan_bundle_n_loaded(const calogan_bundle* bundle) {
  return bundle == nullptr ? 0 : bundle->bundle.n_loaded();
}

const char* calogan_bundle_member_name(const calogan_bundle* bundle, size_t member) {
  if (bundle == nullptr || member >= bundle->bundle.size()) return nullptr;
  return bundle->bundle.member_name(member).c_str();
}

calogan_status calogan_bundle_choose(const calogan_bundle* bundle, size_t n,
                                     const double* conditions, size_t n_conditions, uint64_t seed,
                                     uint64_t first_event, size_t* members, size_t n_members) {
  return guarded([&] {
    const Bundle& b = checked(bundle);
    check_conditions(b, n, conditions, n_conditions);
    check_room(members, "members", "n_members", n_members, n);
    for (std::size_t i = 0; i < n; ++i) {
      members[i] = b.choose(of_shower(b, conditions, i), seed, first_event + i);
    }
  });
}

calogan_status calogan_bundle_generator(const calogan_bundle* bundle, size_t member,
                                        calogan_generator** out) {
  return create(out, [&] { return checked(bundle).generator(member); });
}

calogan_status calogan_bundle_member_conditions(const calogan_bundle* bundle, size_t member,
                                                size_t n, const double* conditions,
                                                size_t n_conditions, double* out, size_t room) {
  return guarded([&] {
    const Bundle& b = checked(bundle);
    check_conditions(b, n, conditions, n_conditions);
    const std::size_t k = b.generator(member).conditions().size();
    check_room(out, "out", "room", room, times(n, k));
    for (std::size_t i = 0; i < n; ++i) {
      b.member_conditions(member, of_shower(b, conditions, i), out + i * k);
    }
  });
}

}  // extern "C"
