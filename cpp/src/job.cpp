// Runs the tasks of a job, keeps its failures, and decides how it ended.
#include "job.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include "gate.hpp"
#include "status.hpp"
#include "thread.hpp"

namespace pyffipar {
namespace {

thread_local bool in_call = false;

#if defined(__GLIBCXX__)
[[noreturn]] void sleep_for_ever() noexcept {
    for (;;) {
        std::this_thread::sleep_for(std::chrono::hours(1));
    }
}
#endif

class in_call_scope {
  public:
    in_call_scope() noexcept : before_(in_call) { in_call = true; }
    ~in_call_scope() { in_call = before_; }
    in_call_scope(const in_call_scope &) = delete;
    in_call_scope &operator=(const in_call_scope &) = delete;

  private:
    bool before_;
};

// A nested job is its thread's own business: the outer one already has the workers.
std::int64_t allowed_threads(const job_plan &plan) noexcept { return in_call ? 1 : plan.threads; }

// What the cost of a call is thought to grow with.
double items_per_call(const pyffipar_job &job) noexcept {
    return job.length > 0 ? static_cast<double>(job.length) / static_cast<double>(job.chunks) : 1.0;
}

} // namespace

running_job::running_job(pyffipar_job &job, std::int64_t calls)
    : job_(job), plan_(make_plan(job, calls, memory_)), loop_(choose_loop(plan_)),
      threads_(allowed_threads(plan_)), notes_spans_(job.spans != nullptr), execution_(*this, request_of()) {
    make_members();
    job.failure_count = 0;
    job.span_count = 0;
    job.calls_done = 0;
    job.workers = 0;
}

void running_job::make_members() {
    const auto count = static_cast<std::size_t>(threads_);
    members_ = reinterpret_cast<member *>(memory_.make_buffer(count * sizeof(member)));
    for (std::size_t i = 0; i < count; ++i) {
        new (members_ + i) member(plan_, memory_);
    }
}

execution::request running_job::request_of() const noexcept {
    const double calls_per_task = static_cast<double>(plan_.calls) / static_cast<double>(plan_.tasks.count());
    const double item_cost = job_.function->item_cost.load(std::memory_order_relaxed);
    return execution::request{plan_.tasks.count(), threads_,
                              item_cost * items_per_call(job_) * calls_per_task};
}

void running_job::remember_cost() noexcept {
    const double calls_per_task = static_cast<double>(plan_.calls) / static_cast<double>(plan_.tasks.count());
    const double measured = execution_.measured_cost() / calls_per_task / items_per_call(job_);
    if (measured <= 0) {
        return;
    }
    constexpr double weight = 0.25; // of the newest job against all before
    std::atomic<double> &known = job_.function->item_cost;
    const double before = known.load(std::memory_order_relaxed);
    known.store(before <= 0 ? measured : before + weight * (measured - before), std::memory_order_relaxed);
}

bool running_job::run_tasks(std::int64_t first, std::int64_t last, std::int64_t participant) noexcept {
    if (notes_spans_) {
        return run_noted(first, last, participant);
    }
    std::int64_t ended = 0;
    return work_through(first, last, participant, ended);
}

bool running_job::run_noted(std::int64_t first, std::int64_t last, std::int64_t participant) noexcept {
    const std::int64_t call = plan_.tasks.first(first);
    std::int64_t ended = 0;
    const nanoseconds begin = timestamp();
    const nanoseconds cpu = thread_cpu_time();
    const bool is_good = work_through(first, last, participant, ended);
    const nanoseconds spent = thread_cpu_time() - cpu;
    const nanoseconds end = timestamp();
    // Who waits for the job sees the span, as it sees all else that was written.
    const std::int64_t place = spans_noted_.fetch_add(1, std::memory_order_relaxed);
    if (place < job_.max_spans) {
        job_.spans[place] =
            pyffipar_span{call, call + ended, participant, thread_number(), begin, end, spent};
    }
    return is_good;
}

bool running_job::work_through(std::int64_t first, std::int64_t last, std::int64_t participant,
                               std::int64_t &ended) noexcept {
    const in_call_scope inside;
    member &self = members_[participant];
    if (!self.frame.is_prepared()) {
        self.frame.prepare(participant);
    }
    const bool is_good = run_calls(self.frame, plan_.tasks.first(first), plan_.tasks.last(last - 1), ended);
    const std::int64_t before = self.calls_ended.load(std::memory_order_relaxed);
    self.calls_ended.store(before + ended, std::memory_order_relaxed); // nobody else writes it
    return is_good;
}

bool running_job::run_calls(worker_frame &frame, std::int64_t first, std::int64_t last,
                            std::int64_t &ended) noexcept {
    const auto fail = [&](pyffipar_reason reason, const char *text) {
        record(first + ended + frame.ended, frame, reason, text);
        ended += frame.ended + 1; // the one that failed has ended too
        return false;
    };
    try {
        while (first + ended < last) {
            const call_run run = frame.position(first + ended, last);
            if (!loop_(frame, run)) {
                return fail(PYFFIPAR_BAD_STATUS, "");
            }
            ended += run.count;
        }
        return true;
#if defined(__GLIBCXX__)
    } catch (abi::__forced_unwind &) {
        // pthread_exit(). Python does it to threads that come back to it after its end, in callbacks.
        if (gate::is_closed()) {
            sleep_for_ever(); // the process is about to end, and nobody waits any more
        }
        std::terminate(); // a thread that a foreign function ended: its job would never end
#endif
    } catch (const std::exception &thrown) {
        frame.error = errno;
        return fail(PYFFIPAR_EXCEPTION, thrown.what());
    } catch (...) {
        frame.error = errno;
        return fail(PYFFIPAR_EXCEPTION, "an exception that is no std::exception");
    }
}

void running_job::record(std::int64_t call, const worker_frame &frame, pyffipar_reason reason,
                         const char *text) noexcept {
    const std::lock_guard<std::mutex> lock(failures_mutex_);
    const std::int64_t index = job_.failure_count++;
    if (index >= job_.max_failures) {
        return;
    }
    pyffipar_failure &failure = job_.failures[index];
    failure.call = call;
    failure.value =
        reason == PYFFIPAR_BAD_STATUS ? static_cast<std::int64_t>(frame.words()[frame_layout::result]) : 0;
    failure.reason = reason;
    failure.error = frame.error;
    std::snprintf(failure.text, sizeof failure.text, "%s", text);
}

std::int64_t running_job::count_ended() const noexcept {
    std::int64_t ended = 0;
    for (std::int64_t i = 0; i < threads_; ++i) {
        ended += members_[i].calls_ended.load(std::memory_order_relaxed);
    }
    return ended;
}

pyffipar_status running_job::advance(nanoseconds slice) {
    const bool has_ended = execution_.advance(slice);
    // The count of each member is in its worker's cache: so only where the sum is not known anyway.
    const bool is_whole = has_ended && job_.failure_count == 0 && !execution_.may_lack_tasks();
    job_.calls_done = is_whole ? plan_.calls : count_ended();
    job_.span_count = spans_noted_.load(std::memory_order_relaxed);
    job_.workers = execution_.participants();
    if (!has_ended) {
        return PYFFIPAR_PENDING;
    }
    remember_cost();
    return finish();
}

pyffipar_status running_job::finish() {
    if (job_.failure_count > 0) {
        const std::int64_t kept = std::min(job_.failure_count, job_.max_failures);
        // In order of calls, not of time: the same every time where it can be.
        std::sort(job_.failures, job_.failures + kept,
                  [](const pyffipar_failure &a, const pyffipar_failure &b) { return a.call < b.call; });
        char text[64]; // no std::string: NO_MEMORY would say that nothing was called
        std::snprintf(text, sizeof text, "%lld foreign calls failed",
                      static_cast<long long>(job_.failure_count));
        return report(PYFFIPAR_FAILED, text);
    }
    if (job_.calls_done < plan_.calls) {
        return report(PYFFIPAR_CANCELLED, "the job was cancelled");
    }
    return PYFFIPAR_DONE;
}

bool is_in_call() noexcept { return in_call; }

namespace {

// Between pyffipar_cancel() and the end of the job it is for. Spinning is fine: both sides hold it for a few
// instructions. A fork may leave it locked, so the holder's process is part of it.
class cancel_lock {
  public:
    cancel_lock() noexcept : mine_(2 * pool::generation() + 1) {
        std::uint64_t seen = holder_.load(std::memory_order_relaxed);
        while (seen == mine_ || !holder_.compare_exchange_weak(seen, mine_, std::memory_order_acquire)) {
            pause_briefly();
            seen = holder_.load(std::memory_order_relaxed);
        }
    }
    ~cancel_lock() { holder_.store(0, std::memory_order_release); }
    cancel_lock(const cancel_lock &) = delete;
    cancel_lock &operator=(const cancel_lock &) = delete;

