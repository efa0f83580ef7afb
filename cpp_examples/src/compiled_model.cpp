#include "compiled_model.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <utility>
#include <vector>

#include "file.hpp"
#include "limits.hpp"
#include "text.hpp"
#include "xxh64.hpp"

namespace calogan::detail {

namespace {

constexpr std::array<char, 8> magic = {'\x89', 'c', 'a', 'l', 'o', 'g', 'a', 'n'};
constexpr std::uint32_t byte_order_mark = 0x01020304;
constexpr std::uint32_t other_byte_order_mark = 0x04030201;
constexpr std::uint32_t format_version = 1;

struct Header {
  std::array<char, 8> magic;
  std::uint32_t byte_order;
  std::uint32_t version;  // of this format
  std::uint32_t layout;   // packed_layout_version
  std::uint32_t storage;
  std::uint64_t file_size;
  std::uint64_t checksum;  // of all that follows this field
  std::array<char, 64> json_sha256;
  std::uint64_t head_size;
  std::uint64_t plan_size;
  std::uint64_t unused;
};
static_assert(sizeof(Header) == 128, "the header has no holes");
constexpr std::size_t checked_from = offsetof(Header, json_sha256);

std::size_t aligned(std::size_t n) {
  return (n + packed_alignment - 1) / packed_alignment * packed_alignment;
}

// The functions visit() name the parts of a plan in their order, and do so to write it (with a Writer)
// as to read it (with a Reader). Each number has four or eight bytes; lists begin with their length.

class Writer {
 public:
  void number(std::size_t value) {
    const std::uint64_t written = value;
    append(&written, sizeof written);
  }
  void number(float value) { append(&value, sizeof value); }

  template <class Enum>
  void choice(Enum value, Enum) {
    number(static_cast<std::size_t>(value));
  }

  void numbers(const std::vector<float>& values) {
    number(values.size());
    append(values.data(), values.size() * sizeof(float));
  }

  template <class Item>
  void list(std::vector<Item>& items, std::size_t) {
    number(items.size());
    for (Item& item : items) visit(*this, item);
  }

  void embeddings(const std::shared_ptr<const std::vector<Embedding>>& embeddings) {
    number(embeddings ? embeddings->size() : 0);
    if (!embeddings) return;
    for (const Embedding& embedding : *embeddings) {
      numbers(embedding.weights);
      number(embedding.index);
      number(embedding.outputs);
    }
  }

  void matrices(const std::shared_ptr<const std::vector<PackedMatrix>>& matrices) {
    number(matrices ? matrices->size() : 0);
    if (!matrices) return;
    for (const PackedMatrix& matrix : *matrices) {
      number(static_cast<std::size_t>(matrix.storage));
      number(matrix.rows);
      number(matrix.inputs);
      number(place(matrix.panels, matrix.panels_size()));
      number(place(matrix.bias, matrix.bias_size()));
    }
  }

  const std::string& bytes() const { return bytes_; }

  // The blocks that follow the plan, each at the next multiple of packed_alignment.
  const std::vector<std::string_view>& weights() const { return weights_; }
  std::size_t weights_size() const { return weights_size_; }

 private:
  void append(const void* data, std::size_t size) {
    if (size > 0) bytes_.append(static_cast<const char*>(data), size);
  }

  // Weights that steps share are written once.
  std::size_t place(const void* data, std::size_t size) {
    const auto [entry, is_new] = places_.emplace(data, weights_size_);
    if (is_new) {
      weights_.emplace_back(static_cast<const char*>(data), size);
      weights_size_ += aligned(size);
    }
    return entry->second;
  }

  std::string bytes_;
  std::map<const void*, std::size_t> places_;
  std::vector<std::string_view> weights_;
  std::size_t weights_size_ = 0;
};

class Reader {
 public:
  Reader(std::string_view plan, std::string_view weights, std::shared_ptr<const void> owner,
         const std::string& source)
      : plan_(plan), weights_(weights), owner_(std::move(owner)), source_(source) {}

  void number(std::size_t& value) {
    std::uint64_t read = 0;
    take(&read, sizeof read);
    value = static_cast<std::size_t>(read);
    if (value != read) damaged("a number is too large");
  }

  void number(float& value) { take(&value, sizeof value); }

  template <class Enum>
  void choice(Enum& value, Enum last) {
    std::size_t read = 0;
    number(read);
    if (read > static_cast<std::size_t>(last)) damaged("a choice that does not exist");
    value = static_cast<Enum>(read);
  }

  void numbers(std::vector<float>& values) {
    values.resize(count(sizeof(float)));
    take(values.data(), values.size() * sizeof(float));
  }

  // An item takes at least `least_bytes`, so a list longer than the file is refused before memory is
  // taken for it.
  template <class Item>
  void list(std::vector<Item>& items, std::size_t least_bytes) {
    items.resize(count(least_bytes));
    for (Item& item : items) visit(*this, item);
  }

