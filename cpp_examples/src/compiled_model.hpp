// Compiled models: one file that is mapped into memory and whose weights are used where they lie, by
// all processes that load it. In this order:
//
//   header    128 bytes, struct Header: what the file is, its size, a checksum of all that follows
//   head      the JSON of the model without its graph, checked like that of a JSON model
//   plan      the steps of the network, with the places of their weights
//   weights   panels and biases as the kernels read them, each beginning at a multiple of 64 bytes
//
// Numbers are as the machine that wrote the file has them; other machines refuse it. Whatever the
// bytes, nothing outside the file is read: the places of weights are checked here, the rest of the plan
// like any other plan (plan_check.cpp).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "file.hpp"
#include "model_file.hpp"
#include "plan.hpp"

namespace calogan::detail {

struct CompiledModel {
  ModelFile file;  // without a graph
  Plan plan;
  Storage storage;
  std::string json_sha256;
};

// Whether the bytes begin as a compiled model does.
bool is_compiled(std::string_view bytes);

// Throws Error naming `source`. The plan's weights point into `bytes`, which `owner` keeps, and which
// begin at a multiple of 64 bytes.
CompiledModel read_compiled(std::string_view bytes, std::shared_ptr<const void> owner,
                            const std::string& source);

// The same from a copy of the bytes, which need not stay.
CompiledModel copy_compiled(std::string_view bytes, const std::string& source);

// A compiled model in a file; none if the file is something else.
std::optional<CompiledModel> open_compiled(const File& file);

// Writes a file that read_compiled() takes.
void write_compiled(const std::string& path, const Origin& origin, const Plan& plan,
                    Storage storage);

}  // namespace calogan::detail
