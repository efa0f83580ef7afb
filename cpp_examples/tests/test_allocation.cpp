// After the first call in a thread, generating takes no memory from the heap.
#include <calogan/runner.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

#include "check.hpp"

namespace {

std::atomic<long> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  if (void* const p = std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace

// The program's own, in place of the standard library's; std::vector and all else come here.
void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

TEST(generating_takes_no_memory) {
  for (const char* name : {"gated.json", "cells.json", "layers.json"}) {
    const auto generator = calogan::Generator::load(test::data_path(name));
    std::vector<double> one = {10.0, 0.1};
    if (generator.conditions().size() == 3) one.push_back(2.0);
    constexpr std::size_t n = 100;
    std::vector<double> many;
    for (std::size_t i = 0; i < n; ++i) many.insert(many.end(), one.begin(), one.end());
    std::vector<float> energies(n * generator.n_voxels());
    std::vector<std::uint32_t> cells(n * generator.n_voxels());
    std::vector<std::size_t> offsets(n + 1);
    generator.generate(one, 1, 0, energies.data());
    const long before = allocations;
    CHECK(before > 0);
    generator.generate(one, 1, 1, energies.data());
    generator.generate(n, many, 1, 2, energies.data());
    generator.generate_sparse(one, 1, 1, cells.data(), energies.data());
    generator.generate_sparse(n, many, 1, 2, cells.data(), energies.data(), offsets.data());
    CHECK_EQ(allocations - before, 0L);
  }
}
