#include <cstring>

#include "check.hpp"

// Runs the tests of the files whose names contain the argument; all without one.
int main(int argc, char** argv) {
  int run = 0;
  for (const test::Case& item : test::cases()) {
    if (argc > 1 && std::strstr(item.file, argv[1]) == nullptr) continue;
    ++run;
    const int before = test::failures();
    try {
      item.run();
    } catch (const std::exception& error) {
      test::report(item.file, 0, std::string("unexpected exception: ") + error.what());
    }
    if (test::failures() != before) std::cerr << "FAILED " << item.name << '\n';
  }
  std::cout << run << " tests, " << test::failures() << " failures\n";
  return run > 0 && test::failures() == 0 ? 0 : 1;
}
