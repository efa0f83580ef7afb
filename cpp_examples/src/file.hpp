// Files: opened for reading, and written so that they appear whole or not at all.
#pragma once

#include <cstddef>
#include <string>

namespace calogan::detail {

// A file open for reading. Errors name its path.
class File {
 public:
  explicit File(const std::string& path);
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  // Bytes of a regular file; 0 for a pipe or a device.
  std::size_t size() const;

  // Reads up to n bytes; 0 at the end.
  std::size_t read(char* out, std::size_t n) const;

  int descriptor() const { return descriptor_; }

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace calogan::detail
