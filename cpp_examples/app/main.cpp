// calogan-generate: showers from a model file to CSV or HDF5.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include "options.hpp"
#include "output.hpp"
#include "random.hpp"
#include "text.hpp"

namespace calogan::app {
namespace {

using detail::fail;
using detail::text;
using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t interrupted = 0;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string range_of(const Condition& condition) {
  std::string names;
  for (const Label& label : condition.labels) names += (names.empty() ? "" : ",") + label.name;
  if (!names.empty()) return names;
  return text(condition.low, "..", condition.high, condition.unit.empty() ? "" : " ",
              condition.unit);
}

void describe(const Source& source) {
  std::cout << source.name() << '\n';
  for (const Condition& condition : source.conditions()) {
    std::cout << text("  --", condition.name, "  ", range_of(condition),
                      condition.logarithmic ? ", log scale" : "", "\n");
  }
  if (const auto& bundle = source.bundle()) {
    std::cout << text("  ", bundle->size(), bundle->size() == 1 ? " member" : " members",
                      ", of which the first is ", bundle->member_name(0), "\n");
    return;
  }
  const Generator& generator = source.generator();
  std::vector<std::size_t> cells(generator.layers().size());
  for (const Cell& cell : generator.cells()) ++cells[cell.layer];
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::cout << text("  layer ", i, ", ", generator.layers()[i], ": ", cells[i], " cells\n");
  }
  std::cout << text("  ", generator.n_voxels(), " cells, ", generator.latent_size(),
                    " random numbers a shower, readout threshold ", generator.readout_threshold(),
                    " MeV\n  self-test: ", generator.n_self_tests(),
                    " cases, largest deviation ", generator.self_test_deviation(),
                    " of the tolerance\n");
  if (!generator.json_sha256().empty()) {
    std::cout << text("  compiled to ", name_of(generator.weights()), " from JSON with SHA-256 ",
                      generator.json_sha256(), "\n");
  }
}

// Conditions of each shower: from a column of a file, or drawn from a range.
class Conditions {
 public:
  Conditions(const Options& options, const std::vector<Condition>& wanted) : seed_(options.seed) {
    const std::map<std::string, Range> ranges = parse_conditions(options, wanted);
    if (!options.like.empty() && !ranges.empty()) {
      fail("--like gives all conditions; leave out --" + ranges.begin()->first);
    }
    columns_.resize(wanted.size());
    if (!options.like.empty()) columns_ = read_conditions(options.like, wanted);
    std::string missing;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      logarithmic_.push_back(wanted[i].logarithmic);
      if (const auto range = ranges.find(wanted[i].name); range != ranges.end()) {
        ranges_.push_back(range->second);
      } else {
        ranges_.push_back({0, 0});
        if (columns_[i].empty()) {
          missing += text(missing.empty() ? "" : ", ", options.like.empty() ? "--" : "",
                          wanted[i].name, " (", range_of(wanted[i]), ")");
        }
      }
      if (columns_[i].empty()) continue;
      if (n_ && *n_ != columns_[i].size()) {
        fail(options.like, ": ", columns_[i].size(), " values of ", wanted[i].name, ", but ", *n_,
             " of the conditions before it");
      }
      n_ = columns_[i].size();
    }
    if (missing.empty()) return;
    if (!options.like.empty()) fail(options.like, " lacks ", missing, ", which the model needs");
    fail("the model needs ", missing, "; give a value or LOW:HIGH, of a label NAME,NAME");
  }

  // The number of showers, if a file says it.
  std::optional<std::uint64_t> n() const { return n_; }

  // Throws Error if the source does not take the ends of a range, or a file's first entries.
  void check(const Source& source) const {
    for (const auto end : {&Range::low, &Range::high}) {
      std::vector<double> values;
      for (std::size_t i = 0; i < ranges_.size(); ++i) {
        values.push_back(
            static_cast<float>(columns_[i].empty() ? ranges_[i].*end : columns_[i].front()));
      }
      source.check_conditions(values);
    }
  }

  // Writes the conditions of n showers, beginning with the one numbered `first` from 0. They are
  // rounded to single precision, as stores keep them: --like on what was written gives it again.
  void fill(std::uint64_t first, std::uint64_t first_event, std::size_t n, double* out) const {
    for (std::size_t shower = 0; shower < n; ++shower) {
      for (std::size_t i = 0; i < ranges_.size(); ++i) {
        *out++ = static_cast<float>(columns_[i].empty() ? draw(i, first_event + first + shower)
                                                        : columns_[i][first + shower]);
      }
    }
  }

