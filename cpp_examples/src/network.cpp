#include "network.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "text.hpp"

namespace calogan::detail {

namespace {

// Copies a shower's elements to y. There, each embedding replaces one element, a category, by the
// numbers that stand for it.
void embed(const std::vector<Embedding>& embeddings, const float* x, std::size_t rows, float* y) {
  std::copy(x, x + rows, y);
  std::size_t width = rows;
  for (const Embedding& embedding : embeddings) {
    const std::size_t categories = embedding.weights.size() / embedding.outputs;
    const float value = y[embedding.index];
    if (!(value >= 0 && value < static_cast<float>(categories)) ||
        value != static_cast<float>(static_cast<std::size_t>(value))) {
      fail("embedding: the category is ", value, ", expected a whole number below ", categories);
    }
    const auto category = static_cast<std::size_t>(value);
    std::copy_backward(y + embedding.index + 1, y + width, y + width + embedding.outputs - 1);
    width += embedding.outputs - 1;
    for (std::size_t i = 0; i < embedding.outputs; ++i) {
      y[embedding.index + i] = embedding.weights[i * categories + category];
    }
  }
}

}  // namespace

Network::Network(Plan plan, const std::string& source, const Kernels& kernels)
    : kernels_(&kernels), plan_(std::move(plan)) {
  plan_.check(source);
  // What a matrix product reads should stay in the second-level cache, beside the weights in use.
  std::size_t widest = 1;
  for (const Step& step : plan_.steps) {
    if (step.matrices) widest = std::max(widest, step.in.rows);
  }
  constexpr std::size_t cache_floats = (std::size_t{512} << 10) / sizeof(float);
  constexpr std::size_t tile = 24;  // a multiple of every kernel's number of columns
  block_ = std::clamp(cache_floats / widest / tile * tile, tile, 8 * tile);
  // A large network gets fewer showers at once, so that a thread's workspace stays small.
  constexpr std::size_t workspace_floats = (std::size_t{64} << 20) / sizeof(float);
  const std::size_t fitting = workspace_floats / plan_.floats_per_shower;
  if (fitting < block_) block_ = std::max<std::size_t>(1, fitting / tile * tile);
}

Network::Columns Network::input(std::size_t number, float* workspace) const {
  return {at(plan_.inputs[number], workspace), plan_.inputs[number].stride};
}

Network::Columns Network::run(float* workspace, std::size_t n) const {
  for (const Step& step : plan_.steps) run(step, workspace, n);
  return {at(plan_.output, workspace), plan_.output.stride};
}

void Network::multiply(const PackedMatrix& matrix, const View& in, const View& out,
                       float* workspace, std::size_t n) const {
  kernels_->dense(matrix, at(in, workspace), in.stride, at(out, workspace), out.stride, n);
}

void Network::run(const Step& step, float* workspace, std::size_t n) const {
  const float* in = at(step.in, workspace);
  float* out = at(step.out, workspace);
  const std::size_t rows = step.out.rows;
  const auto activate = [&](const View& view) {
    kernels_->activate(step.activation, at(view, workspace), view.rows, view.stride, n);
  };

  switch (step.type) {
    case Step::Type::copy:
    case Step::Type::affine:
    case Step::Type::add: {
      const float* scale = step.scale.empty() ? nullptr : step.scale.data();
      const float* shift = step.shift.empty() ? nullptr : step.shift.data();
      if (in != out || scale != nullptr || shift != nullptr) {
        kernels_->affine(in, step.in.stride, scale, shift, step.type == Step::Type::add, out,
                         step.out.stride, rows, n);
      }
      activate(step.out);
      break;
    }
    case Step::Type::dense:
      multiply(step.matrices->front(), step.in, step.out, workspace, n);
      activate(step.out);
      break;
    case Step::Type::maxout:
      multiply(step.matrices->front(), step.in, step.out, workspace, n);
      for (std::size_t m = 1; m < step.matrices->size(); ++m) {
        multiply((*step.matrices)[m], step.in, step.scratch, workspace, n);
        const float* other = at(step.scratch, workspace);
        for (std::size_t c = 0; c < n; ++c) {
          const float* x = other + c * step.scratch.stride;
          float* y = out + c * step.out.stride;
          for (std::size_t i = 0; i < rows; ++i) y[i] = std::max(y[i], x[i]);
        }
      }
      break;
    case Step::Type::highway: {
      const bool transform = step.matrices->size() > 1;
      if (transform) {
        multiply((*step.matrices)[1], step.in, step.out, workspace, n);
        activate(step.out);
      }
      multiply((*step.matrices)[0], step.in, step.scratch, workspace, n);
      float* carry = at(step.scratch, workspace);
      kernels_->activate({Function::sigmoid, 0}, carry, rows, step.scratch.stride, n);
      for (std::size_t c = 0; c < n; ++c) {
        const float* gate = carry + c * step.scratch.stride;
        const float* x = in + c * step.in.stride;
        float* y = out + c * step.out.stride;
        for (std::size_t i = 0; i < rows; ++i) {
          y[i] = (transform ? gate[i] * y[i] : 0.0f) + (1.0f - gate[i]) * x[i];
        }
      }
      break;
    }
    case Step::Type::gate:
      kernels_->gate(in, step.in.stride, step.gate_row, step.gate_weight, step.gate_bias, out,
                     step.out.stride, rows, n);
      break;
    case Step::Type::embedding:
      for (std::size_t c = 0; c < n; ++c) {
        embed(*step.embeddings, in + c * step.in.stride, step.in.rows, out + c * step.out.stride);
      }
      break;
  }
}

}  // namespace calogan::detail
