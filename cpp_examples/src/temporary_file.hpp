#pragma once

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "text.hpp"

namespace calogan::detail {

// A file written beside its final place and put there, whole, by commit(); removed otherwise.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path)
      : final_(path), temporary_(text(path, ".tmp-", static_cast<long long>(::getpid()), "-", ++count())) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!committed_) std::remove(temporary_.c_str());
  }

  const std::string& path() const { return temporary_; }

  void commit() {
    if (std::rename(temporary_.c_str(), final_.c_str()) != 0) {
      fail("cannot rename ", temporary_, " to ", final_, ": ", std::strerror(errno));
    }
    committed_ = true;
  }

 private:
  // Two threads may write to the same place at once.
  static std::atomic<unsigned>& count() {
    static std::atomic<unsigned> n{0};
    return n;
  }

  std::string final_;
  std::string temporary_;
  bool committed_ = false;
};

}  // namespace calogan::detail
