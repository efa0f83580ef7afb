// What the C interface is made of: exceptions become a status, pointers and sizes are checked.
#pragma once

#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <new>

#include "calogan/runner.h"
#include "calogan/runner.hpp"
#include "text.hpp"

struct calogan_generator {
  calogan::Generator generator;
};

namespace calogan::c_api {

using detail::text;

// A mistake in the call itself, such as a buffer that is too small; not one in a file or a condition.
class BadArgument : public calogan::Error {
 public:
  using Error::Error;
};

// Keeps a message for calogan_last_error().
void keep(const char* message) noexcept;

// Calls f; what it throws becomes a status.
template <class F>
calogan_status guarded(F f) noexcept {
  try {
    f();
    return CALOGAN_OK;
  } catch (const BadArgument& error) {
    keep(error.what());
    return CALOGAN_BAD_ARGUMENT;
  } catch (const calogan::Error& error) {
    keep(error.what());
    return CALOGAN_ERROR;
  } catch (const std::bad_alloc&) {
    keep("out of memory");
    return CALOGAN_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    keep(error.what());
  } catch (...) {
    keep("unknown exception");
  }
  return CALOGAN_INTERNAL;
}

// Throws if a pointer is null, unless no elements were to be there.
inline void check_pointer(const void* pointer, const char* name, std::size_t n = 1) {
  if (pointer == nullptr && n > 0) throw BadArgument(text("argument ", name, " is null"));
}

// n showers of `each` elements.
inline std::size_t times(std::size_t n, std::size_t each) {
  if (each > 0 && n > std::numeric_limits<std::size_t>::max() / each) {
    throw BadArgument(text("argument n is ", n, ", too many showers to number their elements"));
  }
  return n * each;
}

inline void check_room(const void* pointer, const char* name, const char* size_name, std::size_t room,
                std::size_t needed) {
  if (room < needed) {
    throw BadArgument(text("argument ", size_name, " is ", room, ", but ", name, " needs room for ",
                           needed, " elements"));
  }
  check_pointer(pointer, name, needed);
}

// Runs make(), which gives what Handle holds, and hands it out.
template <class Handle, class Make>
calogan_status create(Handle** out, Make make) noexcept {
  return guarded([&] {
    check_pointer(out, "out");
    *out = nullptr;
    *out = std::make_unique<Handle>(Handle{make()}).release();
  });
}

inline calogan_condition describe(const Condition& condition) noexcept {
  return {condition.name.c_str(), condition.unit.c_str(), condition.low, condition.high,
          condition.logarithmic ? 1 : 0};
}

}  // namespace calogan::c_api
