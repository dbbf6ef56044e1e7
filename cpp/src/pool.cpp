// The life of a worker: serve jobs, spin a while for the next one, park. And what a fork does to all of it.
#include "pool.hpp"

#include <algorithm>
#include <memory>

#include "gate.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace pyffipar {
namespace {

// Where the system gives no further thread, it is not asked again with every job: but it may have some later.
constexpr nanoseconds patience = 500'000'000;

// Tasks that cost less are claimed together: so much does it cost when several threads claim at once.
constexpr nanoseconds claim_worth = 1'000;

std::atomic<pool *> current{nullptr};
std::atomic<pool *> forgotten{nullptr};
std::atomic<std::uint64_t> forks{0};
std::atomic<std::int64_t> thread_limit{0}; // 0: not set, as many as there are cores
std::atomic<pool::starter> thread_starter{start_detached};

#if !defined(_WIN32)
// When the library is loaded, and so before there is a pool to lose.
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, [] { pool::forget_after_fork(); });
#endif

} // namespace

std::int64_t job_slot::at_once(std::int64_t left) const noexcept {
    constexpr std::int64_t share = 8; // at most this part of what is left of a slice
    const nanoseconds cost = std::max<nanoseconds>(1, task_cost.load(std::memory_order_relaxed));
    return std::min(claim_worth / cost, left / share);
}

bool job_slot::claim_own(slices::claim &mine) noexcept {
    return tasks.claim_own(mine, [this](std::int64_t left) { return at_once(left); });
}

bool job_slot::claim_others(slices::claim &mine) noexcept {
    return tasks.claim_others(mine, [this](std::int64_t left) { return at_once(left); });
}

pool *make_pool() {
    auto made = std::make_unique<pool>();
    made->predecessor_ = forgotten.load(std::memory_order_relaxed);
    pool *expected = nullptr;
    // No mutex: a fork could leave it locked for ever.
    if (current.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) {
        return made.release();
    }
    return expected;
}

pool &pool::instance() {
    pool *found = existing();
    return found != nullptr ? *found : *make_pool();
}

pool *pool::existing() noexcept { return current.load(std::memory_order_acquire); }

// Runs in the child, where of all threads only this one is left: whatever the others held stays locked, so
// the pool is not touched again.
void pool::forget_after_fork() noexcept {
    if (pool *old = current.exchange(nullptr, std::memory_order_relaxed)) {
        forgotten.store(old, std::memory_order_relaxed);
    }
    gate::reset();
    forks.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t pool::generation() noexcept { return forks.load(std::memory_order_relaxed); }

void pool::set_most_threads(std::int64_t threads) noexcept {
    thread_limit.store(std::clamp<std::int64_t>(threads, 1, ticket_view::most_seats),
                       std::memory_order_relaxed);
}

std::int64_t pool::most_threads() noexcept {
    const std::int64_t limit = thread_limit.load(std::memory_order_relaxed);
    return limit != 0 ? limit : std::min<std::int64_t>(usable_cores(), ticket_view::most_seats);
}

void pool::set_starter(starter start) noexcept {
    thread_starter.store(start != nullptr ? start : start_detached, std::memory_order_relaxed);
}

job_slot *pool::acquire() noexcept {
    // Always from the front: one caller's jobs then find the slot's lines where the last job left them.
    for (job_slot &slot : slots_) {
        if (!slot.is_taken.load(std::memory_order_relaxed) &&
            !slot.is_taken.exchange(true, std::memory_order_acquire)) {
            return &slot;
        }
    }
    return nullptr;
}

void pool::release(job_slot &slot) noexcept { slot.is_taken.store(false, std::memory_order_release); }

std::uint32_t pool::publish(job_slot &slot, std::int64_t first, std::int64_t last) noexcept {
    const std::uint32_t epoch = slot.tasks.open(first, last, slot.threads);
    // Sequentially consistent against the workers' way to sleep: see wait_for_jobs().
    newest_slot_.store(static_cast<std::size_t>(&slot - slots_.data()), std::memory_order_relaxed);
    newest_body_.store(address_of(slot.body), std::memory_order_relaxed);
    posted_.fetch_add(1, std::memory_order_seq_cst);
    return epoch;
}

void pool::drop_tasks() noexcept {
    for (job_slot &slot : slots_) {
        // Whichever job that is: while it lacks these tasks it cannot end, so the latch is still its own.
        const std::int64_t dropped = slot.tasks.drop_any();
        if (dropped > 0) {
            slot.finished.arrive(dropped);
        }
    }
}

pool::shared_jobs pool::count_running() const noexcept {
    shared_jobs found{0, 0};
    for (const job_slot &slot : slots_) {
        const bool is_running = !slot.finished.is_open();
        found.running += is_running ? 1 : 0;
        found.unattended += is_running && !slot.is_attended.load(std::memory_order_relaxed) ? 1 : 0;
    }
    return found;
}

bool pool::is_worth_waking(const job_slot &slot) noexcept {
    const slices::rest left = slot.tasks.look();
    const nanoseconds cost = slot.task_cost.load(std::memory_order_relaxed);
    // A division, because left.tasks * cost may be more than fits.
    return left.seats > 0 && left.tasks > 0 && cost >= worth_waking / left.tasks;
}

void pool::summon_for(const job_slot &slot) noexcept {
    if (!slot.finished.is_open() && is_worth_waking(slot) &&
        spinning_.load(std::memory_order_seq_cst) < slot.tasks.look().seats) {
        wake_or_start();
    }
}

bool pool::is_awake_for(nanoseconds work) noexcept {
    if (spinning_.load(std::memory_order_seq_cst) > 0) {
        small_jobs_.was_of_use();
        return true;
    }
    if (small_jobs_.add(work, now())) {
        wake_or_start();
    }
    return false;
}

void pool::wake_or_start() noexcept {
    if (is_summoning_.exchange(true, std::memory_order_relaxed)) {
        return;
    }
    if (!parking_.wake_one() && !start_worker()) {
        is_summoning_.store(false, std::memory_order_relaxed);
    }
}

bool pool::start_worker() noexcept {
    // is_summoning_ is held: nobody else starts one meanwhile.
    const std::int64_t existing_workers = workers_.load(std::memory_order_relaxed);
    if (existing_workers + 1 >= most_threads() || now() < retry_at_.load(std::memory_order_relaxed)) {
        return false;
    }
    workers_.store(existing_workers + 1, std::memory_order_relaxed);
    if (thread_starter.load(std::memory_order_relaxed)(pool::enter, this)) {
        return true;
    }
    workers_.store(existing_workers, std::memory_order_relaxed);
    retry_at_.store(after(patience), std::memory_order_relaxed);
    return false;
}

// Whether there may be anybody to wake or to start: known without a look at the jobs, whose tickets are in
// other cores' caches.
bool pool::has_reserve() const noexcept { return parking_.is_used() || workers() + 1 < most_threads(); }

void pool::enter(void *self) noexcept { static_cast<pool *>(self)->work_for_ever(); }

void pool::work_for_ever() {
    is_summoning_.store(false, std::memory_order_relaxed);
    const std::uint64_t born = generation();
    const std::int64_t number = numbered_.fetch_add(1, std::memory_order_relaxed) + 1;
    for (;;) {
        // Looked at before the search: a job published during it shows as a change.
        const std::uint64_t seen = posted_.load(std::memory_order_seq_cst);
        if (!serve_any(newest_slot_.load(std::memory_order_relaxed), number)) {
            wait_for_jobs(seen, number);
        }
        if (generation() != born) {
            return; // a foreign function forked on this thread: it is the child's only one, so the child ends
        }
    }
}

bool pool::serve_any(std::size_t first, std::int64_t worker) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        // The newest first, which has had no help yet.
        job_slot &slot = slots_[(first + i) % slots_.size()];
        slices::claim joined{};
        if (!slot.finished.is_open() && slot.tasks.join(worker, joined)) {
            serve(slot, joined);
            return true;
        }
    }
    return false;
}

