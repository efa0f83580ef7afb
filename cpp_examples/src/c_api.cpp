#include "c_api.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace {

using namespace calogan::c_api;
using calogan::Placement;
using calogan::Span;
using calogan::Vector;
using calogan::Weights;

// A fixed buffer: when memory has run out, there is still room for the message.
thread_local char last_error[2048] = "";

const calogan::Generator& checked(const calogan_generator* generator) {
  check_pointer(generator, "generator");
  return generator->generator;
}

// The conditions, checked for their number by the generator itself.
Span given(const calogan::Generator& generator, std::size_t n, const double* conditions,
           std::size_t n_conditions) {
  times(n, generator.conditions().size());
  check_pointer(conditions, "conditions", n_conditions);
  return {conditions, n_conditions};
}

void check_latents(const calogan::Generator& generator, std::size_t n, const float* latents,
                   std::size_t n_latents) {
  const std::size_t expected = times(n, generator.latent_size());
  if (n_latents != expected) {
    throw BadArgument(text("argument n_latents is ", n_latents, ", expected ", expected, ": ",
                           generator.latent_size(), " for each shower"));
  }
  check_pointer(latents, "latents", expected);
}

void check_sparse(const calogan::Generator& generator, std::size_t n, const std::uint32_t* cells,
                  const float* energies_mev, std::size_t room, const std::size_t* offsets,
                  std::size_t n_offsets) {
  const std::size_t needed = times(n, generator.n_voxels());
  check_room(cells, "cells", "room", room, needed);
  check_room(energies_mev, "energies_mev", "room", room, needed);
  check_room(offsets, "offsets", "n_offsets", n_offsets, n + 1);
}

// f(generator), or `otherwise` for a null pointer.
template <class F, class Value>
Value of(const calogan_generator* generator, F f, Value otherwise) noexcept {
  return generator == nullptr ? otherwise : f(generator->generator);
}

const char* entry(const std::vector<std::string>& texts, std::size_t i) noexcept {
  return i < texts.size() ? texts[i].c_str() : nullptr;
}

constexpr std::pair<calogan_weights, Weights> formats[] = {
    {CALOGAN_FLOAT32, Weights::float32},
    {CALOGAN_BFLOAT16, Weights::bfloat16},
    {CALOGAN_INT8, Weights::int8}};

constexpr const char* no_text = nullptr;
constexpr std::size_t no_number = 0;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Vector vector(const double* numbers, const char* name) {
  check_pointer(numbers, name);
  return {numbers[0], numbers[1], numbers[2]};
}

Vector entry_point(const double* numbers) {
  return numbers == nullptr ? Vector{0, 0, 0} : vector(numbers, "entry");
}

void write(const Placement& placement, calogan_placement& out) {
  std::copy(placement.rotation().begin(), placement.rotation().end(), out.rotation);
  const Vector shift = placement.shift();
  out.shift[0] = shift.x;
  out.shift[1] = shift.y;
  out.shift[2] = shift.z;
}

}  // namespace

void calogan::c_api::keep(const char* message) noexcept {
  const std::size_t n = std::min(std::strlen(message), sizeof last_error - 1);
  std::memcpy(last_error, message, n);
  last_error[n] = '\0';
}

