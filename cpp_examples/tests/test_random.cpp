#include <algorithm>
#include <array>

#include "check.hpp"
#include "random.hpp"

using calogan::detail::normals;
using calogan::detail::open_unit;
using calogan::detail::Philox2;
using calogan::detail::Philox4;
using calogan::detail::philox4x32_10;

// The vectors that the authors publish with their code (Random123, kat_vectors).
TEST(philox_known_answers) {
  CHECK((philox4x32_10({0, 0, 0, 0}, {0, 0}) ==
         Philox4{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  CHECK((philox4x32_10({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
         Philox4{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  CHECK((philox4x32_10({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
                       {0xa4093822u, 0x299f31d0u}) ==
         Philox4{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

// The deviates of an event are part of the interface: they must never change. Computed apart from
// this code, from the published definitions of Philox and of Box and Muller.
TEST(normals_known_answers) {
  constexpr double wanted[] = {0.2817895465137974,  0.8749861203867015,  -1.291228586982876,
                               -1.0018863913375788, -0.9244177583227814, 0.04444707276377958,
                               -0.04360991065144639};
  float found[7];
  normals(2024, (std::uint64_t{7} << 32) + 5, 0.0, 1.0, 0, 7, found);
  for (std::size_t i = 0; i < 7; ++i) CHECK_CLOSE(static_cast<double>(found[i]), wanted[i], 1e-7);
}

TEST(open_interval) {
  CHECK(open_unit(0) > 0);
  CHECK(open_unit(~0u) < 1);
}

// 10^6 deviates over 20 000 events: moments, tails and correlations within 4.5 standard errors.
TEST(normal_moments) {
  constexpr std::size_t per_event = 50;
  constexpr std::size_t events = 20'000;
  std::vector<float> z(per_event * events);
  for (std::size_t event = 0; event < events; ++event) {
    normals(12345, event, 0.0, 1.0, 0, per_event, z.data() + event * per_event);
  }
  const auto n = static_cast<double>(z.size());
  double sum[5] = {};
  double above_two = 0;
  double neighbour = 0;
  double next_event = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double x = static_cast<double>(z[i]);
    for (int k = 1; k <= 4; ++k) sum[k] += std::pow(x, k);
    above_two += std::abs(x) > 2 ? 1 : 0;
    if (i > 0) neighbour += x * static_cast<double>(z[i - 1]);
    if (i >= per_event) next_event += x * static_cast<double>(z[i - per_event]);
  }
  CHECK_CLOSE(sum[1] / n, 0, 4.5 / std::sqrt(n));
  CHECK_CLOSE(sum[2] / n, 1, 4.5 * std::sqrt(2 / n));
  CHECK_CLOSE(sum[3] / n, 0, 4.5 * std::sqrt(15 / n));
  CHECK_CLOSE(sum[4] / n, 3, 4.5 * std::sqrt(96 / n));
  const double p = std::erfc(std::sqrt(2.0));
  CHECK_CLOSE(above_two / n, p, 4.5 * std::sqrt(p * (1 - p) / n));
  CHECK_CLOSE(neighbour / n, 0, 4.5 / std::sqrt(n));
  CHECK_CLOSE(next_event / n, 0, 4.5 / std::sqrt(n));
}

// Kolmogorov's distance to the normal distribution; 1.95 / sqrt(n) is its 0.1 % point.
TEST(normal_distribution) {
  std::vector<float> z(100'000);
  for (std::size_t event = 0; event < 1000; ++event) {
    normals(99, event << 32, 0.0, 1.0, 0, 100, z.data() + event * 100);
  }
  std::sort(z.begin(), z.end());
  const auto n = static_cast<double>(z.size());
  double distance = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double cdf = 0.5 * std::erfc(-static_cast<double>(z[i]) / std::sqrt(2.0));
    distance = std::max({distance, std::abs(cdf - static_cast<double>(i) / n),
                         std::abs(cdf - static_cast<double>(i + 1) / n)});
  }
  CHECK(distance < 1.95 / std::sqrt(n));
}

TEST(normals_depend_on_seed_event_and_place_alone) {
  std::array<float, 10> long_draw{};
  std::array<float, 7> short_draw{};
  std::array<float, 7> other{};
  normals(1, 2, 0.0, 1.0, 0, long_draw.size(), long_draw.data());
  normals(1, 2, 0.0, 1.0, 0, short_draw.size(), short_draw.data());
  CHECK(std::equal(short_draw.begin(), short_draw.end(), long_draw.begin()));
  for (const auto& [seed, event] : {std::pair{2, 2}, {1, 3}, {3, 1}}) {
    normals(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(event), 0.0, 1.0, 0,
            other.size(), other.data());
    CHECK(!std::equal(other.begin(), other.end(), short_draw.begin()));
  }
  // Any part of them is the same numbers.
  std::array<float, 200> whole{};
  normals(1, 2, 0.0, 1.0, 0, whole.size(), whole.data());
  for (const std::size_t start : {1, 2, 3, 4, 5, 63, 64, 100, 193}) {
    normals(1, 2, 0.0, 1.0, start, other.size(), other.data());
    CHECK(std::equal(other.begin(), other.end(), whole.begin() + static_cast<long>(start)));
  }
  // High halves of both 64-bit numbers count.
  normals(1, 2 + (std::uint64_t{1} << 32), 0.0, 1.0, 0, other.size(), other.data());
  CHECK(!std::equal(other.begin(), other.end(), short_draw.begin()));
  normals(1 + (std::uint64_t{1} << 32), 2, 0.0, 1.0, 0, other.size(), other.data());
  CHECK(!std::equal(other.begin(), other.end(), short_draw.begin()));
}

TEST(normals_mean_and_deviation) {
  std::array<float, 8> unit{};
  std::array<float, 8> scaled{};
  normals(5, 6, 0.0, 1.0, 0, unit.size(), unit.data());
  normals(5, 6, 0.5, 2.0, 0, scaled.size(), scaled.data());
  for (std::size_t i = 0; i < unit.size(); ++i) {
    CHECK_CLOSE(static_cast<double>(scaled[i]), 0.5 + 2 * static_cast<double>(unit[i]), 1e-6);
  }
}
