// Times the runner, lwtnn where it is there, and what this core and its memory can do. Commands come
// in lines, an answer goes out for each; benchmark.py gives them. All seconds are of processor time.
//
//   compile FORMAT OUT JSON       compiles a model; seconds that it took
//   load ENGINE PATH              loads a model, in place of the one before; seconds that it took
//   time ENGINE WHAT BATCH SECS   seconds per shower, tried for so long; WHAT is shower (the whole) or
//                                 network (alone)
//   bandwidth BYTES SECS          bytes per second, read in order from an array of so many, repeatedly
//   flops SECS                    float32 operations per second (a fused multiply-add counts as two)
//
// ENGINE is LightweightGraph or FastGraph (they share what is loaded, and have no other showers than
// the network's), or any other word for the runner: it holds a generator for each such word.
#include <calogan/runner.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#ifdef CALOGAN_LWTNN
#include <fstream>
#include <lwtnn/InputOrder.hh>
#include <lwtnn/LightweightGraph.hh>
#include <lwtnn/generic/FastGraph.hh>
#include <lwtnn/parse_json.hh>
#endif

namespace {

using Clock = std::chrono::steady_clock;

// Seconds of processor time for one call, called again and again for so long (or once).
double time_calls(double seconds, const std::function<void()>& call) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  const std::clock_t start = std::clock();
  double calls = 0;
  do {
    call();
    calls += 1;
  } while (Clock::now() < end);
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / calls;
}

// A value that the compiler must believe is used.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

#if defined(__AVX512F__)
constexpr std::size_t width = 16;
#elif defined(__AVX__)
constexpr std::size_t width = 8;
#else
constexpr std::size_t width = 4;
#endif
typedef float Vector __attribute__((vector_size(width * 4)));
constexpr std::size_t chains = 12;  // enough independent sums to hide the latency

double bandwidth(std::size_t bytes, double seconds) {
  const std::size_t n = bytes / (chains * sizeof(Vector)) * chains;
  constexpr std::size_t page = std::size_t{2} << 20;
  const std::size_t size = (n * sizeof(Vector) + page - 1) / page * page;
  const std::unique_ptr<void, decltype(&std::free)> block(std::aligned_alloc(page, size), &std::free);
  if (!block) throw std::bad_alloc();
#ifdef __linux__
  madvise(block.get(), size, MADV_HUGEPAGE);  // memory at its best
#endif
  auto* const memory = static_cast<Vector*>(block.get());
  std::fill(memory, memory + n, Vector{});
  Vector sums[chains] = {};
  const double call = time_calls(seconds, [&] {
    for (std::size_t i = 0; i < n; i += chains) {
      for (std::size_t j = 0; j < chains; ++j) sums[j] += memory[i + j];
    }
    keep(sums);
  });
  return static_cast<double>(n * sizeof(Vector)) / call;
}

double flops(double seconds) {
  constexpr std::size_t rounds = 100'000;
  Vector sums[chains] = {};
  Vector factor = Vector{} + 0.5f;
  keep(factor);
  const double call = time_calls(seconds, [&] {
    Vector s[chains];
    for (std::size_t j = 0; j < chains; ++j) s[j] = sums[j];
    for (std::size_t i = 0; i < rounds; ++i) {
      for (std::size_t j = 0; j < chains; ++j) s[j] = s[j] * factor + factor;
    }
    for (std::size_t j = 0; j < chains; ++j) sums[j] = s[j];
    keep(sums);
  });
  return 2.0 * rounds * chains * width / call;
}

calogan::Weights weights_named(const std::string& format) {
  if (format == "float32") return calogan::Weights::float32;
  if (format == "bfloat16") return calogan::Weights::bfloat16;
  if (format == "int8") return calogan::Weights::int8;
  throw std::runtime_error("no such format: " + format);
}

class Runner {
 public:
  void load(const std::string& path) { generator_ = calogan::Generator::load(path); }

