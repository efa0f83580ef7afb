#include <calogan/runner.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <thread>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "check.hpp"
#include "random.hpp"

using calogan::Generator;

namespace {

Generator cells() { return Generator::load(test::data_path("cells.json")); }
Generator gated() { return Generator::load(test::data_path("gated.json")); }

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST(what_a_model_says) {
  const Generator generator = gated();
  CHECK_EQ(generator.name(), std::string("gated"));
  CHECK_EQ(generator.n_voxels(), std::size_t{26});
  CHECK_EQ(generator.n_outputs(), std::size_t{28});
  CHECK_EQ(generator.latent_size(), std::size_t{6});
  CHECK_EQ(generator.readout_threshold(), 0.3);
  CHECK_EQ(generator.conditions().size(), std::size_t{2});
  CHECK_EQ(generator.conditions()[0].name, std::string("energy"));
  CHECK(generator.conditions()[0].logarithmic);
  CHECK_EQ(generator.conditions()[1].unit, std::string("rad"));
  CHECK_EQ(generator.conditions()[1].high, 0.35);
  CHECK_EQ(generator.layers().size(), std::size_t{2});
  CHECK_EQ(generator.layers()[1], std::string("layer_1"));
  CHECK_EQ(generator.n_self_tests(), std::size_t{3});
  CHECK(generator.self_test_deviation() < 0.5);
  CHECK(generator.geometry_json().find("\"x_edges\"") != std::string::npos);
  CHECK_EQ(generator.weights_sha256(), std::string());
  CHECK(generator.inputs_sha256().empty());
  CHECK_EQ(calogan::version(), std::string_view("0.1.0"));
}

TEST(cells_last_fastest) {
  const Generator generator = gated();
  const calogan::Cell& second = generator.cells()[1];
  CHECK_EQ(second.x, -120.0);
  CHECK_EQ(second.y, 0.0);
  CHECK_EQ(second.z, -195.0);
  const calogan::Cell& in_next = generator.cells()[6 + 7];
  CHECK_EQ(in_next.layer, 1u);
  CHECK_EQ(in_next.index, 7u);
  CHECK_EQ(in_next.x, -60.0);
  CHECK_CLOSE(in_next.y, 0.0, 1e-12);
}

TEST(cells_first_fastest_and_cylindrical) {
  const Generator generator = Generator::load(test::data_path("layers.json"));
  const std::size_t n = generator.cells().size() / 2;
  const calogan::Cell& ring = generator.cells()[1];  // alpha = -pi / 2
  CHECK_CLOSE(ring.x, 0.0, 1e-9);
  CHECK_CLOSE(ring.y, -1.5 * 100.0 / static_cast<double>(n), 1e-9);
  CHECK(std::isnan(ring.z));
  CHECK_EQ(generator.cells()[n].z, 15.0);
}

// Numbers from the Python package: Geometry.centres of this geometry.
TEST(cells_of_rings_and_sectors) {
  const std::string model = test::read_text("gated.json");
  const std::size_t from = model.find("\"geometry\":");
  const std::size_t to = model.find(",\"weights_sha256\"", from);
  const auto check = [&](const std::string& fastest, std::vector<std::array<double, 3>> wanted) {
    const std::string geometry =
        R"("geometry":{"name":"rings","fastest":")" + fastest + R"(","layers":[)"
        R"({"name":"rings","system":"cylindrical","r_edges":[0,1,2,4,8,16,32],)"
        R"("alpha_edges":[0,6.283185307179586],"z":[0,10]},)"
        R"({"name":"sectors","system":"cylindrical","r_edges":[0,10,30,60,100],"alpha_edges":)"
        R"([-3.141592653589793,-1.8849555921538759,-0.6283185307179586,0.6283185307179586,)"
        R"(1.8849555921538759,3.141592653589793],"z":null}]})";
    const Generator generator =
        Generator::parse(model.substr(0, from) + geometry + model.substr(to), "rings");
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK_EQ(generator.cells()[i].x, 0.0);
      CHECK_EQ(generator.cells()[i].y, 0.0);
      CHECK_EQ(generator.cells()[i].z, 5.0);
    }
    for (const auto& [number, x, y] : wanted) {
      const calogan::Cell& cell = generator.cells()[static_cast<std::size_t>(number)];
      CHECK_CLOSE(cell.x, x, 1e-12);
      CHECK_CLOSE(cell.y, y, 1e-12);
      CHECK(std::isnan(cell.z));
    }
  };
  check("last", {{6, -4.045084971874736, -2.9389262614623664},
                 {7, 1.5450849718747373, -4.755282581475767},
                 {11, -16.180339887498945, -11.755705045849465},
                 {18, 45.0, 0.0},
                 {25, -64.72135954999578, 47.02282018339786}});
  check("first", {{6, -4.045084971874736, -2.9389262614623664},
                  {7, -16.180339887498945, -11.755705045849465},
                  {11, 6.180339887498949, -19.02113032590307},
                  {18, 1.5450849718747373, 4.755282581475767},
                  {25, -64.72135954999578, 47.02282018339786}});
}