// What is called here and outside guarded() throws nothing.
extern "C" {

const char* calogan_last_error(void) { return last_error; }
const char* calogan_version(void) { return calogan::version().data(); }

calogan_status calogan_load(const char* path, calogan_generator** out) {
  return create(out, [&] {
    check_pointer(path, "path");
    return calogan::Generator::load(path);
  });
}

calogan_status calogan_parse(const char* json, size_t size, const char* name,
                             calogan_generator** out) {
  return create(out, [&] {
    check_pointer(json, "json");
    check_pointer(name, "name");
    return calogan::Generator::parse({json, size}, name);
  });
}

calogan_status calogan_copy(const calogan_generator* generator, calogan_generator** out) {
  return create(out, [&] { return checked(generator); });
}

calogan_status calogan_compile(const char* json_path, const char* compiled_path, int weights) {
  return guarded([&] {
    check_pointer(json_path, "json_path");
    check_pointer(compiled_path, "compiled_path");
    for (const auto& [number, format] : formats) {
      if (number == weights) return calogan::Generator::compile(json_path, compiled_path, format);
    }
    throw BadArgument(text("argument weights is ", weights, ", expected one of calogan_weights"));
  });
}

void calogan_free(calogan_generator* generator) {
  const std::unique_ptr<calogan_generator> owned(generator);
}

calogan_status calogan_set_readout_threshold(calogan_generator* generator, double mev) {
  return guarded([&] {
    check_pointer(generator, "generator");
    generator->generator.set_readout_threshold(mev);
  });
}

calogan_status calogan_allow_extrapolation(calogan_generator* generator, int allow) {
  return guarded([&] {
    check_pointer(generator, "generator");
    generator->generator.allow_extrapolation(allow != 0);
  });
}

const char* calogan_name(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.name().c_str(); }, no_text);
}

const char* calogan_geometry_json(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.geometry_json().c_str(); }, no_text);
}

const char* calogan_weights_sha256(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.weights_sha256().c_str(); }, no_text);
}

const char* calogan_json_sha256(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.json_sha256().c_str(); }, no_text);
}

calogan_weights calogan_weights_format(const calogan_generator* generator) {
  const Weights found = of(generator, [](const auto& g) { return g.weights(); }, Weights::float32);
  for (const auto& [number, format] : formats) {
    if (format == found) return number;
  }
  return CALOGAN_FLOAT32;
}

size_t calogan_n_inputs_sha256(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.inputs_sha256().size(); }, no_number);
}

const char* calogan_inputs_sha256(const calogan_generator* generator, size_t i) {
  return of(generator, [=](const auto& g) { return entry(g.inputs_sha256(), i); }, no_text);
}

size_t calogan_n_voxels(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.n_voxels(); }, no_number);
}

size_t calogan_latent_size(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.latent_size(); }, no_number);
}

double calogan_latent_mean(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.latent_mean(); }, not_a_number);
}

double calogan_latent_std(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.latent_std(); }, not_a_number);
}

double calogan_readout_threshold(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.readout_threshold(); }, not_a_number);
}

size_t calogan_n_conditions(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.conditions().size(); }, no_number);
}

calogan_status calogan_get_condition(const calogan_generator* generator, size_t i,
                                     calogan_condition* out) {
  return guarded([&] {
    const auto& conditions = checked(generator).conditions();
    check_pointer(out, "out");
    if (i >= conditions.size()) {
      throw BadArgument(text("argument i is ", i, ", but there are ", conditions.size(),
                             " conditions"));
    }
    *out = calogan::c_api::describe(conditions[i]);
  });
}

size_t calogan_n_labels(const calogan_generator* generator, size_t i) {
  return of(generator,
            [=](const auto& g) {
              return i < g.conditions().size() ? g.conditions()[i].labels.size() : no_number;
            },
            no_number);
}

calogan_status calogan_get_label(const calogan_generator* generator, size_t i, size_t k,
                                 double* value, const char** name) {
  return guarded([&] {
    const auto& conditions = checked(generator).conditions();
    check_pointer(value, "value");
    check_pointer(name, "name");
    if (i >= conditions.size() || k >= conditions[i].labels.size()) {
      throw BadArgument(text("arguments i and k are ", i, " and ", k, ", but there are ",
                             conditions.size(), " conditions, and of this one ",
                             i < conditions.size() ? conditions[i].labels.size() : 0, " labels"));
    }
    *value = conditions[i].labels[k].value;
    *name = conditions[i].labels[k].name.c_str();
  });
}

size_t calogan_n_layers(const calogan_generator* generator) {
  return of(generator, [](const auto& g) { return g.layers().size(); }, no_number);
}

