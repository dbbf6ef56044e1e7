// The caller's side of a job: when to work alone, when to share, when to wake, and how long to wait.
#pragma once

#include <atomic>
#include <cstdint>

#include "clock.hpp"
#include "pool.hpp"

namespace pyffipar {

// One job on its way through its tasks. It starts alone and is shared, once and for all, as soon as the
// estimated rest is worth the price.
class execution {
  public:
    struct request {
        std::int64_t tasks;   // at most ticket_view::most_tasks
        std::int64_t threads; // the caller included
        double task_cost;     // expected nanoseconds; 0 if unknown
    };

    // Throws if memory for the pool itself runs out.
    execution(work &body, const request &wanted);
    ~execution();
    execution(const execution &) = delete;
    execution &operator=(const execution &) = delete;

    // Work, then wait, until everything has ended or `span` is over. Returns whether everything has
    // ended. May be called again after false. Throws if the process was forked since the job began.
    bool advance(nanoseconds span);

    // Leave all tasks that have not begun undone. Any thread may call this.
    void cancel() noexcept;

    // Whether tasks may have been left undone.
    bool may_lack_tasks() const noexcept;

    // Nanoseconds per task as measured by the caller; 0 if it ran none.
    double measured_cost() const noexcept;

    // Threads that ran at least one task, and the caller.
    std::int64_t participants() const noexcept { return participants_; }

  private:
    enum class progress { ended, out_of_time, shared };

    progress work_alone(nanoseconds deadline);
    bool work_shared(nanoseconds deadline);
    bool is_worth_sharing() noexcept;
    bool share() noexcept;
    void end_shared() noexcept;
    void measure(nanoseconds end) noexcept;
    double cost() const noexcept { return ran_ > 0 ? measured_cost() : expected_cost_; }

    work &body_;
    const std::int64_t tasks_;
    const std::int64_t threads_;
    const double expected_cost_;
    const std::uint64_t generation_;
    pool *const pool_; // null if this job has no use for it
    std::atomic<bool> is_cancelled_{false};
    std::atomic<job_slot *> slot_{nullptr};
    std::atomic<std::uint32_t> epoch_{0};
    std::int64_t next_ = 0; // first task that has not begun; while alone
    std::int64_t participants_ = 1;
    // What the caller itself ran, and how long it took.
    std::int64_t ran_ = 0;
    nanoseconds busy_ = 0;
    nanoseconds since_ = 0;
    std::int64_t unmeasured_ = 0;
};

} // namespace pyffipar
