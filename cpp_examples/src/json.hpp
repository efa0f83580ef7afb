// JSON with types that are checked: a field of the wrong type is an error that names the file and the
// path of the field, such as nodes[3].sources[0]. The only header that shows simdjson.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "file.hpp"
#include "text.hpp"

namespace calogan::detail {

// A value in a document that knows where it stands. It refers to the field that it was taken from,
// which has to outlive it. The path is put together only for an error.
class Field {
 public:
  Field(simdjson::dom::element value, const std::string& source) : value_(value), source_(&source) {}

  // An Error that begins with the name of the file.
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(*source_, ": ", parts...);
  }
  std::string path() const;

  bool is_null() const { return value_.is_null(); }
  bool is_object() const { return value_.is_object(); }

  std::string_view string() const;
  double number() const;
  std::size_t count() const;           // a whole number, 0 or more
  template <class Number>              // float or double
  std::vector<Number> numbers() const;  // an array of numbers that are finite as a Number

  // Of an object.
  bool has(std::string_view key) const;
  std::vector<std::string_view> keys() const;
  Field operator[](std::string_view key) const;

  // Of an array.
  std::size_t size() const { return array().size(); }
  void at_most(std::size_t limit) const;
  template <class F>
  void each(F f) const {  // calls f(Field) for each element
    std::size_t index = 0;
    for (const simdjson::dom::element child : array()) {
      Field field(child, *source_);
      field.parent_ = this;
      field.index_ = index++;
      f(field);
    }
  }

  // The value as JSON without spaces.
  std::string minified() const { return simdjson::minify(value_); }

 private:
  [[noreturn]] void expected(std::string_view what) const;
  simdjson::dom::object object() const;
  simdjson::dom::array array() const;

  simdjson::dom::element value_;
  const std::string* source_;
  const Field* parent_ = nullptr;
  std::string_view key_;  // in an object
  std::size_t index_ = 0;  // in an array
};

// All of a file, with room behind it: simdjson reads whole blocks, beyond the last byte too.
struct PaddedText {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
};

// Stops early at a file that cannot be a model: one that does not begin with {.
PaddedText read_padded(const File& file);

// A parsed document. It needs the text no longer, and outlives its fields.
class Document {
 public:
  Document(const PaddedText& json, const std::string& source);
  Document(std::string_view json, const std::string& source);
  Document(const Document&) = delete;  // the fields point into it
  Document& operator=(const Document&) = delete;

  Field root() const { return {root_, source_}; }

 private:
  void allocate(std::size_t capacity);
  void take(const simdjson::simdjson_result<simdjson::dom::element>& parsed);

  std::string source_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace calogan::detail
