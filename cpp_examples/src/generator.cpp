// The public class: what each of its members does with the model that its copies share. How a model is
// loaded is in load.cpp.
#include "calogan/runner.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model.hpp"
#include "random.hpp"
#include "text.hpp"

namespace calogan {

namespace {

// A `get` for Model::run() that draws the latents.
auto drawn_latents(const detail::Model& model, std::uint64_t seed, std::uint64_t first_event) {
  return [seed, first_event, mean = model.inputs.latent_mean(), std_dev = model.inputs.latent_std()](
             std::size_t shower, std::size_t first, std::size_t n, float* out) {
    detail::normals(seed, first_event + shower, mean, std_dev, first, n, out);
  };
}

// Energies of all cells.
template <class Get>
void make_showers(const detail::Model& model, std::size_t n, const double* conditions,
                  double threshold, Get get, float* energies) {
  const std::size_t n_conditions = model.inputs.conditions().size();
  model.run(n, conditions, get, [=, &model](std::size_t first, std::size_t count, auto fractions) {
    for (std::size_t i = 0; i < count; ++i) {
      model.to_energies(fractions.data + i * fractions.stride, conditions[(first + i) * n_conditions],
                        threshold, energies + (first + i) * model.cells.size());
    }
  });
}

// The cells over the threshold alone; returns how many.
template <class Get>
std::size_t make_sparse_showers(const detail::Model& model, std::size_t n, const double* conditions,
                                double threshold, Get get, std::uint32_t* cells, float* energies,
                                std::size_t* offsets) {
  const std::size_t n_conditions = model.inputs.conditions().size();
  std::size_t total = 0;
  if (offsets != nullptr) offsets[0] = 0;
  model.run(n, conditions, get,
            [=, &model, &total](std::size_t first, std::size_t count, auto fractions) {
              for (std::size_t i = 0; i < count; ++i) {
                total += model.to_cells(fractions.data + i * fractions.stride,
                                        conditions[(first + i) * n_conditions], threshold,
                                        cells + total, energies + total);
                if (offsets != nullptr) offsets[first + i + 1] = total;
              }
            });
  return total;
}

}  // namespace

Generator::Generator(std::shared_ptr<const Model> model)
    : model_(std::move(model)), threshold_(model_->readout_threshold) {}

Weights Generator::weights() const noexcept { return model_->weights; }
const std::string& Generator::json_sha256() const noexcept { return model_->json_sha256; }

const std::string& Generator::name() const noexcept { return model_->name; }
const std::vector<Condition>& Generator::conditions() const noexcept {
  return model_->inputs.conditions();
}
std::size_t Generator::n_voxels() const noexcept { return model_->cells.size(); }
std::size_t Generator::latent_size() const noexcept { return model_->inputs.latent_size(); }
std::size_t Generator::n_outputs() const noexcept { return model_->network.n_outputs(); }
const std::vector<Cell>& Generator::cells() const noexcept { return model_->cells; }
const std::vector<std::string>& Generator::layers() const noexcept { return model_->layers; }
const std::string& Generator::geometry_json() const noexcept { return model_->geometry_json; }
const std::string& Generator::weights_sha256() const noexcept { return model_->weights_sha256; }
const std::vector<std::string>& Generator::inputs_sha256() const noexcept {
  return model_->inputs_sha256;
}
double Generator::latent_mean() const noexcept { return model_->inputs.latent_mean(); }
double Generator::latent_std() const noexcept { return model_->inputs.latent_std(); }
std::size_t Generator::n_self_tests() const noexcept { return model_->n_self_tests; }
double Generator::self_test_deviation() const noexcept { return model_->self_test_deviation; }

void Generator::set_readout_threshold(double mev) {
  if (!(mev >= 0 && std::isfinite(mev))) {
    detail::fail("the readout threshold is ", mev, " MeV, expected 0 or more");
  }
  threshold_ = mev;
}

void Generator::check_conditions(Span conditions) const {
  model_->inputs.check(conditions, 1, extrapolate_);
}

void Generator::generate(Span conditions, std::uint64_t seed, std::uint64_t event_number,
                         float* energies_mev) const {
  generate(1, conditions, seed, event_number, energies_mev);
}

void Generator::generate(std::size_t n, Span conditions, std::uint64_t seed,
                         std::uint64_t first_event, float* energies_mev) const {
  model_->inputs.check(conditions, n, extrapolate_);
  make_showers(*model_, n, conditions.data(), threshold_, drawn_latents(*model_, seed, first_event),
               energies_mev);
}

void Generator::generate_from(std::size_t n, Span conditions, const float* latents,
                              float* energies_mev) const {
  model_->inputs.check(conditions, n, extrapolate_);
  make_showers(*model_, n, conditions.data(), threshold_, model_->latents_from(latents),
               energies_mev);
}

std::size_t Generator::generate_sparse(std::size_t n, Span conditions, std::uint64_t seed,
                                       std::uint64_t first_event, std::uint32_t* cells,
                                       float* energies_mev, std::size_t* offsets) const {
  model_->inputs.check(conditions, n, extrapolate_);
  return make_sparse_showers(*model_, n, conditions.data(), threshold_,
                             drawn_latents(*model_, seed, first_event), cells, energies_mev, offsets);
}

std::size_t Generator::generate_sparse_from(std::size_t n, Span conditions, const float* latents,
                                            std::uint32_t* cells, float* energies_mev,
                                            std::size_t* offsets) const {
  model_->inputs.check(conditions, n, extrapolate_);
  return make_sparse_showers(*model_, n, conditions.data(), threshold_,
                             model_->latents_from(latents), cells, energies_mev, offsets);
}

void Generator::draw_latents(std::uint64_t seed, std::uint64_t event_number, float* latents) const {
  drawn_latents(*model_, seed, event_number)(0, 0, latent_size(), latents);
}

void Generator::evaluate(std::size_t n, Span conditions, const float* latents,
                         float* fractions) const {
  model_->inputs.check(conditions, n, extrapolate_);
  const auto copy = [&](std::size_t first, std::size_t count, auto found) {
    for (std::size_t i = 0; i < count; ++i) {
      const float* const column = found.data + i * found.stride;
      std::copy(column, column + n_outputs(), fractions + (first + i) * n_outputs());
    }
  };
  model_->run(n, conditions.data(), model_->latents_from(latents), copy);
}

std::string_view version() noexcept { return CALOGAN_VERSION; }

}  // namespace calogan
