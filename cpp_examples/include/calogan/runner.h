/* calogan runner in C (C99): calorimeter showers from a trained generator.
 *
 *   calogan_generator* generator = NULL;
 *   if (calogan_load("generator.json", &generator) != CALOGAN_OK) puts(calogan_last_error());
 *   const double conditions[] = {10.0, 0.1};                                 GeV, rad
 *   calogan_generate(generator, 1, conditions, 2, seed, event, energies, n_energies);
 *
 * What a call does is said in runner.hpp, at the member of the class of that name. Here every buffer
 * comes with the number of its elements, and a call that would overrun one is refused. No call lets
 * an exception out. Calls that take a const generator may be made from many threads at once.
 */
#ifndef CALOGAN_RUNNER_H
#define CALOGAN_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#ifndef CALOGAN_PUBLIC /* as in runner.hpp */
#if defined(__GNUC__)
#define CALOGAN_PUBLIC __attribute__((visibility("default")))
#else
#define CALOGAN_PUBLIC
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct calogan_generator calogan_generator;

typedef enum calogan_status {
  CALOGAN_OK = 0,
  CALOGAN_ERROR = 1,         /* a model or conditions that the runner refuses */
  CALOGAN_BAD_ARGUMENT = 2,  /* a null pointer, or a buffer of a wrong size */
  CALOGAN_OUT_OF_MEMORY = 3,
  CALOGAN_INTERNAL = 4       /* a mistake in the library */
} calogan_status;

typedef enum calogan_weights {
  CALOGAN_FLOAT32 = 0,
  CALOGAN_BFLOAT16 = 1,
  CALOGAN_INT8 = 2
} calogan_weights;

typedef struct calogan_condition {
  const char* name; /* as long as the generator lives */
  const char* unit;
  double low;
  double high;
  int logarithmic;
} calogan_condition;

typedef struct calogan_cell {
  double x; /* mm, in the model's frame; NaN where the model does not say */
  double y;
  double z;
  uint32_t layer;
  uint32_t index;
} calogan_cell;

/* position in the host's frame = rotation (by rows) * position in the model's + shift, mm */
typedef struct calogan_placement {
  double rotation[9];
  double shift[3];
} calogan_placement;

/* Why the last call in this thread that failed did so; valid until the next one that fails. */
CALOGAN_PUBLIC const char* calogan_last_error(void);
CALOGAN_PUBLIC const char* calogan_version(void);

/* On success *out is a generator, to be given to calogan_free; else it is null. */
CALOGAN_PUBLIC calogan_status calogan_load(const char* path, calogan_generator** out);
CALOGAN_PUBLIC calogan_status calogan_parse(const char* json, size_t size, const char* name,
                                            calogan_generator** out);
/* A generator with settings of its own; the weights are shared. */
CALOGAN_PUBLIC calogan_status calogan_copy(const calogan_generator* generator,
                                           calogan_generator** out);
CALOGAN_PUBLIC void calogan_free(calogan_generator* generator); /* null is let pass */

/* weights: one of calogan_weights */
CALOGAN_PUBLIC calogan_status calogan_compile(const char* json_path, const char* compiled_path,
                                              int weights);

/* Settings: not while another thread uses this generator. */
CALOGAN_PUBLIC calogan_status calogan_set_readout_threshold(calogan_generator* generator,
                                                            double mev);
CALOGAN_PUBLIC calogan_status calogan_allow_extrapolation(calogan_generator* generator, int allow);

