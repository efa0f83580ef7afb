// Any bytes at all either load as a compiled model or give a calogan::Error: as they are, and with a
// header that lets them get past the checksum.
#include <cstring>
#include <string>

#include "compiled_model.hpp"
#include "packed.hpp"
#include "target.hpp"
#include "xxh64.hpp"

namespace {

template <class Number>
void put(std::string& bytes, std::size_t at, Number value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// The fields of the header that only one value is right for; see compiled_model.cpp.
std::string repaired(std::string bytes) {
  if (bytes.size() < 128) return bytes;
  put(bytes, 8, std::uint32_t{0x01020304});
  put(bytes, 12, std::uint32_t{1});
  put(bytes, 16, std::uint32_t{calogan::detail::packed_layout_version});
  put(bytes, 24, std::uint64_t{bytes.size()});
  put(bytes, 32, calogan::detail::xxh64(std::string_view(bytes).substr(40)));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!calogan::detail::is_compiled(bytes)) return 0;
  calogan::fuzz::load_and_run(bytes);
  calogan::fuzz::load_and_run(repaired(std::string(bytes)));
  return 0;
}