  void embeddings(std::shared_ptr<const std::vector<Embedding>>& embeddings) {
    std::vector<Embedding> out(count(3 * sizeof(std::uint64_t)));
    for (Embedding& embedding : out) {
      numbers(embedding.weights);
      number(embedding.index);
      number(embedding.outputs);
    }
    if (!out.empty()) embeddings = std::make_shared<const std::vector<Embedding>>(std::move(out));
  }

  void matrices(std::shared_ptr<const std::vector<PackedMatrix>>& matrices) {
    std::vector<PackedMatrix> out(count(5 * sizeof(std::uint64_t)));
    for (PackedMatrix& matrix : out) {
      choice(matrix.storage, Storage::int8);
      number(matrix.rows);
      number(matrix.inputs);
      if (matrix.rows == 0 || matrix.rows > max_width || matrix.inputs == 0 ||
          matrix.inputs > max_width) {
        damaged("a matrix has ", matrix.rows, " rows and ", matrix.inputs, " columns");
      }
      matrix.panel_bytes = packed_panel_bytes(matrix.storage, matrix.inputs);
      matrix.panels = reinterpret_cast<const unsigned char*>(place(matrix.panels_size()));
      matrix.bias = reinterpret_cast<const float*>(place(matrix.bias_size()));
      matrix.owner = owner_;
    }
    if (!out.empty()) {
      matrices = std::make_shared<const std::vector<PackedMatrix>>(std::move(out));
    }
  }

  void finish() const {
    if (!plan_.empty()) damaged(plan_.size(), " bytes are left over");
  }

 private:
  template <class... Parts>
  [[noreturn]] void damaged(const Parts&... parts) const {
    fail(source_, ": the plan of the compiled model is damaged: ", parts...);
  }

  void take(void* out, std::size_t size) {
    if (size > plan_.size()) damaged("it ends too early");
    if (size > 0) std::memcpy(out, plan_.data(), size);
    plan_.remove_prefix(size);
  }

  std::size_t count(std::size_t least_bytes) {
    std::size_t n = 0;
    number(n);
    if (n > plan_.size() / least_bytes) damaged("a list is longer than the file");
    return n;
  }

  const char* place(std::size_t size) {
    std::size_t first = 0;
    number(first);
    if (first % packed_alignment != 0 || first > weights_.size() ||
        size > weights_.size() - first) {
      damaged("weights outside the file");
    }
    return weights_.data() + first;
  }

  std::string_view plan_;
  std::string_view weights_;
  std::shared_ptr<const void> owner_;
  const std::string& source_;
};

constexpr std::size_t view_bytes = 4 * sizeof(std::uint64_t);
constexpr std::size_t step_bytes = 3 * view_bytes + 7 * sizeof(std::uint64_t);

template <class Archive>
void visit(Archive& archive, Plan::View& view) {
  archive.number(view.offset);
  archive.number(view.stride);
  archive.number(view.first);
  archive.number(view.rows);
}

template <class Archive>
void visit(Archive& archive, Plan::Step& step) {
  archive.choice(step.type, Plan::Step::Type::embedding);
  visit(archive, step.in);
  visit(archive, step.out);
  visit(archive, step.scratch);
  archive.choice(step.activation.function, Function::abs);
  archive.number(step.activation.alpha);
  archive.matrices(step.matrices);
  archive.numbers(step.scale);
  archive.numbers(step.shift);
  archive.embeddings(step.embeddings);
  archive.number(step.gate_row);
  archive.number(step.gate_weight);
  archive.number(step.gate_bias);
}

template <class Archive>
void visit(Archive& archive, Plan& plan) {
  archive.list(plan.steps, step_bytes);
  archive.list(plan.inputs, view_bytes);
  visit(archive, plan.output);
  archive.number(plan.floats_per_shower);
}

std::string_view bytes_of(const Header& header) {
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

Header check_header(std::string_view bytes, const std::string& source) {
  const std::string again = "; compile it again from its JSON";
  if (!is_compiled(bytes)) fail(source, ": not a compiled model");
  if (bytes.size() < sizeof(Header)) {
    fail(source, ": the compiled model is cut short: ", bytes.size(), " bytes, its header has ",
         sizeof(Header), again);
  }
  Header header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.byte_order == other_byte_order_mark) {
    fail(source, ": compiled on a machine of another byte order", again, " here");
  }
  if (header.byte_order != byte_order_mark) {
    fail(source, ": the header of the compiled model is damaged", again);
  }
  if (header.version != format_version) {
    fail(source, ": a compiled model of format ", header.version, ", this runner reads ",
         format_version, again, header.version > format_version ? " or update the runner" : "");
  }
  if (header.layout != packed_layout_version) {
    fail(source, ": compiled for weights in layout ", header.layout, ", this runner has layout ",
         packed_layout_version, again);
  }
  if (header.storage > static_cast<std::uint32_t>(Storage::int8)) {
    fail(source, ": weights in format ", header.storage, ", this runner knows formats 0 to ",
         static_cast<std::uint32_t>(Storage::int8), again, " or update the runner");
  }
  if (header.file_size != bytes.size()) {
    fail(source, ": the compiled model has ", bytes.size(), " bytes, expected ", header.file_size,
         header.file_size > bytes.size() ? ": it is cut short" : "", again);
  }
  if (header.checksum != xxh64(bytes.substr(checked_from))) {
    fail(source, ": the compiled model is damaged: its checksum is not the one in its header",
         again);
  }
  const std::size_t after = bytes.size() - sizeof(Header);
  if (header.head_size > after || header.plan_size > after - header.head_size ||
      aligned(sizeof(Header) + header.head_size + header.plan_size) > bytes.size()) {
    fail(source, ": the parts of the compiled model do not fit in its ", bytes.size(), " bytes",
         again);
  }
  return header;
}

// Throws unless the plan is one for this model.
void check_pair(const ModelFile& file, const Plan& plan, const std::string& source) {
  if (plan.inputs.size() != file.graph.inputs.size()) {
    fail(source, ": the plan of the compiled model has ", plan.inputs.size(),
         " inputs, its head has ", file.graph.inputs.size());
  }
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    if (plan.inputs[i].rows != file.graph.inputs[i].variables.size()) {
      fail(source, ": input ", i, " has ", plan.inputs[i].rows,
           " values in the plan of the compiled model, ", file.graph.inputs[i].variables.size(),
           " in its head");
    }
  }
  if (plan.output.rows != file.graph.labels.size()) {
    fail(source, ": the plan of the compiled model has ", plan.output.rows,
         " outputs, its head has ", file.graph.labels.size(), " labels");
  }
}

}  // namespace

