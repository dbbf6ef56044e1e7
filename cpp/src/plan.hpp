// A job made ready: each argument with what its kind needs, the calls as an odometer with strides. Read-only
// while workers run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena.hpp"
#include "call.hpp"
#include "function.hpp"
#include "partition.hpp"
#include "pyffipar.h"
#include "scalar.hpp"

namespace pyffipar {

// One argument (or the result) whose value differs from call to call because it lies at different addresses.
//
// All loop dimensions and the chunks are one odometer, whose index is the number of the call: so what an
// argument advances by number (`slot`) is folded into the strides.
struct moving_argument {
    const pyffipar_argument *source;
    std::size_t slot;            // its word in the frame
    char *origin;                // where call 0 finds it
    const std::int64_t *strides; // bytes, one per dimension of the odometer
    void (*fetch)(const moving_argument &self, word *to, const char *address, std::int64_t start);
    load_function load;
    convert_function convert; // between memory and what the function sees; for BUFFER of whole runs
    convert_function convert_back;
    extend_function extend;
    store_function store;
    // Only where there is a buffer: BUFFER, and ADDRESS with a boundary.
    std::size_t value_size;    // of one element as the function sees it
    std::size_t buffer_offset; // into the worker's scratch memory
    std::int64_t row_elements; // that go with one element of the leading dimension
    convert_function fill;     // from `value`, for what lies beyond the ends
};

// Whether an argument reads beyond the ends of its array.
inline bool has_boundary(const pyffipar_argument &argument) noexcept {
    return argument.boundary != PYFFIPAR_NONE &&
           (argument.kind == PYFFIPAR_ADDRESS || argument.kind == PYFFIPAR_BUFFER);
}

struct job_plan {
    const pyffipar_job *job;
    const callable *target;
    grid cut;
    task_grid tasks;
    task_grid declared_tasks; // as the caller counts them: one of ours may be several of these
    std::int64_t calls;
    std::int64_t threads;

    // The odometer; its last dimension is the chunk if the job is cut.
    std::int64_t dimensions;
    const std::int64_t *extents;

    // In this order: pointers that only move on, values to be fetched, buffers, and the stored result if
    // there is one.
    const moving_argument *moving;
    std::size_t moving_count;
    std::size_t pointers;
    std::size_t fetched;
    std::size_t buffers;
    bool stores_result;
    bool carries; // a CARRY argument makes chunk 0 different from the others
    bool has_task_handles;

    std::size_t scratch_size; // bytes of buffers per worker

    const moving_argument *begin_fetched() const noexcept { return moving + pointers; }
    const moving_argument *begin_buffers() const noexcept { return moving + pointers + fetched; }
    const moving_argument &result() const noexcept { return moving[moving_count - 1]; }
};

// Throws `refused`, naming the argument, where the job makes no sense. Returns the number of calls.
std::int64_t validate(const pyffipar_job &job);

// Everything in `memory`; `job` has been validated and has at least one call.
job_plan make_plan(const pyffipar_job &job, std::int64_t calls, arena &memory);

// Whether calls need no frame at all: one floating type, loaded, returned and stored.
bool is_uniform(const job_plan &plan) noexcept;

} // namespace pyffipar
