#include <calogan/bundle.hpp>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <limits>
#include <thread>

#include "check.hpp"
#include "file.hpp"

using calogan::Bundle;
using calogan::Generator;

namespace {

namespace fs = std::filesystem;

// A folder of the system's that is removed at the end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(fs::temp_directory_path() /
              calogan::detail::text("calogan-", name, "-", static_cast<long long>(::getpid()))) {
    fs::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }

  std::string path() const { return path_.string(); }
  void index(const std::string& json) const {
    calogan::detail::write_file(path() + "/bundle.json", {json});
  }
  void model(const std::string& from, const std::string& as) const {
    fs::copy_file(test::data_path(from), path_ / as);
  }

 private:
  fs::path path_;
};

std::string index_of(const std::string& members, const std::string& conditions = R"(
    {"name": "energy", "unit": "GeV", "scale": "log"},
    {"name": "theta", "unit": "rad", "scale": "linear"},
    {"name": "particle", "unit": "", "scale": "linear"})") {
  return R"({"calogan_bundle": 1, "name": "pair", "conditions": [)" + conditions +
         R"(], "members": [)" + members + "]}";
}

// Photons by two members, which share 6 to 8 GeV; electrons by one, with other cells.
Bundle pair() { return Bundle::open(CALOGAN_TEST_DATA); }

}  // namespace

TEST(a_bundle_is_opened_without_its_members) {
  const Folder folder("index");
  folder.index(test::read_text("bundle.json"));  // and no model beside it
  const Bundle bundle = Bundle::open(folder.path());
  CHECK_EQ(bundle.name(), std::string("pair"));
  CHECK_EQ(bundle.size(), std::size_t{3});
  CHECK_EQ(bundle.n_loaded(), std::size_t{0});
  CHECK_EQ(bundle.member_name(2), std::string("electrons"));
  CHECK_EQ(bundle.conditions().size(), std::size_t{3});
  CHECK_EQ(bundle.conditions()[0].low, 1.0);
  CHECK_EQ(bundle.conditions()[0].high, 50.0);
  CHECK(bundle.conditions()[0].logarithmic);
  CHECK_EQ(bundle.conditions()[2].low, 11.0);
  CHECK_EQ(bundle.conditions()[2].high, 22.0);
  CHECK_EQ(bundle.choose({3.0, 0.1, 11}, 1, 0), std::size_t{2});
  CHECK_ERROR(bundle.generator(0), "cannot open " + folder.path() + "/gated.json");
  CHECK_ERROR(bundle.generator(0), "cannot open ");  // every time
  CHECK_ERROR(bundle.generator(3), "has 3 members, was asked for number 3");
  CHECK_ERROR(bundle.member_name(3), "was asked for number 3");
}

TEST(a_bundle_makes_its_members_showers) {
  const Bundle bundle = pair();
  const Generator alone = Generator::load(test::data_path("gated.json"));
  const Generator electrons = Generator::load(test::data_path("cells.json"));
  std::vector<float> found;
  std::vector<float> wanted(alone.n_voxels());
  for (std::uint64_t event = 0; event < 20; ++event) {
    CHECK_EQ(bundle.generate({3.0, 0.1, 22}, 5, event, found), std::size_t{0});
    alone.generate({3.0, 0.1}, 5, event, wanted.data());
    CHECK(found == wanted);
  }
  CHECK_EQ(bundle.n_loaded(), std::size_t{1});
  wanted.resize(electrons.n_voxels());
  CHECK_EQ(bundle.generate({3.0, 0.1, 11}, 5, 7, found), std::size_t{2});
  electrons.generate({3.0, 0.1}, 5, 7, wanted.data());
  CHECK(found == wanted);
  CHECK_EQ(bundle.n_loaded(), std::size_t{2});
  double taken[2] = {0, 0};
  bundle.member_conditions(2, {3.0, 0.1, 11}, taken);
  CHECK(taken[0] == 3.0 && taken[1] == 0.1);
  CHECK_ERROR(bundle.member_conditions(2, {3.0}, taken), "got 1 condition values, expected 3");
}

TEST(neighbours_hand_over_smoothly) {
  const Bundle bundle = pair();
  constexpr int n = 4000;
  const auto part = [&](double energy) {
    int high = 0;
    for (std::uint64_t event = 0; event < n; ++event) {
      const std::size_t member = bundle.choose({energy, 0.1, 22}, 3, event);
      CHECK(member < 2);
      high += member == 1 ? 1 : 0;
      CHECK_EQ(bundle.choose({energy, 0.1, 22}, 3, event), member);
    }
    return static_cast<double>(high) / n;
  };
  CHECK_EQ(part(6.0), 0.0);
  CHECK_EQ(part(8.0), 1.0);
  for (const double t : {0.1, 0.25, 0.5, 0.9}) {
    const double wanted = t * t * (3 - 2 * t);
    CHECK_CLOSE(part(6.0 * std::pow(8.0 / 6.0, t)), wanted,
                4 * std::sqrt(wanted * (1 - wanted) / n));
  }
  int same = 0;
  for (std::uint64_t event = 0; event < n; ++event) {
    same += bundle.choose({7.0, 0.1, 22}, 3, event) == bundle.choose({7.0, 0.1, 22}, 4, event);
  }
  CHECK(same > n / 4 && same < 3 * n / 4);  // another seed draws others
}

