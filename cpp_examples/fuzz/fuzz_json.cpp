// Any bytes at all either load as a JSON model or give a calogan::Error.
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  calogan::fuzz::load_and_run({reinterpret_cast<const char*>(data), size});
  return 0;
}
