#pragma once

#include <string>
#include <string_view>

namespace calogan::detail {

// SHA-256 (FIPS 180-4) of some bytes, in hexadecimal.
std::string sha256(std::string_view bytes);

}  // namespace calogan::detail
