/* Showers of 10 GeV at 0.1 rad in C: cells over threshold, where a track meets the calorimeter. */
#include <calogan/runner.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char* message) {
  fprintf(stderr, "%s\n", message);
  return EXIT_FAILURE;
}

int main(int argc, char** argv) {
  calogan_generator* generator = NULL;
  if (calogan_load(argc > 1 ? argv[1] : "generator.json", &generator) != CALOGAN_OK) {
    return fail(calogan_last_error());
  }
  const size_t n_voxels = calogan_n_voxels(generator);
  calogan_cell* const known = malloc(n_voxels * sizeof *known);
  uint32_t* const cells = malloc(n_voxels * sizeof *cells);
  float* const energies = malloc(n_voxels * sizeof *energies);
  if (known == NULL || cells == NULL || energies == NULL) return fail("out of memory");

  /* The calorimeter's front stands at x = 2000 mm; photons come along x and lean by 0.1 rad to z. */
  const double point[] = {2000, 0, 0}, normal[] = {1, 0, 0}, direction[] = {0.995, 0, 0.0998};
  const double entry[] = {0, 0, -240}; /* where they entered in the simulation */
  calogan_placement place;
  calogan_status status = calogan_get_cells(generator, known, n_voxels);
  if (status == CALOGAN_OK) {
    status = calogan_place_facing(point, normal, direction, entry, &place);
  }

  const double conditions[] = {10.0, 0.1}; /* GeV, rad */
  for (uint64_t event = 0; event < 5 && status == CALOGAN_OK; ++event) {
    size_t offsets[2];
    status = calogan_generate_sparse(generator, 1, conditions, 2, /*seed*/ 1, event, cells,
                                     energies, n_voxels, offsets, 2);
    if (status != CALOGAN_OK) break;
    double sum = 0, x = 0;
    for (size_t i = 0; i < offsets[1]; ++i) {
      const calogan_cell* c = known + cells[i];
      sum += energies[i];
      x += energies[i] * (place.rotation[0] * c->x + place.rotation[1] * c->y +
                          place.rotation[2] * c->z + place.shift[0]);
    }
    printf("shower %d: %.1f MeV in %d cells, on average at x = %.1f mm\n", (int)event, sum,
           (int)offsets[1], x / sum);
  }
  if (status != CALOGAN_OK) fail(calogan_last_error());
  free(known);
  free(cells);
  free(energies);
  calogan_free(generator);
  return status == CALOGAN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