 private:
  double draw(std::size_t i, std::uint64_t event) const {
    const auto& [low, high, among] = ranges_[i];
    if (low == high && among.size() < 2) return low;
    const auto words = detail::random_block(seed_, event, detail::Stream::conditions,
                                            static_cast<std::uint32_t>(i / 4));
    const double u = detail::open_unit(words[i % 4]);
    if (!among.empty()) return among[static_cast<std::size_t>(u * among.size()) % among.size()];
    const double value = logarithmic_[i] ? low * std::pow(high / low, u) : low + u * (high - low);
    return std::clamp(value, low, high);
  }

  std::uint64_t seed_;
  std::optional<std::uint64_t> n_;
  std::vector<std::vector<double>> columns_;
  std::vector<Range> ranges_;
  std::vector<bool> logarithmic_;
};

// What is said of the showers at the end.
struct Totals {
  double response = 0;  // sum of visible over incident energy
  double cells = 0;

  void add(std::size_t n, std::size_t n_conditions, std::size_t n_voxels, const double* conditions,
           const float* energies) {
    for (std::size_t shower = 0; shower < n; ++shower) {
      double sum = 0;
      std::size_t hit = 0;
      for (std::size_t i = 0; i < n_voxels; ++i) {
        sum += static_cast<double>(energies[shower * n_voxels + i]);
        hit += energies[shower * n_voxels + i] > 0 ? 1 : 0;
      }
      response += sum / (conditions[shower * n_conditions] * 1000.0);
      cells += static_cast<double>(hit);
    }
  }
};

class Progress {
 public:
  Progress(std::uint64_t n, bool quiet) : n_(n), shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done) {
    const double elapsed = seconds_since(start_);
    if (!shown_ || elapsed < next_) return;
    next_ = elapsed + 0.5;
    const double rate = static_cast<double>(done) / elapsed;
    std::fprintf(stderr, "\r%llu of %llu showers, %.0f/s, %.0f s left   ",
                 static_cast<unsigned long long>(done), static_cast<unsigned long long>(n_), rate,
                 static_cast<double>(n_ - done) / rate);
    drawn_ = true;
  }

  ~Progress() {
    if (drawn_) std::fputs("\r\033[K", stderr);
  }

 private:
  std::uint64_t n_;
  bool shown_;
  bool drawn_ = false;
  double next_ = 1.0;  // short runs show nothing
  Clock::time_point start_ = Clock::now();
};

int compile(const Options& options) {
  if (options.number || !options.output.empty() || !options.like.empty() ||
      !options.conditions.empty()) {
    fail("--compile makes no showers; compile first, then generate from the result");
  }
  if (std::filesystem::is_directory(options.model)) {
    fail(options.model, " is a bundle; compile its members before they are bundled");
  }
  const Clock::time_point start = Clock::now();
  Generator::compile(options.model, options.compile, options.weights.value_or(Weights::float32));
  const double compiling = seconds_since(start);
  const Clock::time_point again = Clock::now();
  const Generator generator = Generator::load(options.compile);
  std::cout << text("wrote ", options.compile, " in ", compiling, " s; it loads in ",
                    seconds_since(again), " s\nself-test: ", generator.n_self_tests(),
                    " cases, largest deviation ", generator.self_test_deviation(),
                    " of the tolerance\n");
  return 0;
}

