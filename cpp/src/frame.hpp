// What one participant of a job works with: its frame, its buffers, and where its arguments lie at the
// moment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena.hpp"
#include "plan.hpp"

namespace pyffipar {

// One moving argument at its current call.
struct lane {
    char *address;
    std::ptrdiff_t step; // to the next call of this run
    word *slot;
    const moving_argument *argument;
};

// A run is a row of calls with equal steps: the loops below know nothing of dimensions.
struct call_run {
    std::int64_t first;  // its first call's number
    std::int64_t count;  // its calls
    std::int64_t start;  // first item of the first call's chunk
    std::int64_t length; // items of each call's chunk
};

class worker_frame {
  public:
    // Asks for all the memory it will ever need; touches none of it.
    worker_frame(const job_plan &plan, arena &memory);

    // Fill in what is the same for all calls. Before the first run, by the participant itself.
    void prepare(std::int64_t participant) noexcept;
    bool is_prepared() const noexcept { return is_prepared_; }

    // Set everything for the calls from `call` on and say how many of them, before `last`, are one run.
    call_run position(std::int64_t call, std::int64_t last) noexcept;

    const job_plan &plan() const noexcept { return *plan_; }
    word *words() const noexcept { return words_; }
    lane *lanes() const noexcept { return lanes_; }
    char *buffer(const moving_argument &argument) const noexcept { return scratch_ + argument.buffer_offset; }

    // Calls of the current run that have ended: read after an exception, so kept up to date during the run.
    std::int64_t ended = 0;
    std::int32_t error = 0; // errno right after a call with a bad status

  private:
    void set_constant(std::size_t index, std::int64_t participant) noexcept;
    void load_handle(std::size_t index, std::int64_t number) noexcept;
    void set_task_handles(std::int64_t task) noexcept;
    void set_of_chunk(const call_run &run, std::int64_t chunk) noexcept;
    void set_length(std::size_t index, std::int64_t length) noexcept;
    void place_lanes() noexcept;
    const char *address_of(const pyffipar_argument &argument, std::int64_t call) const noexcept;

    const job_plan *plan_;
    word *words_;
    lane *lanes_;
    std::int64_t *indices_;
    char *scratch_;
    bool is_prepared_ = false;
};

} // namespace pyffipar
