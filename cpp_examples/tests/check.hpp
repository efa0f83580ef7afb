// A test framework of one page: TEST registers, CHECK* report and count, main runs by name.
#pragma once

#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "text.hpp"

namespace test {

struct Case {
  const char* file;
  const char* name;
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Register {
  Register(const char* file, const char* name, void (*run)()) { cases().push_back({file, name, run}); }
};

inline void report(const char* file, int line, const std::string& message) {
  ++failures();
  std::cerr << file << ':' << line << ": " << message << '\n';
}

// The error of a call; "" if there was none.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const calogan::Error& error) {
    return error.what();
  }
  return {};
}

inline std::string data_path(const std::string& name) { return CALOGAN_TEST_DATA "/" + name; }

inline std::string read_text(const std::string& name) {
  std::ifstream file(data_path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The lines of a table, split at tabs; empty ones and comments (#) are left out.
inline std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream table(read_text(name));
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> row;
    std::size_t first = 0;
    for (std::size_t tab = line.find('\t'); tab != line.npos; tab = line.find('\t', first)) {
      row.push_back(line.substr(first, tab - first));
      first = tab + 1;
    }
    row.push_back(line.substr(first));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace test

#define TEST(name)                                                        \
  static void test_##name();                                              \
  static const test::Register register_##name(__FILE__, #name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) test::report(__FILE__, __LINE__, "not so: " #condition); \
  } while (false)

#define CHECK_EQ(found, wanted)                                                               \
  do {                                                                                        \
    const auto found_ = (found);                                                              \
    const auto wanted_ = (wanted);                                                            \
    if (!(found_ == wanted_)) {                                                               \
      test::report(__FILE__, __LINE__,                                                        \
                   calogan::detail::text(#found " is ", found_, ", expected ", wanted_));     \
    }                                                                                         \
  } while (false)

#define CHECK_CLOSE(found, wanted, tolerance)                                                 \
  do {                                                                                        \
    const double found_ = (found);                                                            \
    const double wanted_ = (wanted);                                                          \
    if (!(std::abs(found_ - wanted_) <= (tolerance))) {                                       \
      test::report(__FILE__, __LINE__,                                                        \
                   calogan::detail::text(#found " is ", found_, ", expected ", wanted_,       \
                                         " within ", double(tolerance)));                     \
    }                                                                                         \
  } while (false)

// The expression must throw a calogan::Error whose message contains the text.
#define CHECK_ERROR(expression, wanted)                                                       \
  do {                                                                                        \
    const std::string error_ = test::error_of([&] { static_cast<void>(expression); });        \
    if (error_.find(wanted) == std::string::npos) {                                           \
      test::report(__FILE__, __LINE__,                                                        \
                   calogan::detail::text("error of " #expression " is \"", error_,            \
                                         "\", expected \"", std::string_view(wanted), "\"")); \
    }                                                                                         \
  } while (false)
