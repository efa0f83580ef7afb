// Normal deviates. Compiled once per instruction set; see kernels_variant.hpp for what may be included.
#include "kernels_variant.hpp"

namespace calogan::detail {
namespace {

constexpr std::size_t half_width = width / 2;
typedef double Doubles __attribute__((vector_size(half_width * 8)));
typedef std::uint64_t Words __attribute__((vector_size(half_width * 8)));

template <class To, class From>
inline To bits_of(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits are kept");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

// Adding this leaves a number rounded to an integer in the low bits.
constexpr double rounder = 6755399441055744.0;  // 1.5 x 2^52
constexpr std::uint64_t rounder_bits = 0x4338000000000000;

// The middle of one of 2^32 equal parts of (0, 1).
inline Doubles middle(Words word) {
  const Doubles above = bits_of<Doubles>(word | std::uint64_t{0x4330000000000000});  // 2^52 + word
  return (above - 4503599627370496.0 + 0.5) * 0x1p-32;
}

// ln x = k ln 2 + ln m with m in sqrt(1/2)..sqrt(2), and ln m = 2 artanh((m - 1) / (m + 1)).
inline Doubles logarithm(Doubles x) {
  constexpr std::uint64_t one = 0x3FF0000000000000;
  constexpr std::uint64_t root_half = 0x3FE6A09E667F3BCD;
  const Words bits = bits_of<Words>(x);
  const Words k = ((bits + (one - root_half)) >> 52) - 1023;
  const Doubles m = bits_of<Doubles>(bits - (k << 52));
  const Doubles s = (m - 1.0) / (m + 1.0);
  const Doubles z = s * s;
  Doubles p = z * (1.0 / 17) + 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  const Doubles exponent = bits_of<Doubles>(k + rounder_bits) - rounder;
  return exponent * 0.693147180559945309417 + 2.0 * (s * z * p + s);
}

}  // namespace

void CALOGAN_VARIANT(box_muller)(const std::uint64_t* u, const std::uint64_t* v, double* cosines,
                                 double* sines) {
  double radius[deviate_pairs];
  for (std::size_t i = 0; i < deviate_pairs; i += half_width) {
    Words words;
    __builtin_memcpy(&words, u + i, sizeof words);
    const Doubles square = -2.0 * logarithm(middle(words));
    __builtin_memcpy(radius + i, &square, sizeof square);
  }
  for (double& r : radius) r = __builtin_sqrt(r);
  for (std::size_t i = 0; i < deviate_pairs; i += half_width) {
    Words words;
    __builtin_memcpy(&words, v + i, sizeof words);
    // 2 pi v = pi / 2 quarter + x with |x| <= pi / 4, where Taylor's series are short.
    const Doubles turn = middle(words);
    const Doubles shifted = turn * 4.0 + rounder;
    const Words quarter = bits_of<Words>(shifted);
    const Doubles x = (turn - (shifted - rounder) * 0.25) * 6.283185307179586476925;
    const Doubles z = x * x;
    Doubles s = z * (1.0 / 6227020800) - 1.0 / 39916800;
    s = s * z + 1.0 / 362880;
    s = s * z - 1.0 / 5040;
    s = s * z + 1.0 / 120;
    s = s * z - 1.0 / 6;
    s = s * z * x + x;
    Doubles c = z * (-1.0 / 87178291200) + 1.0 / 479001600;
    c = c * z - 1.0 / 3628800;
    c = c * z + 1.0 / 40320;
    c = c * z - 1.0 / 720;
    c = c * z + 1.0 / 24;
    c = c * z - 0.5;
    c = c * z + 1.0;
    const auto odd = (quarter & 1) != 0;
    Doubles r;
    __builtin_memcpy(&r, radius + i, sizeof r);
    const Doubles along = r * (odd ? s : c);
    const Doubles across = r * (odd ? c : s);
    const Doubles cosine = ((quarter + 1) & 2) != 0 ? -along : along;
    const Doubles sine = (quarter & 2) != 0 ? -across : across;
    __builtin_memcpy(cosines + i, &cosine, sizeof cosine);
    __builtin_memcpy(sines + i, &sine, sizeof sine);
  }
}

}  // namespace calogan::detail