TEST(energies_follow_from_fractions) {
  Generator generator = gated();
  generator.set_readout_threshold(500);
  std::vector<float> latents(generator.latent_size());
  generator.draw_latents(7, 3, latents.data());
  std::vector<float> fractions(generator.n_outputs());
  generator.evaluate(1, {20.0, 0.2}, latents.data(), fractions.data());
  std::vector<float> energies(generator.n_voxels());
  generator.generate({20.0, 0.2}, 7, 3, energies.data());
  std::size_t cut = 0;
  for (std::size_t voxel = 0; voxel < energies.size(); ++voxel) {
    const float energy = fractions[voxel < 6 ? voxel : voxel + 1] * 20000.0f;
    CHECK_EQ(energies[voxel], energy >= 500 ? energy : 0.0f);
    cut += energy < 500 ? 1 : 0;
  }
  CHECK(cut > 0 && cut < energies.size());
  std::vector<float> again(generator.n_voxels());
  generator.generate_from(1, {20.0, 0.2}, latents.data(), again.data());
  CHECK(again == energies);
}

// Latents that several inputs take are numbered through all of them.
TEST(latents_of_several_inputs) {
  Generator generator = cells();
  generator.set_readout_threshold(0);
  CHECK_EQ(generator.latent_size(), std::size_t{6 + 6 + 20});
  constexpr std::size_t n = 300;  // more than a block
  std::vector<double> conditions;
  std::vector<float> latents(n * generator.latent_size());
  for (std::size_t i = 0; i < n; ++i) {
    conditions.insert(conditions.end(), {20.0, 0.2});
    generator.draw_latents(7, i, latents.data() + i * generator.latent_size());
  }
  std::vector<float> drawn(n * generator.n_voxels());
  std::vector<float> given(n * generator.n_voxels());
  generator.generate(n, conditions, 7, 0, drawn.data());
  generator.generate_from(n, conditions, latents.data(), given.data());
  CHECK(drawn == given);
  // The latent of a cell of the second layer changes the shares of that layer alone.
  std::vector<float> changed(generator.n_voxels());
  latents[6 + 6 + 4] += 1.0f;
  generator.generate_from(1, {20.0, 0.2}, latents.data(), changed.data());
  CHECK(std::equal(changed.begin(), changed.begin() + 6, drawn.begin()));
  for (std::size_t i = 6; i < changed.size(); ++i) CHECK(changed[i] != drawn[i]);
}

// Cells over the threshold alone: the same energies, one shower or many, from either source.
TEST(sparse_readout_is_the_dense_one_without_zeros) {
  for (const double threshold : {0.0, 0.3, 500.0, 1e9}) {
    for (Generator generator : {gated(), cells()}) {
      generator.set_readout_threshold(threshold);
      constexpr std::size_t n = 331;  // more than a block
      const std::size_t v = generator.n_voxels();
      std::vector<double> conditions;
      std::vector<float> latents(n * generator.latent_size());
      for (std::size_t i = 0; i < n; ++i) {
        conditions.insert(conditions.end(), {1.0 + 0.1 * static_cast<double>(i), 0.2});
        generator.draw_latents(3, 50 + i, latents.data() + i * generator.latent_size());
      }
      std::vector<float> dense(n * v);
      generator.generate(n, conditions, 3, 50, dense.data());
      std::vector<std::uint32_t> wanted_cells;
      std::vector<float> wanted;
      std::vector<std::size_t> wanted_offsets = {0};
      for (std::size_t i = 0; i < n * v; ++i) {
        if (dense[i] > 0) {
          wanted_cells.push_back(static_cast<std::uint32_t>(i % v));
          wanted.push_back(dense[i]);
        }
        if (i % v == v - 1) wanted_offsets.push_back(wanted.size());
      }
      CHECK(wanted.empty() == (threshold == 1e9));
      std::vector<std::uint32_t> numbers(n * v);
      std::vector<float> energies(n * v);
      std::vector<std::size_t> offsets(n + 1, 77);
      const auto check = [&](std::size_t found) {
        CHECK_EQ(found, wanted.size());
        CHECK(offsets == wanted_offsets);
        CHECK(std::equal(wanted_cells.begin(), wanted_cells.end(), numbers.begin()));
        CHECK(std::equal(wanted.begin(), wanted.end(), energies.begin()));
        std::fill(offsets.begin(), offsets.end(), 77);
      };
      check(generator.generate_sparse(n, conditions, 3, 50, numbers.data(), energies.data(),
                                      offsets.data()));
      check(generator.generate_sparse_from(n, conditions, latents.data(), numbers.data(),
                                           energies.data(), offsets.data()));
      const std::size_t one = generator.generate_sparse({conditions.data() + 20, 2}, 3, 60,
                                                        numbers.data(), energies.data());
      CHECK_EQ(one, wanted_offsets[11] - wanted_offsets[10]);
      CHECK(std::equal(energies.begin(), energies.begin() + static_cast<long>(one),
                       wanted.begin() + static_cast<long>(wanted_offsets[10])));
    }
  }
  std::size_t offset = 77;
  CHECK_EQ(gated().generate_sparse(0, std::vector<double>{}, 1, 0, nullptr, nullptr, &offset),
           std::size_t{0});
  CHECK_EQ(offset, std::size_t{0});
}

