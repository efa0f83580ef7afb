/* The C interface from C99, through the shared library. */
#include <calogan/bundle.h>
#include <calogan/runner.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef CALOGAN_TEST_MEMORY
#include <sys/resource.h>
#endif

static int failures = 0;

static void check(int line, int fine, const char* what) {
  if (fine) return;
  ++failures;
  fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, line, what,
          calogan_last_error());
}

#define CHECK(condition) check(__LINE__, (condition) != 0, #condition)
#define CHECK_FAILS(call, status, message) \
  (CHECK((call) == (status)), CHECK(strstr(calogan_last_error(), (message)) != NULL))

enum { N = 300, VOXELS = 26, LATENTS = 6 }; /* more than a block; gated.json */

static double conditions[2 * N];
static float energies[N * VOXELS];
static float others[N * VOXELS];
static float latents[N * LATENTS];
static uint32_t cells[N * VOXELS];
static size_t offsets[N + 1];

static void what_a_model_says(const calogan_generator* g) {
  CHECK(strcmp(calogan_version(), "0.1.0") == 0);
  CHECK(strcmp(calogan_name(g), "gated") == 0);
  CHECK(strstr(calogan_geometry_json(g), "\"x_edges\"") != NULL);
  CHECK(strcmp(calogan_weights_sha256(g), "") == 0);
  CHECK(calogan_weights_format(g) == CALOGAN_FLOAT32 && strcmp(calogan_json_sha256(g), "") == 0);
  CHECK(calogan_n_inputs_sha256(g) == 0 && calogan_inputs_sha256(g, 0) == NULL);
  CHECK(calogan_n_voxels(g) == VOXELS && calogan_latent_size(g) == LATENTS);
  CHECK(calogan_latent_mean(g) == 0.0 && calogan_latent_std(g) == 1.0);
  CHECK(calogan_readout_threshold(g) == 0.3);
  CHECK(calogan_n_layers(g) == 2 && strcmp(calogan_layer_name(g, 1), "layer_1") == 0);
  CHECK(calogan_layer_name(g, 2) == NULL);
  calogan_condition condition;
  CHECK(calogan_n_conditions(g) == 2);
  CHECK(calogan_get_condition(g, 1, &condition) == CALOGAN_OK);
  CHECK(strcmp(condition.name, "theta") == 0 && strcmp(condition.unit, "rad") == 0);
  CHECK(condition.low == 0.0 && condition.high == 0.35 && !condition.logarithmic);
  CHECK_FAILS(calogan_get_condition(g, 2, &condition), CALOGAN_BAD_ARGUMENT,
              "argument i is 2, but there are 2 conditions");
  double value;
  const char* label;
  CHECK(calogan_n_labels(g, 1) == 0 && calogan_n_labels(g, 2) == 0);
  CHECK_FAILS(calogan_get_label(g, 1, 0, &value, &label), CALOGAN_BAD_ARGUMENT,
              "arguments i and k are 1 and 0, but there are 2 conditions, and of this one 0 labels");
  calogan_cell known[VOXELS];
  CHECK(calogan_get_cells(g, known, VOXELS) == CALOGAN_OK);
  CHECK(known[1].x == -120.0 && known[1].y == 0.0 && known[1].z == -195.0);
  CHECK(known[13].layer == 1 && known[13].index == 7);
  CHECK_FAILS(calogan_get_cells(g, known, VOXELS - 1), CALOGAN_BAD_ARGUMENT,
              "argument n_cells is 25, but cells needs room for 26 elements");
  CHECK(calogan_n_voxels(NULL) == 0 && calogan_name(NULL) == NULL);
  CHECK(isnan(calogan_readout_threshold(NULL)));
}

