// Counter-based random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC11). Any number can be had directly from (seed, event, index).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels.hpp"

namespace calogan::detail {

using Philox4 = std::array<std::uint32_t, 4>;
using Philox2 = std::array<std::uint32_t, 2>;

inline Philox4 philox4x32_10(Philox4 counter, Philox2 key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// What the numbers of an event are for; different purposes never share a number.
enum class Stream : std::uint32_t { latents = 0, conditions = 1, members = 2 };

// Four words for (seed, event, stream, block).
inline Philox4 random_block(std::uint64_t seed, std::uint64_t event, Stream stream,
                            std::uint32_t block) noexcept {
  return philox4x32_10({block, static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(event),
                        static_cast<std::uint32_t>(event >> 32)},
                       {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

// Uniform in the open interval (0, 1): the middle of one of 2^32 equal parts.
inline double open_unit(std::uint32_t word) noexcept { return (word + 0.5) * 0x1p-32; }

// Standard normal deviates by the Box-Muller transform in double precision: word pairs (u, v) give
// sqrt(-2 ln u) times cos and sin of 2 pi v. None is beyond 6.76. Writes n of an event's deviates,
// beginning with the one numbered `first`.
inline void normals(std::uint64_t seed, std::uint64_t event, double mean, double std_dev,
                    std::size_t first, std::size_t n, float* out,
                    const Kernels& kernels = best_kernels()) {
  const std::size_t end = first + n;
  while (first < end) {
    std::uint64_t u[deviate_pairs] = {};
    std::uint64_t v[deviate_pairs] = {};
    const std::size_t start = first / 4 * 4;  // a block of words makes two pairs of deviates
    const std::size_t stop = std::min(end, start + 2 * deviate_pairs);
    for (std::size_t i = start; i < stop; i += 4) {
      const Philox4 w =
          random_block(seed, event, Stream::latents, static_cast<std::uint32_t>(i / 4));
      const std::size_t pair = (i - start) / 2;
      u[pair] = w[0];
      v[pair] = w[1];
      u[pair + 1] = w[2];
      v[pair + 1] = w[3];
    }
    double cosines[deviate_pairs];
    double sines[deviate_pairs];
    kernels.box_muller(u, v, cosines, sines);
    for (; first < stop; ++first) {
      const std::size_t i = first - start;
      *out++ = static_cast<float>(mean + std_dev * (i % 2 == 0 ? cosines : sines)[i / 2]);
    }
  }
}

}  // namespace calogan::detail