/* What the model says. Text lives as long as the generator. Of a null generator: 0, NaN, null. */
CALOGAN_PUBLIC const char* calogan_name(const calogan_generator* generator);
CALOGAN_PUBLIC const char* calogan_geometry_json(const calogan_generator* generator);
CALOGAN_PUBLIC const char* calogan_weights_sha256(const calogan_generator* generator);
CALOGAN_PUBLIC const char* calogan_json_sha256(const calogan_generator* generator);
CALOGAN_PUBLIC calogan_weights calogan_weights_format(const calogan_generator* generator);
CALOGAN_PUBLIC size_t calogan_n_inputs_sha256(const calogan_generator* generator);
CALOGAN_PUBLIC const char* calogan_inputs_sha256(const calogan_generator* generator, size_t i);
CALOGAN_PUBLIC size_t calogan_n_voxels(const calogan_generator* generator);
CALOGAN_PUBLIC size_t calogan_latent_size(const calogan_generator* generator);
CALOGAN_PUBLIC double calogan_latent_mean(const calogan_generator* generator);
CALOGAN_PUBLIC double calogan_latent_std(const calogan_generator* generator);
CALOGAN_PUBLIC double calogan_readout_threshold(const calogan_generator* generator);
CALOGAN_PUBLIC size_t calogan_n_conditions(const calogan_generator* generator);
CALOGAN_PUBLIC calogan_status calogan_get_condition(const calogan_generator* generator, size_t i,
                                                    calogan_condition* out);
/* The values that condition i may take alone, such as PDG codes, with their names (as long as the
 * generator lives); 0 of them: all in its range. */
CALOGAN_PUBLIC size_t calogan_n_labels(const calogan_generator* generator, size_t i);
CALOGAN_PUBLIC calogan_status calogan_get_label(const calogan_generator* generator, size_t i,
                                                size_t k, double* value, const char** name);
CALOGAN_PUBLIC size_t calogan_n_layers(const calogan_generator* generator);
CALOGAN_PUBLIC const char* calogan_layer_name(const calogan_generator* generator, size_t i);
/* n_cells: room in cells, at least calogan_n_voxels(). */
CALOGAN_PUBLIC calogan_status calogan_get_cells(const calogan_generator* generator,
                                                calogan_cell* cells, size_t n_cells);

/* Makes n showers. conditions: n_conditions = n x calogan_n_conditions() values; energies_mev: room
 * for n x calogan_n_voxels() or more; latents: n_latents = n x calogan_latent_size() values. */
CALOGAN_PUBLIC calogan_status calogan_generate(const calogan_generator* generator, size_t n,
                                               const double* conditions, size_t n_conditions,
                                               uint64_t seed, uint64_t first_event,
                                               float* energies_mev, size_t n_energies);
CALOGAN_PUBLIC calogan_status calogan_generate_from(const calogan_generator* generator, size_t n,
                                                    const double* conditions, size_t n_conditions,
                                                    const float* latents, size_t n_latents,
                                                    float* energies_mev, size_t n_energies);

/* Only the cells over the readout threshold. room: of cells and of energies_mev, at least
 * n x calogan_n_voxels(). offsets: n + 1 entries, those of shower i are offsets[i] ..
 * offsets[i + 1] - 1. */
CALOGAN_PUBLIC calogan_status calogan_generate_sparse(const calogan_generator* generator, size_t n,
                                                      const double* conditions, size_t n_conditions,
                                                      uint64_t seed, uint64_t first_event,
                                                      uint32_t* cells, float* energies_mev,
                                                      size_t room, size_t* offsets,
                                                      size_t n_offsets);
CALOGAN_PUBLIC calogan_status calogan_generate_sparse_from(
    const calogan_generator* generator, size_t n, const double* conditions, size_t n_conditions,
    const float* latents, size_t n_latents, uint32_t* cells, float* energies_mev, size_t room,
    size_t* offsets, size_t n_offsets);

/* The latents of one event: room for calogan_latent_size(). */
CALOGAN_PUBLIC calogan_status calogan_draw_latents(const calogan_generator* generator,
                                                   uint64_t seed, uint64_t event, float* latents,
                                                   size_t n_latents);

/* Three numbers each; entry may be null, which is the origin. */
CALOGAN_PUBLIC calogan_status calogan_place_along(const double* point, const double* direction,
                                                  const double* entry, calogan_placement* out);
CALOGAN_PUBLIC calogan_status calogan_place_facing(const double* point, const double* normal,
                                                   const double* lean, const double* entry,
                                                   calogan_placement* out);

#ifdef __cplusplus
}
#endif

#endif
