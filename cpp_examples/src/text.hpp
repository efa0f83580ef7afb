// Messages: numbers are written the same way whatever the locale of the host program.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

#include "calogan/runner.hpp"

namespace calogan::detail {

inline void append(std::string& out, std::string_view text) { out += text; }

template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
void append(std::string& out, Number value) {
  char buffer[64];
  std::to_chars_result end{};
  if constexpr (std::is_floating_point_v<Number>) {
    // Six digits are what a reader wants; data files use the shortest exact form instead.
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 6);
  } else {
    end = std::to_chars(buffer, buffer + sizeof buffer, value);
  }
  out.append(buffer, end.ptr);
}

template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(text(parts...));
}

}  // namespace calogan::detail
