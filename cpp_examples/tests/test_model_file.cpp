// Broken files, each with the message it must give.
#include <calogan/runner.hpp>

#include <clocale>
#include <locale>

#include "check.hpp"

using calogan::Generator;
using calogan::detail::text;

namespace {

const std::string& good() {
  static const std::string json = test::read_text("gated.json");
  return json;
}

// A good file with the first `from` after `anchor` replaced.
std::string replaced(std::string json, const std::string& anchor, const std::string& from,
                     const std::string& to) {
  const std::size_t start = json.find(anchor);
  const std::size_t at = start == std::string::npos ? start : json.find(from, start);
  if (at == std::string::npos) {
    test::report(__FILE__, __LINE__, "the test's text is not in the good file: " + anchor + from);
    return json;
  }
  return json.replace(at, from.size(), to);
}

std::string with(const std::string& anchor, const std::string& from, const std::string& to) {
  return replaced(good(), anchor, from, to);
}

std::string with(const std::string& from, const std::string& to) { return with("", from, to); }

std::string error_of(const std::string& json) {
  return test::error_of([&] { Generator::parse(json, "file"); });
}

void expect(const std::string& json, const std::string& message) {
  const std::string error = error_of(json);
  if (error.find(message) == std::string::npos) {
    test::report(__FILE__, __LINE__, "error is \"" + error + "\", expected \"" + message + "\"");
  }
}

}  // namespace

TEST(the_good_file_loads) { CHECK_EQ(error_of(good()), std::string()); }

TEST(files_that_are_not_there) {
  CHECK_ERROR(Generator::load("/nowhere/model.json"), "cannot open /nowhere/model.json: No such file");
  CHECK_ERROR(Generator::load("/"), "cannot read /: Is a directory");
  CHECK_ERROR(Generator::load("/dev/null"), "/dev/null: the file is empty");
  // Without an end, but soon seen to be no model.
  CHECK_ERROR(Generator::load("/dev/zero"), "/dev/zero: not a model file");
  CHECK_ERROR(Generator::load("/proc/self/exe"), "not a model file: it does not begin with {");
}