const char* calogan_layer_name(const calogan_generator* generator, size_t i) {
  return of(generator, [=](const auto& g) { return entry(g.layers(), i); }, no_text);
}

calogan_status calogan_get_cells(const calogan_generator* generator, calogan_cell* cells,
                                 size_t n_cells) {
  return guarded([&] {
    const auto& from = checked(generator).cells();
    check_room(cells, "cells", "n_cells", n_cells, from.size());
    std::transform(from.begin(), from.end(), cells, [](const calogan::Cell& cell) {
      return calogan_cell{cell.x, cell.y, cell.z, cell.layer, cell.index};
    });
  });
}

calogan_status calogan_generate(const calogan_generator* generator, size_t n,
                                const double* conditions, size_t n_conditions, uint64_t seed,
                                uint64_t first_event, float* energies_mev, size_t n_energies) {
  return guarded([&] {
    const calogan::Generator& g = checked(generator);
    const Span values = given(g, n, conditions, n_conditions);
    check_room(energies_mev, "energies_mev", "n_energies", n_energies, times(n, g.n_voxels()));
    g.generate(n, values, seed, first_event, energies_mev);
  });
}

calogan_status calogan_generate_from(const calogan_generator* generator, size_t n,
                                     const double* conditions, size_t n_conditions,
                                     const float* latents, size_t n_latents, float* energies_mev,
                                     size_t n_energies) {
  return guarded([&] {
    const calogan::Generator& g = checked(generator);
    const Span values = given(g, n, conditions, n_conditions);
    check_latents(g, n, latents, n_latents);
    check_room(energies_mev, "energies_mev", "n_energies", n_energies, times(n, g.n_voxels()));
    g.generate_from(n, values, latents, energies_mev);
  });
}

calogan_status calogan_generate_sparse(const calogan_generator* generator, size_t n,
                                       const double* conditions, size_t n_conditions, uint64_t seed,
                                       uint64_t first_event, uint32_t* cells, float* energies_mev,
                                       size_t room, size_t* offsets, size_t n_offsets) {
  return guarded([&] {
    const calogan::Generator& g = checked(generator);
    const Span values = given(g, n, conditions, n_conditions);
    check_sparse(g, n, cells, energies_mev, room, offsets, n_offsets);
    g.generate_sparse(n, values, seed, first_event, cells, energies_mev, offsets);
  });
}

calogan_status calogan_generate_sparse_from(const calogan_generator* generator, size_t n,
                                            const double* conditions, size_t n_conditions,
                                            const float* latents, size_t n_latents, uint32_t* cells,
                                            float* energies_mev, size_t room, size_t* offsets,
                                            size_t n_offsets) {
  return guarded([&] {
    const calogan::Generator& g = checked(generator);
    const Span values = given(g, n, conditions, n_conditions);
    check_latents(g, n, latents, n_latents);
    check_sparse(g, n, cells, energies_mev, room, offsets, n_offsets);
    g.generate_sparse_from(n, values, latents, cells, energies_mev, offsets);
  });
}

calogan_status calogan_draw_latents(const calogan_generator* generator, uint64_t seed,
                                    uint64_t event, float* latents, size_t n_latents) {
  return guarded([&] {
    const calogan::Generator& g = checked(generator);
    check_room(latents, "latents", "n_latents", n_latents, g.latent_size());
    g.draw_latents(seed, event, latents);
  });
}

calogan_status calogan_place_along(const double* point, const double* direction,
                                   const double* entry, calogan_placement* out) {
  return guarded([&] {
    check_pointer(out, "out");
    write(Placement::along(vector(point, "point"), vector(direction, "direction"),
                           entry_point(entry)),
          *out);
  });
}

calogan_status calogan_place_facing(const double* point, const double* normal, const double* lean,
                                    const double* entry, calogan_placement* out) {
  return guarded([&] {
    check_pointer(out, "out");
    write(Placement::facing(vector(point, "point"), vector(normal, "normal"), vector(lean, "lean"),
                            entry_point(entry)),
          *out);
  });
}

}  // extern "C"