static void showers(const calogan_generator* g) {
  const size_t v = VOXELS;
  for (size_t i = 0; i < N; ++i) {
    conditions[2 * i] = 1.0 + 0.1 * (double)i;
    conditions[2 * i + 1] = 0.001 * (double)i;
    CHECK(calogan_draw_latents(g, 7, 100 + i, latents + i * LATENTS, LATENTS) == CALOGAN_OK);
  }
  CHECK(calogan_generate(g, N, conditions, 2 * N, 7, 100, energies, N * v) == CALOGAN_OK);
  CHECK(calogan_generate(g, 1, conditions + 20, 2, 7, 110, others, v) == CALOGAN_OK);
  CHECK(memcmp(others, energies + 10 * v, v * sizeof(float)) == 0);
  CHECK(calogan_generate_from(g, N, conditions, 2 * N, latents, N * LATENTS, others, N * v) ==
        CALOGAN_OK);
  CHECK(memcmp(others, energies, sizeof energies) == 0);

  for (int from = 0; from < 2; ++from) {
    CHECK((from ? calogan_generate_sparse_from(g, N, conditions, 2 * N, latents, N * LATENTS, cells,
                                               others, N * v, offsets, N + 1)
                : calogan_generate_sparse(g, N, conditions, 2 * N, 7, 100, cells, others, N * v,
                                          offsets, N + 1)) == CALOGAN_OK);
    size_t at = 0;
    int same = 1;
    CHECK(offsets[0] == 0);
    for (size_t i = 0; i < N * v; ++i) {
      if (energies[i] == 0) continue;
      same = same && cells[at] == i % v && others[at] == energies[i] && at >= offsets[i / v] &&
             at < offsets[i / v + 1];
      ++at;
    }
    CHECK(same && at == offsets[N] && at > 0);
  }
  CHECK(calogan_generate(g, 0, NULL, 0, 1, 0, NULL, 0) == CALOGAN_OK);
}

static void refusals(calogan_generator* g) {
  const double two[] = {120.0, 0.1};
  float* const e = energies;
  CHECK_FAILS(calogan_generate(g, 1, two, 2, 1, 0, e, VOXELS), CALOGAN_ERROR,
              "generator gated takes energy 1..50 GeV, was asked for 120 GeV");
  CHECK_FAILS(calogan_generate(g, 1, two, 1, 1, 0, e, VOXELS), CALOGAN_ERROR,
              "got 1 condition values for 1 shower, expected 2 each (energy, theta)");
  CHECK_FAILS(calogan_generate(g, 2, two, 2, 1, 0, e, 2 * VOXELS), CALOGAN_ERROR,
              "got 2 condition values for 2 showers");
  CHECK_FAILS(calogan_generate(g, 1, two, 2, 1, 0, e, VOXELS - 1), CALOGAN_BAD_ARGUMENT,
              "argument n_energies is 25, but energies_mev needs room for 26 elements");
  CHECK_FAILS(calogan_generate(g, 1, two, 2, 1, 0, NULL, VOXELS), CALOGAN_BAD_ARGUMENT,
              "argument energies_mev is null");
  CHECK_FAILS(calogan_generate(g, 1, NULL, 2, 1, 0, e, VOXELS), CALOGAN_BAD_ARGUMENT,
              "argument conditions is null");
  CHECK_FAILS(calogan_generate(NULL, 1, two, 2, 1, 0, e, VOXELS), CALOGAN_BAD_ARGUMENT,
              "argument generator is null");
  CHECK_FAILS(calogan_generate(g, (size_t)-1 / 2 + 1, two, 0, 1, 0, e, 0), CALOGAN_BAD_ARGUMENT,
              "too many showers");
  CHECK_FAILS(calogan_generate_from(g, 1, two, 2, latents, 5, e, VOXELS), CALOGAN_BAD_ARGUMENT,
              "argument n_latents is 5, expected 6: 6 for each shower");
  CHECK_FAILS(calogan_generate_sparse(g, 1, two, 2, 1, 0, cells, e, VOXELS, offsets, 1),
              CALOGAN_BAD_ARGUMENT, "argument n_offsets is 1, but offsets needs room for 2 elements");
  CHECK_FAILS(calogan_generate_sparse(g, 1, two, 2, 1, 0, cells, e, 5, offsets, 2),
              CALOGAN_BAD_ARGUMENT, "argument room is 5, but cells needs room for 26 elements");
  CHECK_FAILS(calogan_set_readout_threshold(g, -1.0), CALOGAN_ERROR, "threshold is -1 MeV");

  /* A copy has settings of its own. */
  calogan_generator* copy = NULL;
  CHECK(calogan_copy(g, &copy) == CALOGAN_OK);
  CHECK(calogan_allow_extrapolation(copy, 1) == CALOGAN_OK);
  CHECK(calogan_set_readout_threshold(copy, 1e9) == CALOGAN_OK);
  CHECK(calogan_generate_sparse(copy, 1, two, 2, 1, 0, cells, e, VOXELS, offsets, 2) == CALOGAN_OK);
  CHECK(offsets[1] == 0);
  CHECK(calogan_readout_threshold(g) == 0.3);
  CHECK(calogan_generate(g, 1, two, 2, 1, 0, e, VOXELS) == CALOGAN_ERROR);
  calogan_free(copy);
  calogan_free(NULL);
}