TEST(not_json) {
  expect("", "file: not valid JSON");
  expect("nonsense", "file: not valid JSON");
  expect("[1, 2]", "file: the document is an array, expected an object");
  expect("3", "file: the document is a number, expected an object");
  for (const std::size_t part : {2, 3, 10, 100, 1000}) {
    expect(good().substr(0, good().size() / part), "file: not valid JSON");
  }
  expect(good() + "}", "file: not valid JSON");
  expect(std::string(100'000, '['), "file: not valid JSON");
  expect(good() + std::string(3, '\0'), "file: not valid JSON");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{\"a\":";
  deep += "1" + std::string(100, '}');
  expect(with("\"provenance\":{", "\"provenance\":{\"a\":" + deep + ","),
         "file: not valid JSON");
}

TEST(malformed_table) {
  const auto table = test::read_table("malformed_json.tsv");
  for (const std::vector<std::string>& row : table) {
    expect(replaced(test::read_text(row.at(0)), row.at(1), row.at(2), row.at(3)), row.at(4));
  }
  CHECK(table.size() > 100);
}

TEST(what_may_be_left_out_or_added) {
  CHECK_EQ(error_of(with("\"z\":[-240.0,-150.0]", "\"z\":null")), std::string());
  CHECK_EQ(error_of(test::read_text("cells.json")), std::string());
  const std::string provenance = "\"provenance\":{";
  const std::string hashes = provenance + "\"inputs_sha256\":[\"ab\",\"cd\"],";
  const auto generator = Generator::parse(replaced(with(provenance, hashes), "", "\"weights_sha256\":\"\"",
                                                   "\"weights_sha256\":\"12ef\""),
                                          "file");
  CHECK_EQ(generator.weights_sha256(), std::string("12ef"));
  CHECK((generator.inputs_sha256() == std::vector<std::string>{"ab", "cd"}));
}

// Numbers below the smallest normal one are numbers. Here they also keep a gate from being
// recognised as one, which then gives the same by all its products.
TEST(denormal_weights) {
  for (const char* tiny : {"1e-40", "-1.4e-45", "1e-46", "1e-320", "-0.0"}) {
    const std::string json =
        with("\"highway\"", "\"t\":{\"weights\":[0,", text("\"t\":{\"weights\":[", tiny, ","));
    CHECK_EQ(error_of(json), std::string());
  }
}

// A small file must not be able to ask for a lot of memory.
TEST(widths_are_limited) {
  std::string nodes = "{\"type\":\"concatenate\",\"sources\":[0,0]}";
  for (int i = 18; i < 60; ++i) {
    nodes += text(",{\"type\":\"concatenate\",\"sources\":[", i, ",", i, "]}");
  }
  expect(with("{\"type\":\"concatenate\",\"sources\":[12,16]}",
              "{\"type\":\"concatenate\",\"sources\":[12,16]}," + nodes),
         "elements, more than 16777216");
  // Each of them is within its limit, and none needs a place of its own.
  std::string wide = "{\"type\":\"concatenate\",\"sources\":[0,0]}";
  for (int i = 18; i < 60; ++i) {
    wide += i < 36 ? text(",{\"type\":\"concatenate\",\"sources\":[", i, ",", i, "]}")
                   : text(",{\"type\":\"add\",\"sources\":[", i, ",", i, "]}");
  }
  expect(with("{\"type\":\"concatenate\",\"sources\":[12,16]}",
              "{\"type\":\"concatenate\",\"sources\":[12,16]}," + wide),
         "the nodes have more than 33554432 elements together");
  // A few edges make many cells.
  std::string edges = "0";
  for (int i = 1; i <= 4000; ++i) edges += text(",", i);
  expect(with("\"x_edges\":[-240.0,0.0,240.0],\"y_edges\":[-240.0,-80.0,80.0,240.0]",
              "\"x_edges\":[" + edges + "],\"y_edges\":[" + edges + "]"),
         "the output has 28 labels, the geometry has 16000020 cells");
  std::string many = "{\"type\":\"input\",\"sources\":[0],\"size\":6}";
  for (int i = 0; i < 100'000; ++i) many += ",{\"type\":\"concatenate\",\"sources\":[0]}";
  expect(with("{\"type\":\"input\",\"sources\":[0],\"size\":6}", many),
         "field nodes has 100018 entries, more than 100000");
}

// Nor for a lot of time.
TEST(numbers_are_limited) {
  const auto repeated = [](const std::string& what, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += what;
    return out;
  };
  expect(with("\"inputs\":[", "\"inputs\":[" + repeated("{\"name\":\"a\",\"variables\":[]},", 9'999)),
         "field inputs has 10001 entries, more than 10000");
  const std::string condition =
      R"({"name":"energy","unit":"GeV","low":1.0,"high":50.0,"scale":"log"},)";
  expect(with(condition, repeated(condition, 100)),
         "field calogan.conditions.variables has 101 entries, more than 100");
  const std::string test = "\"self_test\":[";
  expect(with(test, test + repeated("{},", 98)),
         "field calogan.self_test has 101 entries, more than 100");
  expect(good().substr(0, good().find(test)) + "\"self_test\":[]}}", "field calogan.self_test is empty");
}

// A chain as long as is allowed must not exhaust the stack.
TEST(long_chains) {
  std::string chain;
  for (int i = 18; i < 90'000; ++i) {
    chain += text(",{\"type\":\"concatenate\",\"sources\":[", i - 1, "]}");
  }
  std::string json = with("{\"type\":\"concatenate\",\"sources\":[12,16]}",
                          "{\"type\":\"concatenate\",\"sources\":[12,16]}" + chain);
  const std::string old = "\"node_index\":17";
  json.replace(json.find(old), old.size(), "\"node_index\":89999");
  CHECK_EQ(error_of(json), std::string());
}

// A host program's locale with a decimal comma changes nothing.
TEST(locale) {
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  }
  CHECK_EQ(error_of(good()), std::string());
  expect(with("\"low\":1.0", "\"low\":1000.5"), "the range 1000.5..50 is not one");
  std::setlocale(LC_ALL, "C");
  std::locale::global(before);
}
