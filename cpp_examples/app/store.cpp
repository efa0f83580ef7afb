// Stores of showers: HDF5 in the CaloChallenge dialect, with conditions, geometry and provenance.
#include <hdf5.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "options.hpp"
#include "output.hpp"
#include "text.hpp"

namespace calogan::app {

using detail::fail;
using detail::text;

namespace {

constexpr long long store_version = 1;
constexpr hsize_t chunk_bytes = 1 << 20;
constexpr hsize_t max_chunk_rows = 4096;

// An HDF5 identifier and the function that closes it.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle(hid_t id, Closer closer, const std::string& what) : id_(id), closer_(closer) {
    if (id < 0) fail("HDF5 cannot ", what);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (id_ >= 0) closer_(id_);
  }
  operator hid_t() const { return id_; }
  bool close() { return closer_(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_;
  Closer closer_;
};

void check(herr_t status, const std::string& what) {
  if (status < 0) fail("HDF5 cannot ", what);
}

// Errors are reported by exceptions; HDF5's own would go to the terminal as well.
void silence_hdf5() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      out += "\\u00";
      out += digits[c >> 4];
      out += digits[c & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The keys that `calogan generate` writes, and what tells these showers from its own. Of a bundle, the
// hashes of the members that were used, which are listed in order.
std::string provenance(const Source& source, const RunInfo& info) {
  const Generator& generator = source.generator();
  std::vector<std::string> hashes = generator.inputs_sha256();
  std::string weights;
  for (const Generator& member : source.members()) {
    for (const std::string& hash : member.inputs_sha256()) {
      if (std::find(hashes.begin(), hashes.end(), hash) == hashes.end()) hashes.push_back(hash);
    }
    weights += (weights.empty() ? "" : ", ") + quoted(member.weights_sha256());
  }
  weights = source.bundle() ? "[" + weights + "]" : quoted(generator.weights_sha256());
  std::string inputs;
  for (const std::string& hash : hashes) inputs += (inputs.empty() ? "" : ", ") + quoted(hash);
  char threshold[64];
  char* const end =
      std::to_chars(threshold, threshold + sizeof threshold, generator.readout_threshold()).ptr;
  const std::string rounded =
      generator.weights() == Weights::float32
          ? std::string()
          : text(", \"weights_format\": ", quoted(name_of(generator.weights())));
  return text("{\"command\": \"generate\", \"producer\": ",
              quoted(text("calogan-generate ", version())), ", \"calogan_version\": ",
              quoted(version()), ", \"generator\": ", quoted(source.name()), ", \"model\": ",
              quoted(info.model_path), ", \"weights_sha256\": ", weights, rounded,
              ", \"inputs_sha256\": [", inputs, "], \"seed\": ", info.seed, ", \"first_event\": ",
              info.first_event, ", \"readout_threshold_MeV\": ", std::string(threshold, end),
              ", \"like\": ", info.like.empty() ? "null" : quoted(info.like), "}");
}

class Store : public Output {
 public:
  Store(const std::string& path, const Source& source, const RunInfo& info)
      : path_(path),
        n_conditions_(source.conditions().size()),
        n_voxels_(source.generator().n_voxels()),
        temporary_(path),
        file_((silence_hdf5(),
               H5Fcreate(temporary_.path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)),
              H5Fclose, "create " + temporary_.path()) {
    const hsize_t n = info.n;
    incident_ = create("incident_energies", {n, 1});
    showers_ = create("showers", {n, n_voxels_});
    // Generated showers miss no cell; the fill value is 0 and nothing is stored.
    create("overflow", {n, source.generator().layers().size() + 1});
    const Handle group(
        H5Gcreate2(file_, "conditions", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
        "write " + path_);
    std::string conditions;
    for (const Condition& condition : source.conditions()) {
      conditions_.push_back(create("conditions/" + condition.name, {n}));
      conditions += conditions.empty() ? "[" : ", ";
      conditions += text("{\"name\": ", quoted(condition.name), ", \"unit\": ", quoted(condition.unit));
      std::string values;
      std::string names;
      for (const Label& label : condition.labels) {
        const std::string comma = values.empty() ? "" : ", ";
        values += comma + text(static_cast<long long>(label.value));
        names += comma + quoted(label.name);
      }
      if (!values.empty()) conditions += text(", \"values\": [", values, "], \"names\": [", names, "]");
      conditions += "}";
    }
    set_attribute("geometry", source.generator().geometry_json());
    set_attribute("conditions", conditions + "]");
    set_attribute("provenance", provenance(source, info));
    const Handle scalar(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar");
    const Handle attribute(H5Acreate2(file_, "calogan_store", H5T_STD_I64LE, scalar, H5P_DEFAULT,
                                      H5P_DEFAULT),
                           H5Aclose, "write " + path_);
    check(H5Awrite(attribute, H5T_NATIVE_LLONG, &store_version), "write " + path_);
  }

  void write(std::size_t n, const double* conditions, const float* energies) override {
    column_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      column_[i] = static_cast<float>(conditions[i * n_conditions_] * 1000.0);
    }
    write_rows(incident_, {n, 1}, column_.data());
    for (std::size_t c = 0; c < n_conditions_; ++c) {
      for (std::size_t i = 0; i < n; ++i) {
        column_[i] = static_cast<float>(conditions[i * n_conditions_ + c]);
      }
      write_rows(conditions_[c], {n}, column_.data());
    }
    write_rows(showers_, {n, n_voxels_}, energies);
    written_ += n;
  }

  void finish() override {
    bool good = true;
    for (Handle& data : data_) good = data.close() && good;
    // The last of the data reaches the disk here.
    if (!file_.close() || !good) fail("HDF5 cannot write ", path_, "; is the disk full?");
    temporary_.commit();
  }

 private:
  using Shape = std::vector<hsize_t>;

  std::size_t create(const std::string& name, const Shape& shape) {
    const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                       H5Sclose, "make the shape of " + name);
    const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make a property list");
    Shape chunk = shape;
    const hsize_t row_bytes = shape.size() > 1 ? shape[1] * sizeof(float) : sizeof(float);
    chunk[0] = std::min({std::max<hsize_t>(1, chunk_bytes / row_bytes), max_chunk_rows, shape[0]});
    const std::string what = "create " + name + " in " + path_;
    check(H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data()), what);
    check(H5Pset_deflate(properties, 1), what);
    data_.emplace_back(H5Dcreate2(file_, name.c_str(), H5T_IEEE_F32LE, space, H5P_DEFAULT,
                                  properties, H5P_DEFAULT),
                       H5Dclose, what);
    return data_.size() - 1;
  }

  void write_rows(std::size_t number, const Shape& shape, const float* values) {
    const Handle& data = data_[number];
    const std::string what = "write " + path_ + "; is the disk full?";
    const Handle file_space(H5Dget_space(data), H5Sclose, what);
    const Handle memory(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                        H5Sclose, what);
    const hsize_t start[2] = {written_, 0};
    check(H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, nullptr, shape.data(), nullptr),
          what);
    check(H5Dwrite(data, H5T_NATIVE_FLOAT, memory, file_space, H5P_DEFAULT, values), what);
  }

  void set_attribute(const char* name, const std::string& value) {
    const std::string what = "write " + path_;
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose, what);
    check(H5Tset_size(type, H5T_VARIABLE), what);
    check(H5Tset_cset(type, H5T_CSET_UTF8), what);
    const Handle scalar(H5Screate(H5S_SCALAR), H5Sclose, what);
    const Handle attribute(H5Acreate2(file_, name, type, scalar, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                           what);
    const char* const pointer = value.c_str();
    check(H5Awrite(attribute, type, &pointer), what);
  }

  std::string path_;
  std::size_t n_conditions_;
  hsize_t n_voxels_;
  TemporaryFile temporary_;
  Handle file_;
  std::vector<Handle> data_;  // before file_ is closed, so after it here
  std::size_t incident_ = 0;
  std::size_t showers_ = 0;
  std::vector<std::size_t> conditions_;
  hsize_t written_ = 0;
  std::vector<float> column_;
};

// ---------------------------------------------------------------------------------------------
// Reading

Handle open_file(const std::string& path) {
  silence_hdf5();
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose,
          "open " + path + "; is it an HDF5 file?"};
}