static void loading(const char* path) {
  calogan_generator* g = (calogan_generator*)path; /* must not be kept */
  CHECK_FAILS(calogan_load("none.json", &g), CALOGAN_ERROR, "cannot open none.json");
  CHECK(g == NULL);
  CHECK_FAILS(calogan_load(NULL, &g), CALOGAN_BAD_ARGUMENT, "argument path is null");
  CHECK_FAILS(calogan_load(path, NULL), CALOGAN_BAD_ARGUMENT, "argument out is null");
  CHECK_FAILS(calogan_parse("[]", 2, "mine", &g), CALOGAN_ERROR,
              "mine: the document is an array, expected an object");
#ifdef CALOGAN_TEST_MEMORY
  const size_t size = 1 << 24; /* whose parser needs more than lies about unused */
  char* const blanks = malloc(size);
  memset(blanks, ' ', size);
  struct rlimit before;
  getrlimit(RLIMIT_AS, &before);
  struct rlimit none = before;
  none.rlim_cur = 1;
  setrlimit(RLIMIT_AS, &none);
  const calogan_status status = calogan_parse(blanks, size, "blanks", &g);
  setrlimit(RLIMIT_AS, &before);
  free(blanks);
  CHECK(status == CALOGAN_OUT_OF_MEMORY && g == NULL);
  CHECK(strcmp(calogan_last_error(), "out of memory") == 0);
#endif
}

static void compiling(const char* path) {
  calogan_generator* g = NULL;
  CHECK(calogan_compile(path, "c_api.calogan", CALOGAN_INT8) == CALOGAN_OK);
  CHECK(calogan_load("c_api.calogan", &g) == CALOGAN_OK);
  CHECK(calogan_weights_format(g) == CALOGAN_INT8 && strlen(calogan_json_sha256(g)) == 64);
  calogan_free(g);
  CHECK(remove("c_api.calogan") == 0);
  CHECK_FAILS(calogan_compile(path, NULL, CALOGAN_INT8), CALOGAN_BAD_ARGUMENT,
              "argument compiled_path is null");
  CHECK_FAILS(calogan_compile(path, "c_api.calogan", 3), CALOGAN_BAD_ARGUMENT,
              "argument weights is 3");
}

static void placements(void) {
  const double point[] = {1, 2, 3}, direction[] = {0, 5, 0}, zero[] = {0, 0, 0};
  const double entry[] = {0, 0, -240};
  calogan_placement p;
  CHECK(calogan_place_along(point, direction, entry, &p) == CALOGAN_OK);
  /* z goes to y, so the entry point at z = -240 would be at y = -240, and is shifted to the point */
  CHECK(fabs(p.rotation[5] - 1) < 1e-15 && fabs(p.shift[1] - 242) < 1e-12);
  CHECK(calogan_place_facing(point, direction, point, NULL, &p) == CALOGAN_OK);
  CHECK(p.shift[0] == 1 && p.shift[1] == 2 && p.shift[2] == 3);
  CHECK_FAILS(calogan_place_along(point, zero, NULL, &p), CALOGAN_ERROR,
              "the direction of a placement is (0, 0, 0)");
  CHECK_FAILS(calogan_place_facing(point, direction, NULL, NULL, &p), CALOGAN_BAD_ARGUMENT,
              "argument lean is null");
}

