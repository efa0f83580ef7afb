// Threads make batches of showers, the main thread takes them as they come. Each batch goes round:
// empty, filled by whoever has time, read, empty again; so memory is taken once.
#include <calogan/runner.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

namespace {

struct Batch {
  std::uint64_t first = 0;  // number of its first event
  std::size_t n = 0;
  std::vector<double> conditions;
  std::vector<std::uint32_t> cells;  // those over the readout threshold
  std::vector<float> energies;       // MeV
  std::vector<std::size_t> offsets;
};

class Queue {
 public:
  void push(Batch* batch) {
    const std::lock_guard lock(mutex_);
    batches_.push_back(batch);
    changed_.notify_one();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  // The next batch, or null when it is closed and empty.
  Batch* pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !batches_.empty(); });
    if (batches_.empty()) return nullptr;
    Batch* const batch = batches_.front();
    batches_.pop_front();
    return batch;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch*> batches_;
  bool closed_ = false;
};

}  // namespace

int main(int argc, char** argv) try {
  const auto generator = calogan::Generator::load(argc > 1 ? argv[1] : "generator.json");
  const std::size_t n_threads =
      std::max<std::size_t>(1, argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 2);
  const std::uint64_t n_events = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1000;
  constexpr std::size_t batch_size = 100;  // enough for full speed

  std::vector<Batch> batches(2 * n_threads);
  Queue empty;
  Queue full;
  for (Batch& batch : batches) {
    batch.cells.resize(batch_size * generator.n_voxels());
    batch.energies.resize(batch_size * generator.n_voxels());
    batch.offsets.resize(batch_size + 1);
    empty.push(&batch);
  }

  std::atomic<std::uint64_t> next{0};
  std::atomic<std::size_t> working{n_threads};
  std::vector<std::exception_ptr> errors(n_threads);
  const auto produce = [&](std::size_t thread) {
    try {
      while (Batch* const batch = empty.pop()) {
        batch->first = next.fetch_add(batch_size);
        if (batch->first >= n_events) break;
        batch->n = std::min<std::uint64_t>(batch_size, n_events - batch->first);
        batch->conditions.clear();
        for (std::size_t i = 0; i < batch->n; ++i) {
          const auto event = static_cast<double>(batch->first + i);
          batch->conditions.push_back(5 + 40 * event / static_cast<double>(n_events));  // GeV
          batch->conditions.push_back(0.1);                                             // rad
        }
        // The shower of an event is the same, whichever thread makes it.
        generator.generate_sparse(batch->n, batch->conditions, /*seed=*/1, batch->first,
                                  batch->cells.data(), batch->energies.data(),
                                  batch->offsets.data());
        full.push(batch);
      }
    } catch (...) {
      errors[thread] = std::current_exception();
    }
    if (--working == 0) full.close();
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < n_threads; ++i) threads.emplace_back(produce, i);

  std::uint64_t n = 0;
  std::uint64_t cells = 0;
  double sum = 0;
  while (Batch* const batch = full.pop()) {
    n += batch->n;
    cells += batch->offsets[batch->n];
    for (std::size_t i = 0; i < batch->offsets[batch->n]; ++i) {
      sum += static_cast<double>(batch->energies[i]);
    }
    empty.push(batch);
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  std::cout << n << " showers by " << n_threads << " threads: " << cells << " cells, " << sum
            << " MeV\n";
} catch (const calogan::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