  private:
    const std::uint64_t mine_; // odd, and different in a child
    static inline std::atomic<std::uint64_t> holder_{0};
};

using owned_job = std::unique_ptr<running_job>;

void set_state(pyffipar_job &job, running_job *state) noexcept {
    const cancel_lock lock;
    job.state = state;
}

// Keeps a job that is pending in its state, and forgets one that has ended.
pyffipar_status advance(pyffipar_job &job, owned_job running, nanoseconds slice) {
    pyffipar_status status = PYFFIPAR_ERROR;
    try {
        status = running->advance(std::max<nanoseconds>(slice, 0));
    } catch (...) {
        set_state(job, nullptr);
        throw;
    }
    if (status == PYFFIPAR_PENDING) {
        set_state(job, running.release());
    } else if (job.state != nullptr) {
        set_state(job, nullptr);
    }
    return status;
}

} // namespace

pyffipar_status run(pyffipar_job &job, nanoseconds slice) {
    if (job.state != nullptr) {
        throw refused("job: it is pending already; state must be null");
    }
    if (gate::is_closed()) {
        throw std::runtime_error("the interpreter is shutting down: no new jobs");
    }
    const std::int64_t calls = validate(job);
    if (calls == 0) {
        job.failure_count = job.span_count = job.calls_done = job.workers = 0;
        return PYFFIPAR_DONE;
    }
    return advance(job, std::make_unique<running_job>(job, calls), slice);
}

pyffipar_status resume(pyffipar_job &job, nanoseconds slice) {
    if (job.state == nullptr) {
        throw refused("job: it is not pending; run it first");
    }
    return advance(job, owned_job(static_cast<running_job *>(job.state)), slice);
}

void cancel(pyffipar_job &job) {
    const cancel_lock lock;
    if (job.state != nullptr) {
        static_cast<running_job *>(job.state)->cancel();
    }
}

} // namespace pyffipar