// The numbers of a data set of `columns` columns; (n,) will do for 1.
template <class Number>
std::vector<Number> read_data(const Handle& file, const std::string& path, const std::string& name,
                              hsize_t columns) {
  const std::string what = "read " + name + " in " + path;
  const Handle data(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose, what);
  const Handle space(H5Dget_space(data), H5Sclose, what);
  const int rank = H5Sget_simple_extent_ndims(space);
  hsize_t shape[2] = {0, 1};
  if (rank == 1 || rank == 2) H5Sget_simple_extent_dims(space, shape, nullptr);
  if (rank < 1 || rank > 2 || shape[1] != columns) {
    fail(path, ": ", name, " has shape (", rank > 0 ? text(shape[0]) : "",
         rank > 1 ? text(", ", shape[1]) : "", rank > 2 ? ", ..." : "", "), expected (n, ", columns,
         ")");
  }
  const Handle type(H5Dget_type(data), H5Tclose, what);
  const H5T_class_t kind = H5Tget_class(type);
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) fail(path, ": ", name, " does not hold numbers");
  std::vector<Number> out(shape[0] * shape[1]);
  const hid_t memory = sizeof(Number) == sizeof(float) ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
  check(H5Dread(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()), what);
  return out;
}

bool exists(const Handle& file, const std::string& name) {
  return H5Lexists(file, name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> members(const Handle& file, const char* group_name) {
  std::vector<std::string> names;
  if (!exists(file, group_name)) return names;
  const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  H5Literate_by_name(file, group_name, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names,
                     H5P_DEFAULT);
  return names;
}

}  // namespace

std::unique_ptr<Output> make_store(const std::string& path, const Source& source,
                                   const RunInfo& info) {
  return std::make_unique<Store>(path, source, info);
}

std::vector<std::vector<double>> read_conditions(const std::string& path,
                                                 const std::vector<Condition>& conditions) {
  const Handle file = open_file(path);
  std::vector<std::vector<double>> columns;
  const std::vector<std::string> names = members(file, "conditions");
  for (const Condition& condition : conditions) {
    columns.emplace_back();
    if (std::find(names.begin(), names.end(), condition.name) != names.end()) {
      columns.back() = read_data<double>(file, path, "conditions/" + condition.name, 1);
    } else if (condition.name == "energy" && exists(file, "incident_energies")) {
      // A plain CaloChallenge file, MeV.
      columns.back() = read_data<double>(file, path, "incident_energies", 1);
      for (double& energy : columns.back()) energy /= 1000.0;
    }
  }
  return columns;
}

std::vector<float> read_latents(const std::string& path, std::size_t latent_size) {
  const Handle file = open_file(path);
  if (!exists(file, "latents")) fail(path, ": no data set latents");
  return read_data<float>(file, path, "latents", latent_size);
}

}  // namespace calogan::app
