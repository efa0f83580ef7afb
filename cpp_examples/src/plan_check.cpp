#include <string_view>

#include "limits.hpp"
#include "plan.hpp"
#include "text.hpp"

namespace calogan::detail {

namespace {

// Follows the steps as running them would: what each reads and writes, and how much they multiply.
class PlanCheck {
 public:
  PlanCheck(const Plan& plan, const std::string& source) : plan_(plan), source_(source) {}

  void check() {
    if (plan_.floats_per_shower > 2 * max_width) fail("the steps need too much memory");
    for (const Plan::View& view : plan_.inputs) {
      // An input without values has no place.
      if (view.rows > 0) check(view);
    }
    check(plan_.output);
    for (; step_ < plan_.steps.size(); ++step_) check(plan_.steps[step_]);
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    detail::fail(source_, ": ", parts...);
  }

  void require(bool condition, std::string_view what) const {
    if (!condition) fail("step ", step_, ": ", what);
  }

  void check(const Plan::View& view) const {
    require(view.rows > 0 && view.rows <= view.stride && view.first <= view.stride - view.rows &&
                view.stride <= plan_.floats_per_shower &&
                view.offset <= plan_.floats_per_shower - view.stride,
            "rows outside the memory of a shower");
  }

  void count(std::size_t rows, std::size_t columns) {
    // Nothing overflows: rows and columns are at most max_width, the sum so far at most max_operations.
    operations_ += rows * columns;
    if (operations_ > max_operations) {
      fail("a shower would take more than ", max_operations, " multiplications");
    }
  }

  void check(const PackedMatrix& matrix, std::size_t rows, std::size_t inputs) {
    require(matrix.rows == rows && matrix.inputs == inputs, "a matrix that does not fit");
    count(matrix.n_panels() * panel_rows, inputs);
  }

  void check(const Plan::Step& step) {
    using Type = Plan::Step::Type;
    check(step.in);
    check(step.out);
    const std::size_t rows = step.out.rows;
    const std::size_t inputs = step.in.rows;
    count(rows, 16);  // whatever is done with each element, activations among it
    const std::size_t n_matrices = step.matrices ? step.matrices->size() : 0;
    const auto check_scratch = [&] {
      check(step.scratch);
      require(step.scratch.rows == rows, "scratch rows that do not fit");
    };
    const auto check_matrices = [&](bool number_fits) {
      require(number_fits, "a number of matrices that does not fit");
      for (const PackedMatrix& matrix : *step.matrices) check(matrix, rows, inputs);
    };
    const auto same_rows = [&] { require(inputs == rows, "rows that do not fit"); };
    switch (step.type) {
      case Type::copy:
      case Type::add:
      case Type::affine:
        same_rows();
        return require((step.scale.empty() || step.scale.size() == rows) &&
                           (step.shift.empty() || step.shift.size() == rows),
                       "a scale or shift that does not fit");
      case Type::dense:
        return check_matrices(n_matrices == 1);
      case Type::maxout:
        check_scratch();
        return check_matrices(n_matrices >= 1);
      case Type::highway:
        same_rows();
        check_scratch();
        return check_matrices(n_matrices == 1 || n_matrices == 2);
      case Type::gate:
        same_rows();
        return require(step.gate_row < inputs, "a gate that looks outside its input");
      case Type::embedding:
        return check_embeddings(step);
    }
    require(false, "an unknown type");
  }

  void check_embeddings(const Plan::Step& step) const {
    require(step.embeddings != nullptr, "no embeddings");
    std::size_t width = step.in.rows;
    for (const Embedding& embedding : *step.embeddings) {
      require(embedding.index < width && embedding.outputs > 0 && !embedding.weights.empty() &&
                  embedding.weights.size() % embedding.outputs == 0,
              "an embedding that does not fit");
      width += embedding.outputs - 1;
    }
    require(width == step.out.rows, "rows that do not fit");
  }

  const Plan& plan_;
  const std::string& source_;
  std::size_t step_ = 0;
  std::size_t operations_ = 0;
};

}  // namespace

void Plan::check(const std::string& source) const { PlanCheck(*this, source).check(); }

}  // namespace calogan::detail