// A host that has one number at a time.
TEST(latents_from_the_hosts_engine) {
  const Generator generator = cells();
  int asked = 0;
  const auto normal = [&] { return 0.25 * asked++; };
  std::vector<float> latents(generator.latent_size() + 1, -1.0f);
  generator.draw_latents(normal, latents.data());
  CHECK_EQ(static_cast<std::size_t>(asked), generator.latent_size());
  CHECK_EQ(latents[4], 1.0f);
  CHECK_EQ(latents.back(), -1.0f);
  std::vector<float> energies(generator.n_voxels());
  latents[2] = std::numeric_limits<float>::quiet_NaN();
  CHECK_ERROR(generator.generate_from(1, {10.0, 0.1}, latents.data(), energies.data()), "nan MeV");
}

void check_batches(const Generator& generator) {
  constexpr std::size_t n = 531;  // more than two blocks
  std::vector<double> conditions;
  for (std::size_t i = 0; i < n; ++i) {
    conditions.push_back(1.0 + 49.0 * static_cast<double>(i) / n);
    conditions.push_back(0.35 * static_cast<double>(i % 10) / 10);
  }
  const std::size_t v = generator.n_voxels();
  std::vector<float> together(n * v);
  generator.generate(n, conditions, 11, 1000, together.data());
  std::vector<float> alone(v);
  for (std::size_t i = 0; i < n; ++i) {
    generator.generate({conditions.data() + 2 * i, 2}, 11, 1000 + i, alone.data());
    CHECK(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<long>(i * v)));
  }
  std::vector<float> parts(n * v);
  for (std::size_t first = 0; first < n; first += 37) {
    const std::size_t count = std::min<std::size_t>(37, n - first);
    generator.generate(count, {conditions.data() + 2 * first, 2 * count}, 11, 1000 + first,
                       parts.data() + first * v);
  }
  CHECK(parts == together);
}

TEST(same_shower_whatever_the_batch) {
  check_batches(gated());
  check_batches(cells());
}

TEST(seed_and_event_number_make_the_shower) {
  const Generator generator = gated();
  std::vector<float> a(generator.n_voxels());
  std::vector<float> b(generator.n_voxels());
  generator.generate({10.0, 0.1}, 1, 1, a.data());
  for (const auto& [seed, event] : {std::pair{1, 2}, {2, 1}}) {
    generator.generate({10.0, 0.1}, static_cast<std::uint64_t>(seed),
                       static_cast<std::uint64_t>(event), b.data());
    CHECK(a != b);
  }
  generator.generate({10.0, 0.1}, 1, 1, b.data());
  CHECK(a == b);
}

