// XXH64 of Y. Collet, seed 0: a checksum that is quick, and no protection against those who want to
// deceive.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace calogan::detail {

// Of bytes that come in parts.
class Xxh64 {
 public:
  Xxh64();
  void add(std::string_view bytes);
  std::uint64_t value() const;

 private:
  void add_stripe(const char* p);

  std::array<std::uint64_t, 4> lanes_;
  std::array<char, 32> waiting_{};  // the beginning of a stripe
  std::size_t n_waiting_ = 0;
  std::uint64_t total_ = 0;
};

std::uint64_t xxh64(std::string_view bytes);

}  // namespace calogan::detail
