// Compiled models: what they give, and what is said of damaged ones.
#include "compiled_model.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "check.hpp"
#include "sha256.hpp"
#include "xxh64.hpp"

using calogan::Generator;
using calogan::Weights;
namespace detail = calogan::detail;

namespace {

constexpr std::size_t checksum_at = 32;  // what it is of begins 8 bytes later

// A folder that goes when the test does.
class Folder {
 public:
  Folder() {
    path_ = (std::filesystem::temp_directory_path() / "calogan-test-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr) test::report(__FILE__, __LINE__, "no folder " + path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  std::size_t n_files() const {
    const auto begin = std::filesystem::directory_iterator(path_);
    return static_cast<std::size_t>(std::distance(begin, {}));
  }

 private:
  std::string path_;
};

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string compiled(const std::string& model, Weights weights = Weights::float32) {
  const Folder folder;
  Generator::compile(test::data_path(model), folder / "model.calogan", weights);
  return read_bytes(folder / "model.calogan");
}

const std::string& good() {
  static const std::string bytes = compiled("gated.json");
  return bytes;
}

// With the size and the checksum that the bytes should have.
std::string repaired(std::string bytes) {
  const std::uint64_t size = bytes.size();
  std::memcpy(bytes.data() + 24, &size, sizeof size);
  const std::uint64_t checksum = detail::xxh64(std::string_view(bytes).substr(checksum_at + 8));
  std::memcpy(bytes.data() + checksum_at, &checksum, sizeof checksum);
  return bytes;
}

std::string error_of(const std::string& bytes) {
  return test::error_of([&] { Generator::parse(bytes, "file"); });
}

std::vector<float> showers(const Generator& generator, std::size_t n) {
  std::vector<double> conditions;
  for (std::size_t i = 0; i < n; ++i) {
    for (const calogan::Condition& condition : generator.conditions()) {
      conditions.push_back(condition.unit.empty() ? condition.low : condition.high);
    }
  }
  std::vector<float> energies(n * generator.n_voxels());
  generator.generate(n, conditions, 3, 0, energies.data());
  return energies;
}

}  // namespace

TEST(the_same_showers_as_from_the_json) {
  const Folder folder;
  for (const char* name : {"gated.json", "cells.json", "layers.json"}) {
    const auto json = Generator::load(test::data_path(name));
    Generator::compile(test::data_path(name), folder / "model.calogan");
    const auto mapped = Generator::load(folder / "model.calogan");
    const auto parsed = Generator::parse(read_bytes(folder / "model.calogan"));
    for (const Generator& compiled : {mapped, parsed}) {
      CHECK(showers(compiled, 30) == showers(json, 30));
      CHECK_EQ(compiled.name(), json.name());
      CHECK_EQ(compiled.latent_size(), json.latent_size());
      CHECK_EQ(compiled.latent_mean(), json.latent_mean());
      CHECK_EQ(compiled.readout_threshold(), json.readout_threshold());
      CHECK_EQ(compiled.conditions()[1].high, json.conditions()[1].high);
      CHECK_EQ(compiled.geometry_json(), json.geometry_json());
      CHECK_EQ(compiled.n_self_tests(), json.n_self_tests());
      CHECK_EQ(compiled.self_test_deviation(), json.self_test_deviation());
      CHECK_EQ(compiled.cells()[1].x, json.cells()[1].x);
      CHECK_EQ(compiled.json_sha256(), detail::sha256(test::read_text(name)));
      CHECK(compiled.weights() == Weights::float32);
    }
    CHECK_EQ(json.json_sha256(), std::string());
  }
  CHECK_EQ(folder.n_files(), std::size_t{1});
}

TEST(rounded_weights) {
  const auto exact = showers(Generator::load(test::data_path("gated.json")), 30);
  std::size_t size = good().size();
  for (const Weights weights : {Weights::bfloat16, Weights::int8}) {
    const std::string bytes = compiled("gated.json", weights);
    CHECK(bytes.size() < size);
    size = bytes.size();
    const auto generator = Generator::parse(bytes);
    CHECK(generator.weights() == weights);
    CHECK(generator.self_test_deviation() > 0);
    const auto rounded = showers(generator, 30);
    CHECK(rounded != exact);
    double difference = 0;
    double sum = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      difference += std::abs(static_cast<double>(rounded[i]) - static_cast<double>(exact[i]));
      sum += static_cast<double>(exact[i]);
    }
    CHECK(difference < 0.05 * sum);
    // A shower alone is the same as in a batch.
    const auto alone = showers(generator, 1);
    CHECK(std::equal(alone.begin(), alone.end(), rounded.begin()));
  }
}

