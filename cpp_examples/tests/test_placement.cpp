#include <calogan/runner.hpp>

#include <cmath>
#include <limits>

#include "check.hpp"

using calogan::Placement;
using calogan::Vector;

namespace {

void check_at(Vector found, Vector wanted, double tolerance = 1e-9) {
  CHECK_CLOSE(found.x, wanted.x, tolerance);
  CHECK_CLOSE(found.y, wanted.y, tolerance);
  CHECK_CLOSE(found.z, wanted.z, tolerance);
}

// A proper rotation: orthonormal, of determinant 1.
void check_rotation(const Placement& placement) {
  const auto& r = placement.rotation();
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      double product = 0;
      for (std::size_t k = 0; k < 3; ++k) product += r[3 * i + k] * r[3 * j + k];
      CHECK_CLOSE(product, i == j ? 1.0 : 0.0, 1e-14);
    }
  }
  const double determinant = r[0] * (r[4] * r[8] - r[5] * r[7]) -
                             r[1] * (r[3] * r[8] - r[5] * r[6]) +
                             r[2] * (r[3] * r[7] - r[4] * r[6]);
  CHECK_CLOSE(determinant, 1.0, 1e-14);
}

const Vector directions[] = {{0, 0, 1},     {0, 0, -1},  {1, 0, 0},        {0, -2, 0},
                             {1, 2, 3},     {-3, 1, -7}, {1e-12, 0, 1},    {1e-300, 2e-300, 1e-300},
                             {1e300, 1e300, -1e300}};

}  // namespace

TEST(no_placement_is_the_models_frame) { check_at(Placement()({1, 2, 3}), {1, 2, 3}, 0); }

TEST(along_a_track) {
  for (const Vector& d : directions) {
    const Placement placement = Placement::along({10, 20, 30}, d, {0, 0, -240});
    check_rotation(placement);
    check_at(placement({0, 0, -240}), {10, 20, 30});
    const double longest = std::fmax(std::abs(d.x), std::fmax(std::abs(d.y), std::abs(d.z)));
    const Vector u = {d.x / longest, d.y / longest, d.z / longest};
    const double length = std::sqrt(u.x * u.x + u.y * u.y + u.z * u.z);
    check_at(placement({0, 0, -140}),
             {10 + 100 * u.x / length, 20 + 100 * u.y / length, 30 + 100 * u.z / length});
  }
}

// Rz(phi) Ry(theta) by hand.
TEST(along_turns_by_theta_and_phi) {
  const double theta = 0.4;
  const double phi = -2.1;
  const Placement placement =
      Placement::along({0, 0, 0}, {std::sin(theta) * std::cos(phi), std::sin(theta) * std::sin(phi),
                                   std::cos(theta)});
  const Vector p = {1, 2, 3};
  const Vector turned = {std::cos(theta) * p.x + std::sin(theta) * p.z, p.y,
                         -std::sin(theta) * p.x + std::cos(theta) * p.z};
  check_at(placement(p), {std::cos(phi) * turned.x - std::sin(phi) * turned.y,
                          std::sin(phi) * turned.x + std::cos(phi) * turned.y, turned.z});
}

// The photons of data/lar_photons: at theta they enter at (0, 0, -240) along (0, sin, cos).
TEST(facing_a_calorimeter) {
  const double theta = 0.3;
  for (const Vector& normal : directions) {
    for (const Vector& lean : directions) {
      const Placement placement = Placement::facing({5, 6, 7}, normal, lean, {0, 0, -240});
      check_rotation(placement);
      check_at(placement({0, 0, -240}), {5, 6, 7});
    }
  }
  // A calorimeter that looks along x; the particle leans to +z.
  const Vector direction = {std::cos(theta), 0, std::sin(theta)};
  const Placement placement = Placement::facing({1000, 0, 50}, {1, 0, 0}, direction, {0, 0, -240});
  check_at(placement({0, 100 * std::sin(theta), -240 + 100 * std::cos(theta)}),
           {1000 + 100 * direction.x, 0, 50 + 100 * direction.z});
  // The model's x axis completes the two, y cross z.
  check_at(placement({1, 0, -240}), {1000, 1, 50});
}

TEST(facing_without_a_lean_turns_as_along) {
  const Placement a = Placement::along({1, 2, 3}, {1, 2, 3});
  const Placement b = Placement::facing({1, 2, 3}, {1, 2, 3}, {2, 4, 6});
  CHECK(a.rotation() == b.rotation());
}

TEST(cells_are_placed) {
  const auto generator = calogan::Generator::load(test::data_path("gated.json"));
  const Placement placement = Placement::along({0, 0, 1000}, {0, 0, 1}, {0, 0, -240});
  check_at(placement.centre(generator.cells()[1]), {-120, 0, -195 + 1240});
  const auto depthless = calogan::Generator::load(test::data_path("layers.json"));
  CHECK(std::isnan(Placement::along({0, 0, 0}, {1, 1, 1}).centre(depthless.cells()[1]).x));
}

TEST(placements_that_make_no_sense) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_ERROR(Placement::along({0, 0, 0}, {0, 0, 0}),
              "the direction of a placement is (0, 0, 0), expected a length above 0");
  CHECK_ERROR(Placement::along({0, nan, 0}, {0, 0, 1}),
              "the point of a placement is (0, nan, 0), expected finite numbers");
  CHECK_ERROR(Placement::along({0, 0, 0}, {0, 0, 1}, {infinity, 0, 0}), "the entry of a placement");
  CHECK_ERROR(Placement::facing({0, 0, 0}, {0, infinity, 1}, {0, 0, 1}), "the normal of a placement");
  CHECK_ERROR(Placement::facing({0, 0, 0}, {0, 0, 1}, {0, 0, 0}), "the lean of a placement");
}