int run(const Options& options) {
  if (!options.compile.empty()) return compile(options);
  if (options.weights) fail("--weights is for --compile");
  if (!options.output.empty()) check_output_name(options.output);
  const Clock::time_point start = Clock::now();
  Source source(options);

  const bool asked = options.number || !options.like.empty() || !options.output.empty() ||
                     !options.conditions.empty();
  if (!asked) {
    describe(source);
    return 0;
  }
  const Conditions conditions(options, source.conditions());
  if (options.number && conditions.n()) {
    fail(options.like, " gives the number of showers; leave out --number");
  }
  const std::uint64_t n = conditions.n() ? *conditions.n() : options.number.value_or(1000);
  if (n == 0) fail(options.like, " holds no showers");
  conditions.check(source);  // before anything is computed or written
  source.prepare(n, options, [&](std::uint64_t first, std::size_t count, double* out) {
    conditions.fill(first, options.first_event, count, out);
  });
  const double loading = seconds_since(start);

  const Generator& generator = source.generator();
  const std::size_t k = source.conditions().size();
  const std::size_t n_voxels = generator.n_voxels();
  std::vector<float> latents;
  if (!options.latents.empty()) {
    latents = read_latents(options.latents, generator.latent_size());
    if (latents.size() != n * generator.latent_size()) {
      fail(options.latents, ": latents has ", latents.size() / generator.latent_size(),
           " rows, expected ", n, ", the number of showers");
    }
  }

  // A chunk is what all threads compute before it is written.
  const std::size_t fitting = (std::size_t{16} << 20) / (n_voxels * sizeof(float));
  const std::size_t batch =
      options.batch > 0 ? options.batch : std::clamp<std::size_t>(fitting, 1, 1024);
  const auto chunk =
      static_cast<std::size_t>(std::min<std::uint64_t>(n, std::uint64_t{batch} * options.threads));
  std::vector<double> values(chunk * k);
  std::vector<float> energies(chunk * n_voxels);

  std::unique_ptr<Output> output;
  if (!options.output.empty()) {
    output = make_output(options.output, source,
                         {options.seed, options.first_event, n, options.model, options.like});
  }

  const auto generate = [&](std::uint64_t first, std::size_t from, std::size_t to) {
    for (std::size_t at = from; at < to; at += batch) {
      const std::size_t count = std::min(batch, to - at);
      const Span given(values.data() + at * k, count * k);
      float* const out = energies.data() + at * n_voxels;
      if (latents.empty()) {
        source.generate(count, given, options.seed, options.first_event + first + at, out);
      } else {
        generator.generate_from(count, given, latents.data() + (first + at) * generator.latent_size(),
                                out);
      }
    }
  };

  Totals totals;
  Progress progress(n, options.quiet);
  double generating = 0;
  for (std::uint64_t done = 0; done < n;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, n - done));
    conditions.fill(done, options.first_event, count, values.data());
    const Clock::time_point before = Clock::now();
    const std::size_t share = (count + options.threads - 1) / options.threads;
    std::vector<std::exception_ptr> errors(options.threads);
    std::vector<std::thread> workers;
    const auto work = [&](std::size_t thread) {
      try {
        generate(done, std::min(count, thread * share), std::min(count, (thread + 1) * share));
      } catch (...) {
        errors[thread] = std::current_exception();
      }
    };
    for (std::size_t thread = 1; thread < options.threads; ++thread) {
      workers.emplace_back(work, thread);
    }
    work(0);
    for (std::thread& worker : workers) worker.join();
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
    generating += seconds_since(before);
    totals.add(count, k, n_voxels, values.data(), energies.data());
    if (output) output->write(count, values.data(), energies.data());
    done += count;
    progress.update(done);
    if (interrupted != 0) {
      std::cerr << "calogan-generate: interrupted; nothing written\n";
      return 130;
    }
  }
  if (output) output->finish();

  const double whole = seconds_since(start);
  const auto number = static_cast<double>(n);
  std::cout << text(n, n == 1 ? " shower in " : " showers in ", whole, " s: ", number / whole,
                    " showers/s; generating alone took ", generating, " s: ", number / generating,
                    " showers/s (", options.threads, options.threads == 1 ? " thread" : " threads",
                    "); loading ", loading, " s\n");
  std::cout << text("mean response ", totals.response / number,
                    " (visible over incident energy), mean cells ", totals.cells / number);
  if (generator.readout_threshold() > 0) {
    std::cout << text(" over ", generator.readout_threshold(), " MeV");
  }
  std::cout << '\n';
  if (output) std::cout << "wrote " << options.output << '\n';
  return 0;
}

}  // namespace
}  // namespace calogan::app

int main(int argc, char** argv) {
  using namespace calogan::app;
  try {
    const Options options = parse_options({argv + 1, argv + argc});
    if (options.help || argc == 1) {
      std::cout << help_text;
      return 0;
    }
    if (options.version) {
      std::cout << "calogan-generate " << calogan::version() << '\n';
      return 0;
    }
    if (options.model.empty()) fail("no model file; --help tells more");
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    return run(options);
  } catch (const calogan::Error& error) {  // something given cannot be used
    std::cerr << "calogan-generate: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "calogan-generate: " << error.what() << '\n';
    return 1;
  }
}