bool is_compiled(std::string_view bytes) {
  return bytes.substr(0, magic.size()) == std::string_view(magic.data(), magic.size());
}

CompiledModel read_compiled(std::string_view bytes, std::shared_ptr<const void> owner,
                            const std::string& source) {
  const Header header = check_header(bytes, source);
  CompiledModel model;
  model.storage = static_cast<Storage>(header.storage);
  model.json_sha256.assign(header.json_sha256.begin(), header.json_sha256.end());
  bytes.remove_prefix(sizeof(Header));
  const std::string_view head = bytes.substr(0, header.head_size);
  const std::string_view plan = bytes.substr(header.head_size, header.plan_size);
  const std::string_view weights =
      bytes.substr(aligned(sizeof(Header) + head.size() + plan.size()) - sizeof(Header));
  model.file = parse_head(head, source);
  Reader reader(plan, weights, std::move(owner), source);
  visit(reader, model.plan);
  reader.finish();
  check_pair(model.file, model.plan, source);
  return model;
}

CompiledModel copy_compiled(std::string_view bytes, const std::string& source) {
  constexpr std::align_val_t alignment{packed_alignment};
  const std::shared_ptr<void> memory(::operator new(bytes.size(), alignment),
                                     [](void* p) { ::operator delete(p, alignment); });
  std::memcpy(memory.get(), bytes.data(), bytes.size());
  return read_compiled({static_cast<const char*>(memory.get()), bytes.size()}, memory, source);
}

std::optional<CompiledModel> open_compiled(const File& file) {
  if (!is_compiled(file.peek(magic.size()))) return std::nullopt;
  const auto mapping = std::make_shared<const Mapping>(file);
  return read_compiled(mapping->bytes(), mapping, file.path());
}

void write_compiled(const std::string& path, const Origin& origin, const Plan& plan,
                    Storage storage) {
  Writer writer;
  Plan copy = plan;
  visit(writer, copy);
  const std::size_t before = sizeof(Header) + origin.head.size() + writer.bytes().size();
  const std::string padding(packed_alignment, '\0');

  std::vector<std::string_view> parts = {origin.head, writer.bytes()};
  const auto pad = [&](std::size_t after) {
    parts.push_back(std::string_view(padding).substr(0, aligned(after) - after));
  };
  pad(before);
  for (const std::string_view block : writer.weights()) {
    parts.push_back(block);
    pad(block.size());
  }

  Header header{};
  header.magic = magic;
  header.byte_order = byte_order_mark;
  header.version = format_version;
  header.layout = packed_layout_version;
  header.storage = static_cast<std::uint32_t>(storage);
  header.file_size = aligned(before) + writer.weights_size();
  origin.sha256.copy(header.json_sha256.data(), header.json_sha256.size());
  header.head_size = origin.head.size();
  header.plan_size = writer.bytes().size();
  Xxh64 checksum;
  checksum.add(bytes_of(header).substr(checked_from));
  for (const std::string_view part : parts) checksum.add(part);
  header.checksum = checksum.value();
  parts.insert(parts.begin(), bytes_of(header));
  write_file(path, parts);
}

}  // namespace calogan::detail
