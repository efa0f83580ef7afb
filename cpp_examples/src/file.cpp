#include "file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "text.hpp"

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

}  // namespace calogan::detail
