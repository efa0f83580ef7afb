#include "output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "text.hpp"

namespace calogan::app {

using detail::fail;

namespace {

// The shortest decimal that gives the number back.
template <class Number>
void append_exact(std::string& out, Number value) {
  char buffer[64];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

class Csv : public Output {
 public:
  Csv(const std::string& path, const Source& source, const RunInfo& info)
      : n_conditions_(source.conditions().size()),
        event_(info.first_event),
        path_(path),
        temporary_(path),
        file_(std::fopen(temporary_.path().c_str(), "wb")) {
    if (!file_) fail("cannot write ", temporary_.path(), ": ", std::strerror(errno));
    buffer_ = "event";
    for (const Condition& condition : source.conditions()) {
      buffer_ += ',' + condition.name;
      if (!condition.unit.empty()) buffer_ += '_' + condition.unit;
    }
    buffer_ += ",layer,cell,x_mm,y_mm,z_mm,energy_MeV\n";
    for (const Cell& cell : source.generator().cells()) {
      std::string columns;
      append_exact(columns, cell.layer);
      columns += ',';
      append_exact(columns, cell.index);
      for (const double coordinate : {cell.x, cell.y, cell.z}) {
        columns += ',';
        append_exact(columns, static_cast<float>(coordinate));
      }
      cells_.push_back(columns + ',');
    }
  }

  void write(std::size_t n, const double* conditions, const float* energies) override {
    std::string leading;
    for (std::size_t shower = 0; shower < n; ++shower) {
      leading.clear();
      append_exact(leading, event_++);
      for (std::size_t i = 0; i < n_conditions_; ++i) {
        leading += ',';
        append_exact(leading, static_cast<float>(*conditions++));
      }
      leading += ',';
      for (std::size_t cell = 0; cell < cells_.size(); ++cell) {
        const float energy = *energies++;
        if (!(energy > 0)) continue;
        buffer_ += leading;
        buffer_ += cells_[cell];
        append_exact(buffer_, energy);
        buffer_ += '\n';
      }
      if (buffer_.size() > (1u << 20)) flush();
    }
  }

  void finish() override {
    flush();
    if (std::fclose(file_.release()) != 0) fail("cannot write ", path_, ": ", std::strerror(errno));
    temporary_.commit();
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void flush() {
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get()) != buffer_.size()) {
      fail("cannot write ", path_, ": ", std::strerror(errno));
    }
    buffer_.clear();
  }

  std::size_t n_conditions_;
  std::uint64_t event_;
  std::string path_;
  TemporaryFile temporary_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<std::string> cells_;
  std::string buffer_;
};

std::string ending_of(const std::string& path) {
  return std::filesystem::path(path).extension().string();
}

}  // namespace

void check_output_name(const std::string& path) {
  const std::string ending = ending_of(path);
  if (ending != ".csv" && ending != ".h5" && ending != ".hdf5") {
    fail("cannot write ", path, ": its ending is '", ending, "', expected .csv, .h5 or .hdf5");
  }
}

std::unique_ptr<Output> make_output(const std::string& path, const Source& source,
                                    const RunInfo& info) {
  check_output_name(path);
  if (ending_of(path) == ".csv") return std::make_unique<Csv>(path, source, info);
  return make_store(path, source, info);
}

}  // namespace calogan::app