/* bundle.json stands beside the model. */
static void bundles(const char* model, const calogan_generator* g) {
  char folder[1000];
  const char* const slash = strrchr(model, '/');
  CHECK(slash != NULL && (size_t)(slash - model) < sizeof folder);
  memcpy(folder, model, (size_t)(slash - model));
  folder[slash - model] = '\0';
  calogan_bundle* b = NULL;
  CHECK_FAILS(calogan_bundle_open("/nowhere", &b), CALOGAN_ERROR, "/nowhere/bundle.json");
  CHECK(b == NULL);
  CHECK_FAILS(calogan_bundle_open(NULL, &b), CALOGAN_BAD_ARGUMENT, "argument folder is null");
  CHECK(calogan_bundle_open(folder, &b) == CALOGAN_OK);
  CHECK(strcmp(calogan_bundle_name(b), "pair") == 0 && calogan_bundle_size(b) == 3);
  CHECK(strcmp(calogan_bundle_member_name(b, 2), "electrons") == 0);
  CHECK(calogan_bundle_member_name(b, 3) == NULL && calogan_bundle_name(NULL) == NULL);
  CHECK(calogan_bundle_n_conditions(b) == 3 && calogan_bundle_n_conditions(NULL) == 0);
  calogan_condition condition;
  CHECK(calogan_bundle_get_condition(b, 2, &condition) == CALOGAN_OK);
  CHECK(strcmp(condition.name, "particle") == 0 && condition.low == 11 && condition.high == 22);
  CHECK_FAILS(calogan_bundle_get_condition(b, 3, &condition), CALOGAN_BAD_ARGUMENT, "argument i is 3");

  const double asked[] = {3.0, 0.1, 11, 3.0, 0.1, 22};
  size_t members[2];
  CHECK(calogan_bundle_choose(b, 2, asked, 6, 1, 0, members, 2) == CALOGAN_OK);
  CHECK(members[0] == 2 && members[1] == 0 && calogan_bundle_n_loaded(b) == 0);
  CHECK_FAILS(calogan_bundle_choose(b, 2, asked, 5, 1, 0, members, 2), CALOGAN_BAD_ARGUMENT,
              "n_conditions is 5, expected 6");
  CHECK_FAILS(calogan_bundle_choose(b, 2, asked, 6, 1, 0, members, 1), CALOGAN_BAD_ARGUMENT,
              "members needs room for 2");
  calogan_generator* member = NULL;
  CHECK_FAILS(calogan_bundle_generator(b, 3, &member), CALOGAN_ERROR, "was asked for number 3");
  CHECK(calogan_bundle_generator(b, 0, &member) == CALOGAN_OK && calogan_bundle_n_loaded(b) == 1);
  double taken[2];
  CHECK(calogan_bundle_member_conditions(b, 0, 1, asked + 3, 3, taken, 2) == CALOGAN_OK);
  CHECK(taken[0] == 3.0 && taken[1] == 0.1);
  CHECK_FAILS(calogan_bundle_member_conditions(b, 0, 1, asked + 3, 3, taken, 1),
              CALOGAN_BAD_ARGUMENT, "out needs room for 2");
  calogan_bundle_free(b); /* the member lives on */
  CHECK(calogan_generate(member, 1, taken, 2, 5, 7, energies, VOXELS) == CALOGAN_OK);
  CHECK(calogan_generate(g, 1, taken, 2, 5, 7, others, VOXELS) == CALOGAN_OK);
  CHECK(memcmp(energies, others, sizeof(float) * VOXELS) == 0);
  calogan_free(member);
  calogan_bundle_free(NULL);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  calogan_generator* g = NULL;
  if (calogan_load(argv[1], &g) != CALOGAN_OK) {
    fprintf(stderr, "%s\n", calogan_last_error());
    return 1;
  }
  what_a_model_says(g);
  showers(g);
  refusals(g);
  placements();
  bundles(argv[1], g);
  compiling(argv[1]);
  calogan_free(g);
  loading(argv[1]);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
