// Many generators in one folder, each for a range of conditions: of one particle, one slice in eta,
// one range of energies. `calogan bundle` makes the folder.
//
//   const auto bundle = calogan::Bundle::open("endcap");
//   const std::vector<double> asked{10.0, 0.12, 22};             // as bundle.conditions() says
//   std::vector<float> energies;                                 // MeV
//   const std::size_t member = bundle.generate(asked, /*seed*/ 1, /*event*/ 0, energies);
//   const auto& cells = bundle.generator(member).cells();        // of these energies
//
// bundle.h is the same in C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "calogan/runner.hpp"

namespace calogan {

/// Generators that are loaded when they are first used.
///
/// Which member makes a shower is decided by the values of all conditions() of the bundle. Where
/// the ranges of several members overlap, as those of neighbours in energy may, one is drawn for each
/// shower: going through the overlap, the probability of the one falls smoothly from 1 to 0 as that
/// of the other rises. It is drawn from the seed and the event number, as the shower is, so the
/// same two give the same shower of the same member.
///
/// Cheap to copy: copies share the members. Every member function but open() may be called from any
/// number of threads at once; if several need a member that is not loaded, one loads it, and the
/// others wait.
class CALOGAN_PUBLIC Bundle {
 public:
  /// Reads the index in a folder, not the members. Throws Error.
  static Bundle open(const std::string& folder);

  const std::string& name() const noexcept;

  /// What a shower is asked for by: the conditions of all members, and those that only tell them
  /// apart, such as a particle's number. low and high are those of all members together; between
  /// them not everything need be covered.
  const std::vector<Condition>& conditions() const noexcept;

  /// How many members there are; they are numbered from 0.
  std::size_t size() const noexcept;

  /// A member's name; throws Error for a number beyond the last.
  const std::string& member_name(std::size_t member) const;

  /// How many members are in memory.
  std::size_t n_loaded() const noexcept;

  /// The member that makes a shower, given one value for each of conditions(), in their order and
  /// units. Throws Error, saying what is covered, if no member takes them.
  std::size_t choose(Span conditions, std::uint64_t seed, std::uint64_t event_number) const;

  /// A member, loaded if this is its first use; it lives as long as the bundle and its copies. A file
  /// that cannot be loaded, or is not the one that was bundled, is an Error every time.
  const Generator& generator(std::size_t member) const;

  /// Of the values of conditions(), those that the member's generator takes, in its order: writes
  /// generator(member).conditions().size() numbers.
  void member_conditions(std::size_t member, Span conditions, double* out) const;

  /// Makes one shower, and returns the member that made it: that member's, bit for bit. energies_mev
  /// becomes as long as its n_voxels().
  std::size_t generate(Span conditions, std::uint64_t seed, std::uint64_t event_number,
                       std::vector<float>& energies_mev) const;

 private:
  struct State;
  explicit Bundle(std::shared_ptr<const State> state);

  std::shared_ptr<const State> state_;
};

}  // namespace calogan