// A model that is replaced while it is in use stays what it was.
TEST(a_model_in_use_is_replaced) {
  const Folder folder;
  const std::string path = folder / "model.calogan";
  Generator::compile(test::data_path("gated.json"), path);
  const auto generator = Generator::load(path);
  const auto before = showers(generator, 3);
  Generator::compile(test::data_path("cells.json"), path);
  CHECK_EQ(Generator::load(path).name(), std::string("cells"));
  CHECK(showers(generator, 3) == before);
  std::filesystem::remove(path);
  CHECK(showers(generator, 3) == before);
}

TEST(compiling_that_fails_leaves_what_was_there) {
  const Folder folder;
  const std::string path = folder / "model.calogan";
  write_bytes(path, "old");
  write_bytes(folder / "bad.json", test::read_text("gated.json").substr(0, 1000));
  CHECK_ERROR(Generator::compile(folder / "bad.json", path), "not valid JSON");
  std::string damaged = test::read_text("gated.json");
  damaged.insert(damaged.find("\"weights\":[") + 11, "-");
  write_bytes(folder / "bad.json", damaged);
  CHECK_ERROR(Generator::compile(folder / "bad.json", path), "self-test 0");
  CHECK_EQ(read_bytes(path), std::string("old"));
  CHECK_EQ(folder.n_files(), std::size_t{2});

  CHECK_ERROR(Generator::compile(test::data_path("gated.json"), folder / "none/model.calogan"),
              "none/model.calogan.tmp-");
  CHECK_ERROR(Generator::compile(test::data_path("none.json"), path), "cannot open");
  Generator::compile(test::data_path("gated.json"), path);
  CHECK_ERROR(Generator::compile(path, folder / "other"), "this model is compiled already");
  std::filesystem::copy(test::data_path("gated.json"), folder / "model.json");
  CHECK_ERROR(Generator::compile(folder / "model.json", folder / "./model.json"),
              "would be replaced by what is compiled from it");
  CHECK_EQ(read_bytes(folder / "model.json"), test::read_text("gated.json"));
  CHECK_EQ(folder.n_files(), std::size_t{3});
}

// Wherever it is cut, and whichever byte is another: an error, and no shower.
TEST(cut_short_or_altered) {
  for (std::size_t size = 8; size < good().size(); size += size < 400 ? 1 : 97) {
    const std::string error = error_of(good().substr(0, size));
    if (error.find("it is cut short") == error.npos && error.find("is cut short:") == error.npos) {
      test::report(__FILE__, __LINE__, detail::text(size, " bytes: ", error));
    }
  }
  for (std::size_t at = 0; at < good().size(); at += at < 400 ? 1 : 7) {
    std::string bytes = good();
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    const std::string error = error_of(bytes);
    const bool right = at < checksum_at ? !error.empty() : error.find("is damaged: its checksum") != error.npos;
    if (!right) test::report(__FILE__, __LINE__, detail::text("byte ", at, ": ", error));
  }
}

// With a checksum that is right, damage is found all the same, or does no harm.
TEST(altered_on_purpose) {
  std::size_t refused = 0;
  std::size_t n = 0;
  for (std::size_t at = 104; at < good().size(); at += at % 3 + 1) {
    std::string bytes = good();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    ++n;
    const std::string error = error_of(repaired(bytes));
    if (error.empty()) continue;
    CHECK_EQ(error.substr(0, 6), std::string("file: "));
    ++refused;
  }
  CHECK(refused > n / 4);
}

