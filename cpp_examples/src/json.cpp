#include "json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

namespace calogan::detail {

namespace {

namespace dom = simdjson::dom;

constexpr std::size_t max_depth = 64;

std::string_view type_name(dom::element_type type) {
  switch (type) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "true or false";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Fields

std::string Field::path() const {
  if (parent_ == nullptr) return {};
  std::string out = parent_->path();
  if (key_.data() == nullptr) return text(out, "[", index_, "]");
  if (!out.empty()) out += '.';
  return out += key_;
}

void Field::expected(std::string_view what) const {
  fail("field ", path(), " is ", type_name(value_.type()), ", expected ", what);
}

std::string_view Field::string() const {
  std::string_view out;
  if (value_.get(out) != simdjson::SUCCESS) expected("a string");
  return out;
}

double Field::number() const {
  double out = 0;
  if (value_.get(out) != simdjson::SUCCESS) expected("a number");
  return out;
}

std::size_t Field::count() const {
  std::int64_t out = 0;
  if (value_.get(out) != simdjson::SUCCESS) expected("a whole number");
  if (out < 0) fail("field ", path(), " is ", out, ", expected 0 or more");
  return static_cast<std::size_t>(out);
}

template <class Number>
std::vector<Number> Field::numbers() const {
  const dom::array values = array();
  std::vector<Number> out;
  out.reserve(values.size());
  for (const dom::element value : values) {
    double number = 0;
    if (value.get(number) != simdjson::SUCCESS) {
      fail("field ", path(), "[", out.size(), "] is ", type_name(value.type()),
           ", expected a number");
    }
    if (!(std::abs(number) <= static_cast<double>(std::numeric_limits<Number>::max()))) {
      fail("field ", path(), "[", out.size(), "] is ", number,
           ", which is not finite in single precision");
    }
    out.push_back(static_cast<Number>(number));
  }
  return out;
}

template std::vector<float> Field::numbers<float>() const;
template std::vector<double> Field::numbers<double>() const;

bool Field::has(std::string_view key) const {
  dom::element unused;
  return object().at_key(key).get(unused) == simdjson::SUCCESS;
}

std::vector<std::string_view> Field::keys() const {
  std::vector<std::string_view> out;
  for (const dom::key_value_pair child : object()) out.push_back(child.key);
  return out;
}

Field Field::operator[](std::string_view key) const {
  dom::element child;
  if (object().at_key(key).get(child) != simdjson::SUCCESS) {
    if (parent_ == nullptr) fail("no field ", key);
    fail("no field ", path(), ".", key);
  }
  Field field(child, *source_);
  field.parent_ = this;
  field.key_ = key;
  return field;
}

// simdjson's count stops at 2^24 - 1, far above the limits here.
void Field::at_most(std::size_t limit) const {
  if (size() > limit) fail("field ", path(), " has ", size(), " entries, more than ", limit);
}

dom::object Field::object() const {
  dom::object out;
  if (value_.get(out) != simdjson::SUCCESS) {
    if (parent_ == nullptr) fail("the document is ", type_name(value_.type()), ", expected an object");
    expected("an object");
  }
  return out;
}

dom::array Field::array() const {
  dom::array out;
  if (value_.get(out) != simdjson::SUCCESS) expected("an array");
  return out;
}

// ---------------------------------------------------------------------------------------------
// Documents

PaddedText read_padded(const File& file) {
  const std::string& path = file.path();
  PaddedText text;
  // The size of a file is only a first guess: a pipe has none. Reading goes on to the end.
  std::size_t capacity = 0;
  const auto grow = [&](std::size_t to) {
    // Not value-initialised: clearing the memory of a large file takes longer than reading it.
    std::unique_ptr<char[]> larger(new char[to + simdjson::SIMDJSON_PADDING]);
    if (text.size > 0) std::memcpy(larger.get(), text.bytes.get(), text.size);
    text.bytes = std::move(larger);
    capacity = to;
  };
  grow(std::min<std::size_t>(file.size() + 1, simdjson::SIMDJSON_MAXSIZE_BYTES));
  for (;;) {
    if (text.size == capacity) {
      if (capacity >= simdjson::SIMDJSON_MAXSIZE_BYTES) {
        fail(path, ": more than ", simdjson::SIMDJSON_MAXSIZE_BYTES, " bytes are too many to parse");
      }
      grow(std::min<std::size_t>(std::max<std::size_t>(2 * capacity, 1u << 20),
                                 simdjson::SIMDJSON_MAXSIZE_BYTES));
    }
    const std::size_t got = file.read(text.bytes.get() + text.size, capacity - text.size);
    if (got == 0) break;
    // What is no model at all need not be read to its end, which some devices do not have.
    constexpr std::string_view beginnings = "{ \t\r\n";
    if (text.size == 0 && beginnings.find(text.bytes[0]) == beginnings.npos) {
      fail(path, ": not a model file: it does not begin with {");
    }
    text.size += got;
  }
  if (text.size == 0) fail(path, ": the file is empty");
  return text;
}

Document::Document(const PaddedText& json, const std::string& source) : source_(source) {
  allocate(json.size);
  take(parser_.parse(json.bytes.get(), json.size, /*realloc_if_needed*/ false));
}

Document::Document(std::string_view json, const std::string& source) : source_(source) {
  allocate(json.size());
  take(parser_.parse(json.data(), json.size()));
}

void Document::allocate(std::size_t capacity) {
  if (capacity > simdjson::SIMDJSON_MAXSIZE_BYTES) {
    fail(source_, ": ", capacity, " bytes are too many to parse");
  }
  // The size and the depth are within simdjson's limits, so only memory can be lacking.
  if (parser_.allocate(capacity, max_depth)) throw std::bad_alloc();
}

void Document::take(const simdjson::simdjson_result<dom::element>& parsed) {
  const simdjson::error_code error = parsed.error();
  if (error == simdjson::N_ATOM_ERROR || error == simdjson::T_ATOM_ERROR ||
      error == simdjson::TAPE_ERROR || error == simdjson::NUMBER_ERROR) {
    fail(source_, ": not valid JSON (", simdjson::error_message(error),
         "); note that JSON has no NaN and no Infinity");
  }
  if (error != simdjson::SUCCESS) {
    fail(source_, ": not valid JSON (", simdjson::error_message(error), ")");
  }
  root_ = parsed.value_unsafe();
}

}  // namespace calogan::detail