void pool::serve(job_slot &slot, slices::claim mine) {
    if (has_reserve()) {
        for (const job_slot &other : slots_) {
            summon_for(other); // the caller has better things to do than to wake everybody itself
        }
    }
    const fp_scope callers_state(slot.fp);
    const std::uint64_t before = generation();
    bool stays = true;
    do {
        std::int64_t ended = 0;
        do {
            const bool goes_on = slot.body->run_tasks(mine.first, mine.first + mine.count, mine.participant);
            ended += mine.count + (goes_on ? 0 : slot.tasks.drop(mine.epoch));
            stays = mine.participant < most_threads() && generation() == before;
        } while (stays && slot.claim_own(mine));
        // Now, and not after a look at the others' tickets: the caller may be waiting for nothing else. From
        // here on the slot may belong to another job, until a claim says that it does not.
        stays = !slot.finished.arrive(ended) && stays;
    } while (stays && slot.claim_others(mine));
}

// What a job is read from lies in its caller's cache, in a dozen lines, each of which tells where the next
// one is: so here they are all sent for at once. If the slot is another one, or the job over, that was in
// vain.
void pool::fetch_ahead(std::int64_t worker) const noexcept {
    const job_slot &slot = slots_[newest_slot_.load(std::memory_order_relaxed)];
    slot.tasks.fetch_ahead(worker);
    fetch_to_read(address_of(&slot), (address_of(&slot.tasks) - address_of(&slot)) / cache_line);
    fetch_to_read(newest_body_.load(std::memory_order_relaxed), lines_ahead);
}

void pool::wait_for_jobs(std::uint64_t seen, std::int64_t worker) {
    const auto is_wanted = [&] { return posted_.load(std::memory_order_seq_cst) != seen; };
    spinning_.fetch_add(1, std::memory_order_seq_cst);
    const bool found = spin_until(usable_cores() > 1 ? worker_spin : 0, is_wanted);
    if (found) {
        fetch_ahead(worker);
    }
    spinning_.fetch_sub(1, std::memory_order_seq_cst);
    // A core spun on is one the thread with the work does not have: so not with a single core, and never for
    // long. A caller that saw this thread spinning has not woken another one in its place. But it published
    // before it looked at spinning_, and that was before the subtraction: so is_wanted(), asked once more,
    // sees its job.
    if (!found && parking_.park(is_wanted)) {
        is_summoning_.store(false, std::memory_order_relaxed);
    }
}

} // namespace pyffipar