TEST(what_a_bundle_does_not_cover) {
  const Bundle bundle = pair();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_ERROR(bundle.choose({120.0, 0.1, 22}, 1, 0),
              "bundle pair has no member for energy 120 GeV, theta 0.1 rad, particle 22; covered, "
              "all else as asked, is energy 1..50 GeV");
  CHECK_ERROR(bundle.choose({30.0, 0.1, 11}, 1, 0),
              "is energy 1..20 GeV, or particle 22");
  CHECK_ERROR(bundle.choose({3.0, 0.1, 13}, 1, 0), "is particle 11, 22");
  CHECK_ERROR(bundle.choose({120.0, 0.9, 13}, 1, 0),
              "its members cover energy 1..50 GeV, theta 0..0.35 rad, particle 11, 22, not all");
  CHECK_ERROR(bundle.choose({3.0, 0.1}, 1, 0),
              "got 2 condition values, expected 3 (energy, theta, particle)");
  CHECK_ERROR(bundle.choose({nan, 0.1, 22}, 1, 0), "energy is nan, expected a finite number");
  CHECK_ERROR(bundle.choose({-1.0, 0.1, 22}, 1, 0), "energy is -1 GeV, expected more than 0");
  // A range's end that went through single precision is inside, as for a generator.
  CHECK_EQ(bundle.choose({50.005, static_cast<double>(0.35f), 22}, 1, 0), std::size_t{1});
  CHECK_ERROR(bundle.choose({50.02, 0.1, 22}, 1, 0), "no member for energy 50.02 GeV");
  const Folder folder("tag");
  folder.index(index_of(R"({"name": "a", "file": "a.json", "weights_sha256": "", "ranges":
    {"energy": [1, 1, 2, 2], "theta": [0.2, 0.2, 0.2, 0.2], "particle": [22, 22, 22, 22]}})"));
  const Bundle at_a_value = Bundle::open(folder.path());
  CHECK_EQ(at_a_value.choose({1.5, static_cast<double>(0.2f), 22}, 1, 0), std::size_t{0});
  CHECK_ERROR(at_a_value.choose({1.5, 0.20001, 22}, 1, 0), "no member for ");
}

TEST(a_member_without_a_range_takes_all) {
  const Folder folder("all");
  folder.index(index_of(R"({"name": "a", "file": "a.json", "weights_sha256": "",
    "ranges": {"energy": [1, 1, 50, 50], "theta": [0, 0, 0.35, 0.35]}},
    {"name": "b", "file": "b.json", "weights_sha256": "", "ranges": {"energy": [50, 50, 60, 60],
    "theta": [0, 0, 0.35, 0.35], "particle": [22, 22, 22, 22]}})"));
  const Bundle bundle = Bundle::open(folder.path());
  CHECK_EQ(bundle.choose({3.0, 0.1, -211}, 1, 0), std::size_t{0});
  CHECK_EQ(bundle.choose({55.0, 0.1, 22}, 1, 0), std::size_t{1});
  CHECK(bundle.choose({50.0, 0.1, 22}, 1, 0) < 2);  // ranges that only touch
}