TEST(threads_share_a_generator) {
  const Generator generator = cells();
  const Generator other = Generator::load(test::data_path("layers.json"));
  constexpr std::size_t n = 2000;
  const std::size_t v = generator.n_voxels();
  std::vector<double> conditions;
  for (std::size_t i = 0; i < n; ++i) conditions.insert(conditions.end(), {10.0, 0.1});
  std::vector<float> serial(n * v);
  generator.generate(n, conditions, 5, 0, serial.data());
  std::vector<float> concurrent(n * v);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<float> unrelated(other.n_voxels());
      for (std::size_t i = t; i < n; i += 4) {
        generator.generate({10.0, 0.1}, 5, i, concurrent.data() + i * v);
        // Two generators take turns with the thread's memory.
        if (i % 16 == t) other.generate({10.0, 0.1, 1.0}, 5, i, unrelated.data());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(serial == concurrent);
}

TEST(conditions_out_of_range) {
  Generator generator = gated();
  std::vector<float> e(generator.n_voxels());
  CHECK_ERROR(generator.generate({120.0, 0.1}, 1, 1, e.data()),
              "generator gated takes energy 1..50 GeV, was asked for 120 GeV; allow extrapolation "
              "to try");
  CHECK_ERROR(generator.generate({10.0, -0.1}, 1, 1, e.data()), "takes theta 0..0.35 rad");
  CHECK_ERROR(generator.generate({10.0}, 1, 1, e.data()),
              "got 1 condition values for 1 shower, expected 2 each (energy, theta)");
  CHECK_ERROR(generator.generate(3, {10.0, 0.1}, 1, 1, e.data()),
              "got 2 condition values for 3 showers");
  // A range's end that went through single precision is inside.
  generator.generate({50.0, static_cast<double>(0.35f)}, 1, 1, e.data());
  generator.generate({50.005, 0.35001}, 1, 1, e.data());
  CHECK_ERROR(generator.generate({50.02, 0.1}, 1, 1, e.data()), "was asked for 50.02 GeV");
  CHECK_ERROR(generator.generate({10.0, 0.3501}, 1, 1, e.data()), "was asked for 0.3501 rad");

  generator.allow_extrapolation();
  generator.generate({120.0, -0.1}, 1, 1, e.data());
  for (const double bad : {not_a_number, infinity, -infinity}) {
    CHECK_ERROR(generator.generate({bad, 0.1}, 1, 1, e.data()), "expected a finite number of GeV");
    CHECK_ERROR(generator.generate({10.0, bad}, 1, 1, e.data()), "expected a finite number of rad");
  }
  CHECK_ERROR(generator.generate({0.0, 0.1}, 1, 1, e.data()), "energy is 0 GeV, expected more than 0");
  CHECK_ERROR(generator.generate({-5.0, 0.1}, 1, 1, e.data()), "expected more than 0");
  CHECK_ERROR(generator.check_conditions({not_a_number, 0.1}), "energy is nan");
  // One bad shower among good ones: named, and nothing is written.
  std::vector<float> three(3 * generator.n_voxels(), -1.0f);
  for (const double bad : {not_a_number, infinity, 0.0}) {
    CHECK_ERROR(generator.generate(3, {10.0, 0.1, 10.0, 0.1, bad, 0.1}, 1, 1, three.data()),
                "shower 2: energy is ");
  }
  CHECK(std::all_of(three.begin(), three.end(), [](float v) { return v == -1.0f; }));
  // The smallest numbers there are.
  generator.generate({5e-324, 5e-324}, 1, 1, e.data());
  CHECK(std::all_of(e.begin(), e.end(), [](float v) { return v == 0.0f; }));
  // Nothing that a network computes far outside leaves it as NaN or infinity.
  CHECK_ERROR(generator.generate({1e300, 0.1}, 1, 1, e.data()), "far outside the trained range");
}

TEST(latents_of_the_host_that_are_no_numbers) {
  const Generator generator = gated();
  std::vector<float> e(generator.n_voxels());
  for (const double bad : {not_a_number, infinity}) {
    std::vector<float> latents(generator.latent_size(), 0.5f);
    latents[3] = static_cast<float>(bad);
    CHECK_ERROR(generator.generate_from(1, {10.0, 0.1}, latents.data(), e.data()),
                "gave a sum of ");
  }
}

#ifdef __SSE2__
// A host program that has denormal numbers flushed to zero gets the same showers.
TEST(flushed_denormals) {
  for (const Generator& generator : {gated(), cells()}) {
    std::vector<float> usual(generator.n_voxels());
    std::vector<float> flushed(generator.n_voxels());
    for (std::uint64_t event = 0; event < 100; ++event) {
      generator.generate({10.0, 0.1}, 1, event, usual.data());
      const unsigned before = _mm_getcsr();
      _mm_setcsr(before | 0x8040);  // flush to zero, denormals are zero
      generator.generate({10.0, 0.1}, 1, event, flushed.data());
      _mm_setcsr(before);
      CHECK(usual == flushed);
    }
  }
}
#endif

TEST(an_embedding_takes_whole_categories) {
  const Generator generator = Generator::load(test::data_path("layers.json"));
  std::vector<float> e(generator.n_voxels());
  CHECK_ERROR(generator.generate({10.0, 0.1, 1.5}, 1, 1, e.data()),
              "the category is 1.5, expected a whole number below 4");
}

TEST(thresholds) {
  Generator generator = gated();
  CHECK_ERROR(generator.set_readout_threshold(-1), "the readout threshold is -1 MeV");
  CHECK_ERROR(generator.set_readout_threshold(not_a_number), "the readout threshold is nan MeV");
  generator.set_readout_threshold(0);
  std::vector<float> e(generator.n_voxels());
  generator.generate({10.0, 0.1}, 1, 1, e.data());
  CHECK(std::all_of(e.begin(), e.end(), [](float v) { return v > 0; }));
  generator.set_readout_threshold(1e9);
  generator.generate({10.0, 0.1}, 1, 1, e.data());
  CHECK(std::all_of(e.begin(), e.end(), [](float v) { return v == 0; }));
}

TEST(no_showers_is_no_error) {
  gated().generate(0, std::vector<double>{}, 1, 1, nullptr);
}
