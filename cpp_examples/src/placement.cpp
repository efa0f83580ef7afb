#include <algorithm>
#include <cmath>

#include "calogan/runner.hpp"
#include "text.hpp"

namespace calogan {

namespace {

using detail::fail;

double dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

Vector cross(Vector a, Vector b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

bool finite(Vector v) { return std::isfinite(v.x) && std::isfinite(v.y) && std::isfinite(v.z); }

void check_finite(Vector v, const char* what) {
  if (!finite(v)) {
    fail("the ", what, " of a placement is (", v.x, ", ", v.y, ", ", v.z, "), expected finite numbers");
  }
}

Vector unit(Vector v, const char* what) {
  check_finite(v, what);
  // Divided first by the largest, so that no square overflows or vanishes.
  const double largest = std::max({std::abs(v.x), std::abs(v.y), std::abs(v.z)});
  if (largest == 0) fail("the ", what, " of a placement is (0, 0, 0), expected a length above 0");
  v = {v.x / largest, v.y / largest, v.z / largest};
  const double length = std::sqrt(dot(v, v));
  return {v.x / length, v.y / length, v.z / length};
}

// v without its part along the unit vector z.
Vector across(Vector v, Vector z) {
  const double along = dot(v, z);
  return {v.x - along * z.x, v.y - along * z.y, v.z - along * z.z};
}

// The unit vector that points to growing phi at a direction; +y on the z axis.
Vector growing_phi(Vector direction) {
  const double transverse = std::hypot(direction.x, direction.y);
  if (transverse == 0) return {0, 1, 0};
  return {-direction.y / transverse, direction.x / transverse, 0};
}

}  // namespace

Placement::Placement(Vector x, Vector y, Vector z, Vector point, Vector entry)
    : rotation_{x.x, y.x, z.x, x.y, y.y, z.y, x.z, y.z, z.z} {
  check_finite(point, "point");
  check_finite(entry, "entry");
  const Vector rotated = (*this)(entry);
  shift_ = {point.x - rotated.x, point.y - rotated.y, point.z - rotated.z};
}

Placement Placement::along(Vector point, Vector direction, Vector entry) {
  const Vector z = unit(direction, "direction");
  const Vector y = growing_phi(z);
  return {cross(y, z), y, z, point, entry};
}

Placement Placement::facing(Vector point, Vector normal, Vector lean, Vector entry) {
  const Vector z = unit(normal, "normal");
  Vector y = across(unit(lean, "lean"), z);
  if (dot(y, y) < 1e-24) return along(point, normal, entry);
  // Of a short remainder, rounding left a part along z; the second pass takes it out.
  y = unit(across(unit(y, "lean"), z), "lean");
  return {cross(y, z), y, z, point, entry};
}

}  // namespace calogan
