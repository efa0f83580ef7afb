// In place of store.cpp when the HDF5 library was not found.
#include "output.hpp"
#include "text.hpp"

namespace calogan::app {

namespace {

[[noreturn]] void refuse(const std::string& path) {
  detail::fail("cannot open ", path,
               ": this program was built without HDF5; install its C library (libhdf5-dev, "
               "hdf5-devel) and build again, or write .csv");
}

}  // namespace

std::unique_ptr<Output> make_store(const std::string& path, const Source&, const RunInfo&) {
  refuse(path);
}

std::vector<std::vector<double>> read_conditions(const std::string& path,
                                                 const std::vector<Condition>&) {
  refuse(path);
}

std::vector<float> read_latents(const std::string& path, std::size_t) { refuse(path); }

}  // namespace calogan::app
