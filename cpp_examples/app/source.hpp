// What makes the showers: one model, or a bundle of several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "calogan/bundle.hpp"
#include "options.hpp"

namespace calogan::app {

class Source {
 public:
  // Loads the model, or a bundle's index alone, with the options' settings. Throws Error.
  explicit Source(const Options& options);

  const std::vector<Condition>& conditions() const;
  // Throws Error unless these are conditions that generate() takes.
  void check_conditions(Span conditions) const;

  // Of a bundle, loads the members that n showers need, which must have one geometry and one readout
  // threshold; fill(first, count, out) gives the conditions. Nothing can be refused after that.
  void prepare(std::uint64_t n, const Options& options,
               const std::function<void(std::uint64_t, std::size_t, double*)>& fill);

  // The members that are used; empty for a single model.
  const std::vector<Generator>& members() const { return used_; }
  // The model, or the first of the members that are used: its cells are those of all showers.
  const Generator& generator() const { return bundle_ ? used_.front() : *model_; }
  const std::string& name() const { return bundle_ ? bundle_->name() : model_->name(); }
  const std::optional<Bundle>& bundle() const { return bundle_; }

  // As Generator::generate(), from any number of threads.
  void generate(std::size_t n, Span conditions, std::uint64_t seed, std::uint64_t first_event,
                float* energies_mev) const;

 private:
  std::optional<Generator> model_;
  std::optional<Bundle> bundle_;
  std::vector<Generator> used_;
  std::vector<std::size_t> places_;  // of each member among the used ones
};

}  // namespace calogan::app
