#include "file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "text.hpp"
#include "temporary_file.hpp"

namespace calogan::detail {

File::File(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) fail("cannot open ", path, ": ", std::strerror(errno));
}

File::~File() { ::close(descriptor_); }

std::size_t File::size() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) fail("cannot read ", path_, ": ", std::strerror(errno));
  return S_ISREG(info.st_mode) ? static_cast<std::size_t>(info.st_size) : 0;
}

std::size_t File::read(char* out, std::size_t n) const {
  constexpr std::size_t most = std::size_t{1} << 30;  // Linux reads no more than 2 GiB at once
  for (;;) {
    const ::ssize_t got = ::read(descriptor_, out, std::min(n, most));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail("cannot read ", path_, ": ", std::strerror(errno));
  }
}

std::string File::peek(std::size_t n) const {
  std::string out(std::min(n, size()), '\0');
  if (out.empty()) return out;  // a pipe, perhaps
  const ::ssize_t got = ::pread(descriptor_, out.data(), out.size(), 0);
  if (got < 0) fail("cannot read ", path_, ": ", std::strerror(errno));
  out.resize(static_cast<std::size_t>(got));
  return out;
}

#ifdef MAP_POPULATE
constexpr int mapping_flags = MAP_PRIVATE | MAP_POPULATE;  // all of it will be read at once
#else
constexpr int mapping_flags = MAP_PRIVATE;
#endif

Mapping::Mapping(const File& file)
    : size_(file.size()),
      data_(::mmap(nullptr, size_, PROT_READ, mapping_flags, file.descriptor(), 0)) {
  if (data_ == MAP_FAILED) fail("cannot map ", file.path(), ": ", std::strerror(errno));
}

Mapping::~Mapping() { ::munmap(data_, size_); }

bool same_file(const std::string& a, const std::string& b) {
  struct stat of_a {};
  struct stat of_b {};
  return ::stat(a.c_str(), &of_a) == 0 && ::stat(b.c_str(), &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  TemporaryFile temporary(path);
  const auto check = [&](bool done) {
    if (!done) fail("cannot write ", temporary.path(), ": ", std::strerror(errno));
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file(std::fopen(temporary.path().c_str(), "wb"));
  check(file != nullptr);
  for (const std::string_view part : parts) {
    check(std::fwrite(part.data(), 1, part.size(), file.get()) == part.size());
  }
  // It is on the disk before it gets its name, so that no crash leaves an empty file of that name.
  check(std::fflush(file.get()) == 0);
  check(::fsync(::fileno(file.get())) == 0);
  check(std::fclose(file.release()) == 0);
  temporary.commit();
}

}  // namespace calogan::detail
