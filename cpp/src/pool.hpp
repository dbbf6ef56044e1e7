// The pool: its workers, and the slots through which jobs are shown to them. What a job is, it does not know.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "clock.hpp"
#include "fp_state.hpp"
#include "latch.hpp"
#include "parking.hpp"
#include "prefetch.hpp"
#include "slices.hpp"
#include "streak.hpp"
#include "thread.hpp"

namespace pyffipar {

// What waking a parked worker costs, and the least rest of a job that is worth it (twice the cost) or worth
// showing to a worker that is awake anyway.
constexpr nanoseconds wake_cost = 40'000;
constexpr nanoseconds worth_waking = 2 * wake_cost;
constexpr nanoseconds worth_sharing = 4'000;

// How long a worker without a job stays awake: long enough to bridge the gap between two calls in a row,
// short enough not to be in anybody's way.
constexpr nanoseconds worker_spin = 30'000;

// Something made of numbered tasks.
class work {
  public:
    // Run the tasks [first, last) in order, as participant 0 (the caller) to threads - 1, who each do one
    // such thing at a time. False, which may come before all of them have begun, drops all tasks that have
    // not begun.
    virtual bool run_tasks(std::int64_t first, std::int64_t last, std::int64_t participant) noexcept = 0;

  protected:
    ~work() = default;
};

// How much of a body is fetched ahead, in cache lines: a job of few arguments and threads, without its
// frames.
constexpr std::size_t lines_ahead = 12;

// The place of one shared job. Slots live for ever, so that a late worker may look at one at any time; all
// but the tasks is read only between a claim and the arrival that answers it. What a worker reads to begin
// with lies in front, to be fetched in one go.
struct alignas(64) job_slot {
    work *body = nullptr;
    std::int64_t threads = 0; // that may take part, the caller included
    fp_state fp{};
    std::atomic<nanoseconds> task_cost{0}; // estimated, for those who decide about waking others

    // Go on with what a participant does next, in its own slice or in others' (whose tickets are in their
    // caches); several tasks at once where one costs less than claiming it, but never many of those that are
    // left.
    bool claim_own(slices::claim &mine) noexcept;
    bool claim_others(slices::claim &mine) noexcept;
    bool claim_next(slices::claim &mine) noexcept { return claim_own(mine) || claim_others(mine); }
    std::int64_t at_once(std::int64_t left) const noexcept;

    alignas(64) latch finished;
    slices tasks;

    // Between callers, and so in no line that workers fetch.
    std::atomic<bool> is_taken{false};
    std::atomic<bool> is_attended{false}; // the caller is at work or waiting, not away between two slices
};

class pool {
  public:
    // This process's pool, made on first use and never destroyed: workers may be inside it when the process
    // exits.
    static pool &instance();

    // As instance(), but null where there is none yet.
    static pool *existing() noexcept;

    // Grows with every fork on the way to this process: whoever remembers another one belongs to a parent.
    static std::uint64_t generation() noexcept;

    static void set_most_threads(std::int64_t threads) noexcept;
    static std::int64_t most_threads() noexcept;

    std::int64_t workers() const noexcept { return workers_.load(std::memory_order_relaxed); }

    // Whether somebody is awake for a job of so much work, which is too little to wake anybody for. If not,
    // but there have been many like it, somebody will be for the next one.
    bool is_awake_for(nanoseconds work) noexcept;

    // A slot that is now the caller's own, or null if all are in use.
    job_slot *acquire() noexcept;
    static void release(job_slot &slot) noexcept;

    // Show a filled slot, with its tasks [first, last), to the workers that are awake.
    std::uint32_t publish(job_slot &slot, std::int64_t first, std::int64_t last) noexcept;

    // Wake or start one worker if `slot` has use for it; the woken one does the same for the next.
    void summon_for(const job_slot &slot) noexcept;

    // For the end of the process: drop what has not begun of every job that is shared, and count those of
    // which something still runs; `unattended` are those whose caller is away meanwhile.
    struct shared_jobs {
        std::int64_t running;
        std::int64_t unattended;
    };
    void drop_tasks() noexcept;
    shared_jobs count_running() const noexcept;

    // In a child just forked: the next instance() is a new pool.
    static void forget_after_fork() noexcept;

    // For tests: how threads are started; null is as usual.
    using starter = bool (*)(thread_body, void *);
    static void set_starter(starter start) noexcept;

  private:
    static constexpr int slot_count = 16;

    static void enter(void *self) noexcept;
    void work_for_ever();
    bool has_reserve() const noexcept;
    bool serve_any(std::size_t first, std::int64_t worker);
    void serve(job_slot &slot, slices::claim mine);
    void fetch_ahead(std::int64_t worker) const noexcept;
    void wait_for_jobs(std::uint64_t seen, std::int64_t worker);
    void wake_or_start() noexcept;
    bool start_worker() noexcept;
    static bool is_worth_waking(const job_slot &slot) noexcept;

    std::array<job_slot, slot_count> slots_;
    alignas(64) std::atomic<std::uint64_t> posted_{0}; // jobs ever published
    // Of the last of them, beside that number so that one line tells it all: guesses where to look first.
    std::atomic<std::size_t> newest_slot_{0};
    std::atomic<line_address> newest_body_{0};
    std::atomic<int> spinning_{0};
    std::atomic<bool> is_summoning_{false}; // somebody was woken and has not arrived yet
    streak small_jobs_{worker_spin, worth_waking};
    alignas(64) std::atomic<std::int64_t> workers_{0};
    std::atomic<std::int64_t> numbered_{0}; // workers that have asked for a number
    std::atomic<nanoseconds> retry_at_{0};  // when the system may be asked for threads again
    parking parking_;
    pool *predecessor_ = nullptr; // of before a fork; kept only so that it is not a leak

    friend pool *make_pool();
};

} // namespace pyffipar