TEST(an_index_that_is_wrong) {
  const Folder folder("wrong");
  const auto error = [&](const std::string& json) {
    folder.index(json);
    return test::error_of([&] { Bundle::open(folder.path()); });
  };
  const auto says = [&](const std::string& json, const char* wanted) {
    const std::string found = error(json);
    if (found.find(wanted) == found.npos) test::report(__FILE__, __LINE__, found);
  };
  CHECK_ERROR(Bundle::open(folder.path() + "/none"), "cannot open ");
  says("{}", "bundle.json: no field calogan_bundle");
  says(R"({"calogan_bundle": 2})", "schema version 2, this runner reads 1");
  says(index_of(""), "the bundle has no members");
  const auto member = [](const std::string& file, const std::string& energy) {
    return index_of(R"({"name": "a", "file": ")" + file + R"(", "weights_sha256": "", "ranges": {)" +
                        energy + "}}",
                    R"({"name": "energy", "unit": "GeV", "scale": "log"})");
  };
  says(member("../a.json", R"("energy": [1, 1, 2, 2])"),
       "members[0].file is \"../a.json\", expected the name of a file in the bundle's folder");
  says(member(R"(..\u0000a.json)", R"("energy": [1, 1, 2, 2])"), "expected the name of a file in");
  says(member("a.json", R"("energy": [1, 1, 2, 2], "Energy": [1, 1, 2, 2])"),
       "members[0].ranges has a range of Energy, which is no condition");
  const std::string one = R"({"name": "a", "file": "a", "weights_sha256": "", "ranges": {}})";
  says(index_of(one + "," + one), "members[1] has the name of another, \"a\"");
  says(index_of(R"({"name": "a", "file": "a", "weights_sha256": "", "ranges":
    {"theta": [-1e308, -1e308, 1e308, 1e308]}})"), "wider than numbers go");
  says(member("a.json", R"("energy": [1, 2, 2])"), "ranges.energy is [1,2,2], expected four numbers");
  says(member("a.json", R"("energy": [1, 0.5, 2, 4])"), "expected the two in the middle to be within the first");
  says(member("a.json", R"("energy": [0, 1, 2, 2])"), "begins with 0, but the scale is logarithmic");
  says(member("a.json", ""), "no member has a range of energy");
  says(index_of("", R"({"name": "energy", "unit": "GeV", "scale": "cubic"})"),
       "conditions[0].scale is \"cubic\", expected \"log\" or \"linear\"");
  says(index_of("", R"({"name": "e", "unit": "", "scale": "log"},
                       {"name": "e", "unit": "", "scale": "log"})"),
       "conditions[1] has the name of another, \"e\"");
}

TEST(a_member_that_is_not_the_one_bundled) {
  const Folder folder("swapped");
  folder.model("gated.json", "a.json");
  folder.index(index_of(R"({"name": "a", "file": "a.json", "weights_sha256": "abc", "ranges":
    {"energy": [1, 1, 2, 2], "theta": [0, 0, 1, 1], "particle": [22, 22, 22, 22]}})"));
  CHECK_ERROR(Bundle::open(folder.path()).generator(0), "not the generator that was bundled");
  folder.index(index_of(R"({"name": "a", "file": "a.json", "weights_sha256": "", "ranges":
    {"energy": [1, 1, 2, 2]}})", R"({"name": "energy", "unit": "GeV", "scale": "log"})"));
  CHECK_ERROR(Bundle::open(folder.path()).generator(0),
              "the generator takes theta in rad, which is no condition of ");
}

// Each member is loaded once, whoever comes first; the thread sanitizer looks on.
TEST(threads_load_members_together) {
  const Bundle bundle = pair();
  constexpr std::size_t n_threads = 4;
  std::atomic<std::size_t> ready{0};
  std::vector<std::vector<float>> found(n_threads);
  std::vector<const Generator*> addresses(3 * n_threads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < n_threads; ++t) {
    threads.emplace_back([&, t, copy = bundle] {
      ++ready;
      while (ready < n_threads) std::this_thread::yield();  // all at once
      std::vector<float> energies;
      for (std::uint64_t event = 0; event < 30; ++event) {
        copy.generate({7.0, 0.1, event % 3 == 0 ? 11.0 : 22.0}, 1, event, energies);
        found[t].insert(found[t].end(), energies.begin(), energies.end());
      }
      for (std::size_t member = 0; member < 3; ++member) {
        addresses[3 * t + member] = &copy.generator(member);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(bundle.n_loaded(), std::size_t{3});
  for (std::size_t t = 1; t < n_threads; ++t) {
    CHECK(found[t] == found[0]);
    for (std::size_t member = 0; member < 3; ++member) {
      CHECK(addresses[3 * t + member] == addresses[member]);
    }
  }
}

// All that wait for a load which fails are told so, and once the file is there it is loaded.
TEST(threads_whose_load_fails) {
  const Folder folder("late");
  folder.index(test::read_text("bundle.json"));
  const Bundle bundle = Bundle::open(folder.path());
  constexpr std::size_t n_threads = 4;
  std::atomic<std::size_t> ready{0};
  std::atomic<std::size_t> failed{0};
  const auto all = [&](bool there) {
    ready = failed = 0;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < n_threads; ++t) {
      threads.emplace_back([&] {
        ++ready;
        while (ready < n_threads) std::this_thread::yield();
        if (!test::error_of([&] { bundle.generator(0); }).empty()) ++failed;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(failed.load(), there ? std::size_t{0} : n_threads);
    CHECK_EQ(bundle.n_loaded(), std::size_t{there ? 1u : 0u});
  };
  all(false);
  folder.model("gated.json", "gated.json");
  all(true);
}
