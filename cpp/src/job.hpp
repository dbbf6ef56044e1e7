// A pyffipar_job being run: its plan, its participants' frames, its failures.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "arena.hpp"
#include "execution.hpp"
#include "frame.hpp"
#include "loops.hpp"
#include "plan.hpp"
#include "pyffipar.h"

namespace pyffipar {

class running_job final : public work {
  public:
    // Everything is allocated here, before the first foreign call.
    running_job(pyffipar_job &job, std::int64_t calls);
    running_job(const running_job &) = delete;
    running_job &operator=(const running_job &) = delete;

    // Returns PENDING, or how the job ended.
    pyffipar_status advance(nanoseconds slice);
    void cancel() noexcept { execution_.cancel(); }

    bool run_tasks(std::int64_t first, std::int64_t last, std::int64_t participant) noexcept override;

  private:
    // One participant, in cache lines of its own.
    struct alignas(arena::alignment) member {
        worker_frame frame;
        std::atomic<std::int64_t> calls_ended{0};

        member(const job_plan &plan, arena &memory) : frame(plan, memory) {}
    };

    void make_members();
    bool run_noted(std::int64_t first, std::int64_t last, std::int64_t participant) noexcept;
    bool work_through(std::int64_t first, std::int64_t last, std::int64_t participant,
                      std::int64_t &ended) noexcept;
    bool run_calls(worker_frame &frame, std::int64_t first, std::int64_t last, std::int64_t &ended) noexcept;
    void record(std::int64_t call, const worker_frame &frame, pyffipar_reason reason,
                const char *text) noexcept;
    std::int64_t count_ended() const noexcept;
    execution::request request_of() const noexcept;
    void remember_cost() noexcept;
    pyffipar_status finish();

    pyffipar_job &job_;
    arena memory_{first_, sizeof first_};
    const job_plan plan_;
    const run_function loop_;
    const std::int64_t threads_;
    const bool notes_spans_;
    member *members_ = nullptr;
    char first_[4096]; // of memory_; all that participants read lies together in front of the frames
    std::atomic<std::int64_t> spans_noted_{0};
    std::mutex failures_mutex_;
    execution execution_;
};

// Whether this thread is inside a foreign call made for a job.
bool is_in_call() noexcept;

// The C interface's three: see pyffipar.h.
pyffipar_status run(pyffipar_job &job, nanoseconds slice);
pyffipar_status resume(pyffipar_job &job, nanoseconds slice);
void cancel(pyffipar_job &job);

} // namespace pyffipar