  // Whole showers, or the bare network on given latents.
  double time(bool whole, std::size_t batch, double seconds) {
    const calogan::Generator& generator = generator_.value();
    std::vector<double> conditions;
    for (std::size_t i = 0; i < batch; ++i) {
      const double at = (static_cast<double>(i) + 0.5) / static_cast<double>(batch);
      for (const calogan::Condition& condition : generator.conditions()) {
        conditions.push_back(condition.low + at * (condition.high - condition.low));
      }
    }
    if (whole) {
      std::vector<float> energies(batch * generator.n_voxels());
      std::uint64_t event = 0;
      return per_shower(batch, seconds, [&] {
        generator.generate(batch, conditions, 1, event, energies.data());
        event += batch;
      });
    }
    std::vector<float> latents(batch * generator.latent_size());
    for (std::size_t i = 0; i < batch; ++i) {
      generator.draw_latents(1, i, latents.data() + i * generator.latent_size());
    }
    std::vector<float> fractions(batch * generator.n_outputs());
    return per_shower(batch, seconds, [&] {
      generator.evaluate(batch, conditions, latents.data(), fractions.data());
    });
  }

 private:
  static double per_shower(std::size_t batch, double seconds, const std::function<void()>& call) {
    return time_calls(seconds, call) / static_cast<double>(batch);
  }

  std::optional<calogan::Generator> generator_;
};

#ifdef CALOGAN_LWTNN
class Lwtnn {
 public:
  void load(const std::string& path) {
    std::ifstream file(path);
    const lwt::GraphConfig config = lwt::parse_json_graph(file);
    output_ = config.outputs.begin()->first;
    graph_ = std::make_unique<lwt::LightweightGraph>(config, output_);
    lwt::InputOrder order;
    maps_.clear();
    vectors_.clear();
    for (const lwt::InputNodeConfig& node : config.inputs) {
      std::vector<std::string> names;
      for (const lwt::Input& variable : node.variables) {
        names.push_back(variable.name);
        maps_[node.name][variable.name] = 0.1;
      }
      order.scalar.emplace_back(node.name, names);
      vectors_.push_back(lwt::VectorX<float>::Constant(static_cast<Eigen::Index>(names.size()), 0.1f));
    }
    fast_ = std::make_unique<lwt::generic::FastGraph<float>>(config, order, output_);
  }

  double time(bool fast, std::size_t batch, double seconds) const {
    const double call = time_calls(seconds, [&] {
      for (std::size_t i = 0; i < batch; ++i) {
        if (fast) {
          keep(fast_->compute(vectors_));
        } else {
          keep(graph_->compute(maps_));
        }
      }
    });
    return call / static_cast<double>(batch);
  }

 private:
  std::string output_;
  std::unique_ptr<lwt::LightweightGraph> graph_;
  std::unique_ptr<lwt::generic::FastGraph<float>> fast_;
  lwt::LightweightGraph::NodeMap maps_;
  lwt::generic::NodeVec<float> vectors_;
};
#else
class Lwtnn {
 public:
  void load(const std::string&) { throw std::runtime_error("built without lwtnn"); }
  double time(bool, std::size_t, double) const { throw std::runtime_error("built without lwtnn"); }
};
#endif

double answer(const std::string& line, std::map<std::string, Runner>& runners, Lwtnn& lwtnn) {
  std::istringstream words(line);
  std::string command;
  std::string name;
  std::string what;
  std::string path;
  double seconds = 0;
  std::size_t size = 0;
  words >> command;
  if (command == "compile" && words >> name >> what >> path) {
    return time_calls(0, [&] { calogan::Generator::compile(path, what, weights_named(name)); });
  }
  if (command == "bandwidth" && words >> size >> seconds) return bandwidth(size, seconds);
  if (command == "flops" && words >> seconds) return flops(seconds);
  if (!(words >> name)) throw std::runtime_error("no such command: " + line);
  const bool is_lwtnn = name == "LightweightGraph" || name == "FastGraph";
  if (command == "load" && words >> path) {
    if (is_lwtnn) return time_calls(0, [&] { lwtnn.load(path); });
    return time_calls(0, [&] { runners[name].load(path); });
  }
  if (command == "time" && words >> what >> size >> seconds) {
    if (is_lwtnn) return lwtnn.time(name == "FastGraph", size, seconds);
    return runners[name].time(what == "shower", size, seconds);
  }
  throw std::runtime_error("no such command: " + line);
}

}  // namespace

int main() {
  std::map<std::string, Runner> runners;
  Lwtnn lwtnn;
  std::string line;
  std::cout.precision(9);
  while (std::getline(std::cin, line)) {
    try {
      std::cout << answer(line, runners, lwtnn) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << std::endl;
    }
  }
}