TEST(other_kinds_of_file) {
  const Folder folder;
  const std::string path = folder / "model";
  write_bytes(path, good() + "x");
  CHECK_ERROR(Generator::load(path), "bytes, expected ");
  write_bytes(path, good().substr(0, 7));
  CHECK_ERROR(Generator::load(path), "not a model file: it does not begin with {");
  // A pipe has no size and cannot be mapped.
  const auto old = std::signal(SIGPIPE, SIG_IGN);  // the writer's, when reading ends early
  CHECK_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::thread writer([&] { write_bytes(folder / "pipe", good()); });
  CHECK_ERROR(Generator::load(folder / "pipe"), "not a model file");
  writer.join();
  std::signal(SIGPIPE, old);
}

// The table of malformed compiled models: what is done to the bytes of a good one, whether the
// checksum is then made right, and what must be said.
TEST(malformed_table) {
  std::uint64_t head = 0;
  std::memcpy(&head, good().data() + 104, sizeof head);
  const auto table = test::read_table("malformed_compiled.tsv");
  for (const std::vector<std::string>& row : table) {
    const std::string& what = row.at(0);
    const std::string& where = row.at(1);
    std::string bytes = good();
    if (what == "cut") {
      bytes.resize(std::stoul(where));
    } else if (what == "text") {
      const std::size_t found = bytes.find(where);
      if (found == bytes.npos) test::report(__FILE__, __LINE__, "not in the good file: " + where);
      bytes.replace(found, where.size(), row.at(2));
    } else {
      const bool in_plan = where.compare(0, 5, "plan+") == 0;
      const std::size_t at = in_plan ? 128 + head + std::stoul(where.substr(5)) : std::stoul(where);
      const std::uint64_t number = std::stoull(row.at(2), nullptr, 0);
      std::memcpy(bytes.data() + at, &number, what == "u32" ? 4 : 8);
    }
    if (row.at(3) == "right") bytes = repaired(bytes);
    const std::string error = error_of(bytes);
    if (error.find(row.at(4)) == error.npos) {
      test::report(__FILE__, __LINE__,
                   what + " " + where + ": error is \"" + error + "\", expected \"" + row.at(4) + "\"");
    }
  }
  CHECK(table.size() > 40);
}

// Loading, compiling and generating in several threads at once; run with the thread sanitizer too.
TEST(threads_load_and_compile) {
  const Folder folder;
  const std::string path = folder / "model.calogan";
  Generator::compile(test::data_path("cells.json"), path);
  const auto shared = Generator::load(path);
  const auto expected = showers(shared, 40);
  std::vector<std::thread> threads;
  std::vector<std::string> errors(4);
  for (std::size_t t = 0; t < errors.size(); ++t) {
    threads.emplace_back([&, t] {
      errors[t] = test::error_of([&] {
        for (int i = 0; i < 3; ++i) {
          const auto json = Generator::load(test::data_path("cells.json"));
          if (t % 2 == 0) Generator::compile(test::data_path("cells.json"), path);
          const auto compiled = Generator::load(path);
          for (const Generator& generator : {shared, json, compiled}) {
            if (showers(generator, 40) != expected) throw calogan::Error("other showers");
          }
        }
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& error : errors) CHECK_EQ(error, std::string());
  CHECK_EQ(folder.n_files(), std::size_t{1});
}

// Values of the reference implementation.
TEST(checksums) {
  CHECK_EQ(detail::xxh64(""), std::uint64_t{0xEF46DB3751D8E999});
  CHECK_EQ(detail::xxh64("a"), std::uint64_t{0xD24EC4F1A98C6E5B});
  CHECK_EQ(detail::xxh64("abc"), std::uint64_t{0x44BC2CF5AD770999});
  CHECK_EQ(detail::xxh64("Nobody inspects the spammish repetition"),
           std::uint64_t{0xFBCEA83C8A378BF1});
  CHECK_EQ(detail::sha256(""),
           std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK_EQ(detail::sha256("abc"),
           std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  CHECK_EQ(detail::sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           std::string("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
  CHECK_EQ(detail::sha256(std::string(1'000'000, 'a')),
           std::string("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}
