#include "xxh64.hpp"

#include <algorithm>
#include <cstring>

namespace calogan::detail {

namespace {

constexpr std::uint64_t prime_1 = 0x9E3779B185EBCA87;
constexpr std::uint64_t prime_2 = 0xC2B2AE3D27D4EB4F;
constexpr std::uint64_t prime_3 = 0x165667B19E3779F9;
constexpr std::uint64_t prime_4 = 0x85EBCA77C2B2AE63;
constexpr std::uint64_t prime_5 = 0x27D4EB2F165667C5;

template <class Word>
Word word(const char* p) {
  Word out;
  std::memcpy(&out, p, sizeof out);
  return out;
}

std::uint64_t rotate(std::uint64_t x, int n) { return x << n | x >> (64 - n); }

std::uint64_t round(std::uint64_t lane, std::uint64_t input) {
  return rotate(lane + input * prime_2, 31) * prime_1;
}

}  // namespace

Xxh64::Xxh64() : lanes_{prime_1 + prime_2, prime_2, 0, 0 - prime_1} {}

void Xxh64::add(std::string_view bytes) {
  total_ += bytes.size();
  if (n_waiting_ > 0) {
    const std::size_t n = std::min(waiting_.size() - n_waiting_, bytes.size());
    std::memcpy(waiting_.data() + n_waiting_, bytes.data(), n);
    n_waiting_ += n;
    bytes.remove_prefix(n);
    if (n_waiting_ < waiting_.size()) return;
    add_stripe(waiting_.data());
    n_waiting_ = 0;
  }
  for (; bytes.size() >= waiting_.size(); bytes.remove_prefix(waiting_.size())) {
    add_stripe(bytes.data());
  }
  if (!bytes.empty()) std::memcpy(waiting_.data(), bytes.data(), bytes.size());
  n_waiting_ = bytes.size();
}

std::uint64_t Xxh64::value() const {
  std::uint64_t hash = prime_5;
  if (total_ >= waiting_.size()) {
    hash = rotate(lanes_[0], 1) + rotate(lanes_[1], 7) + rotate(lanes_[2], 12) +
           rotate(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) hash = (hash ^ round(0, lane)) * prime_1 + prime_4;
  }
  hash += total_;
  const char* p = waiting_.data();
  const char* const end = p + n_waiting_;
  for (; end - p >= 8; p += 8) {
    hash = rotate(hash ^ round(0, word<std::uint64_t>(p)), 27) * prime_1 + prime_4;
  }
  if (end - p >= 4) {
    hash = rotate(hash ^ word<std::uint32_t>(p) * prime_1, 23) * prime_2 + prime_3;
    p += 4;
  }
  for (; p < end; ++p) {
    hash = rotate(hash ^ static_cast<unsigned char>(*p) * prime_5, 11) * prime_1;
  }
  hash = (hash ^ hash >> 33) * prime_2;
  hash = (hash ^ hash >> 29) * prime_3;
  return hash ^ hash >> 32;
}

void Xxh64::add_stripe(const char* p) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i] = round(lanes_[i], word<std::uint64_t>(p + 8 * i));
  }
}

std::uint64_t xxh64(std::string_view bytes) {
  Xxh64 checksum;
  checksum.add(bytes);
  return checksum.value();
}

}  // namespace calogan::detail
