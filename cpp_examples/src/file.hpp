// Files: read, mapped into memory, and written so that they appear whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

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

  // Reads on, up to n bytes; 0 at the end.
  std::size_t read(char* out, std::size_t n) const;

  // The first n bytes of a regular file, or fewer, without reading on.
  std::string peek(std::size_t n) const;

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }

 private:
  std::string path_;
  int descriptor_;
};

// All of a regular file, in memory that all processes share. If another file takes its name, the
// mapping stays as it was. If the file itself is cut short, reading what is gone ends the process.
class Mapping {
 public:
  explicit Mapping(const File& file);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  std::size_t size_;
  void* data_;
};

// Whether both names are of one file, which is there.
bool same_file(const std::string& a, const std::string& b);

// Writes the parts one after another to a file beside `path`, which then takes its place.
void write_file(const std::string& path, const std::vector<std::string_view>& parts);

}  // namespace calogan::detail
