// How a caller works off its job, first alone, then with whoever comes.
#include "execution.hpp"

#include <algorithm>
#include <stdexcept>

#include "gate.hpp"

namespace pyffipar {
namespace {

// Tasks between two looks at the clock. Few: a look costs no more than two empty tasks, and an unforeseen
// dear task delays sharing by one batch at most.
constexpr std::int64_t longest_batch = 16;
constexpr nanoseconds batch_time = 2'000;

// The caller sleeps only for stragglers that take longer than it takes to be woken.
constexpr nanoseconds caller_spin = 20'000;

// With fewer tasks per thread, one task run alone, only to learn what it costs, would cost too much of the
// whole.
constexpr std::int64_t enough_to_try = 8;

} // namespace

execution::execution(work &body, const request &wanted)
    : body_(body), tasks_(wanted.tasks), threads_(std::min(wanted.threads, wanted.tasks)),
      expected_cost_(wanted.task_cost), generation_(pool::generation()),
      pool_(threads_ > 1 ? &pool::instance() : nullptr) {}

execution::~execution() {
    if (job_slot *slot = slot_.load(std::memory_order_relaxed)) {
        pool::release(*slot);
    }
}

double execution::measured_cost() const noexcept {
    // At least something, even where the clock did not move: 0 means unknown.
    return ran_ > 0 ? static_cast<double>(std::max<nanoseconds>(busy_, 1)) / static_cast<double>(ran_) : 0;
}

bool execution::may_lack_tasks() const noexcept {
    return is_cancelled_.load(std::memory_order_relaxed) || gate::is_closed();
}

void execution::measure(nanoseconds end) noexcept {
    busy_ += end - since_;
    ran_ += unmeasured_;
    unmeasured_ = 0;
    since_ = end;
}

bool execution::advance(nanoseconds span) {
    const gate::stay inside;
    if (generation_ != pool::generation()) {
        throw std::runtime_error(
            "the process was forked while this job ran: its workers are not in the child");
    }
    since_ = now();
    const nanoseconds deadline = later(since_, span);
    if (slot_.load(std::memory_order_relaxed) == nullptr) {
        const progress reached = work_alone(deadline);
        if (reached != progress::shared) {
            return reached == progress::ended;
        }
    } else {
        slot_.load(std::memory_order_relaxed)->is_attended.store(true, std::memory_order_relaxed);
    }
    return work_shared(deadline);
}

execution::progress execution::work_alone(nanoseconds deadline) {
    std::int64_t batch = 1;
    while (next_ < tasks_ && !is_cancelled_.load(std::memory_order_relaxed) && !gate::is_closed()) {
        if (is_worth_sharing() && share()) {
            return progress::shared;
        }
        const nanoseconds begin = since_;
        const std::int64_t first = next_;
        next_ = std::min(tasks_, first + batch);
        unmeasured_ = next_ - first;
        if (!body_.run_tasks(first, next_, 0)) {
            is_cancelled_.store(true, std::memory_order_relaxed);
        }
        measure(now());
        if (since_ >= deadline && next_ < tasks_) {
            return progress::out_of_time;
        }
        batch = since_ - begin < batch_time ? std::min(batch * 2, longest_batch) : 1;
    }
    return progress::ended;
}

bool execution::is_worth_sharing() noexcept {
    const std::int64_t left = tasks_ - next_;
    if (pool_ == nullptr || left < 2 || generation_ != pool::generation()) {
        return false;
    }
    if (cost() <= 0) {
        return left < enough_to_try * threads_;
    }
    const double rest = cost() * static_cast<double>(left);
    if (rest >= static_cast<double>(worth_waking)) {
        return true;
    }
    // A small job is looked at once, where it begins: its end is nearer than any help.
    return next_ == 0 && rest >= static_cast<double>(worth_sharing) &&
           pool_->is_awake_for(static_cast<nanoseconds>(rest));
}

bool execution::share() noexcept {
    job_slot *slot = pool_->acquire();
    if (slot == nullptr) {
        return false;
    }
    // Of unknown cost: taken to be worth waking, as every other unknown would wait too long for help.
    const double estimate = cost() > 0 ? cost() : static_cast<double>(worth_waking);
    slot->is_attended.store(true, std::memory_order_relaxed);
    slot->body = &body_;
    slot->threads = threads_;
    slot->fp = fp_state::current();
    slot->task_cost.store(static_cast<nanoseconds>(std::clamp(estimate, 1.0, 1e15)),
                          std::memory_order_relaxed);
    slot->finished.reset(tasks_ - next_);
    epoch_.store(pool_->publish(*slot, next_, tasks_), std::memory_order_relaxed);
    slot_.store(slot, std::memory_order_seq_cst);
    if (is_cancelled_.load(std::memory_order_seq_cst) || gate::is_closed()) {
        cancel(); // it came while there was no slot to drop tasks from
    }
    if (estimate * static_cast<double>(tasks_ - next_) >= static_cast<double>(worth_waking)) {
        pool_->summon_for(*slot); // looks at the tickets, which are on their way to other cores
    }
    return true;
}

bool execution::work_shared(nanoseconds deadline) {
    job_slot &slot = *slot_.load(std::memory_order_relaxed);
    slices::claim mine{epoch_.load(std::memory_order_relaxed), 0, 0, 0, 0};
    std::int64_t ended = 0;
    std::int64_t batch = 1;
    nanoseconds begin = since_;
    while (slot.claim_next(mine)) {
        const bool goes_on = body_.run_tasks(mine.first, mine.first + mine.count, 0);
        ended += mine.count + (goes_on ? 0 : slot.tasks.drop(mine.epoch));
        unmeasured_ += mine.count;
        if (unmeasured_ < batch) {
            continue;
        }
        measure(now());
        if (since_ >= deadline) {
            break;
        }
        slot.task_cost.store(std::max<nanoseconds>(1, static_cast<nanoseconds>(cost())),
                             std::memory_order_relaxed);
        // The tickets are in other cores' caches, so they are looked at only where it may matter.
        if (cost() * static_cast<double>(tasks_ - ran_) >= static_cast<double>(worth_waking)) {
            pool_->summon_for(slot);
        }
        batch = since_ - begin < batch_time ? std::min(batch * 2, longest_batch) : 1;
        begin = since_;
    }
    if (unmeasured_ > 0) {
        measure(now());
    }
    if (ended > 0) {
        slot.finished.arrive(ended);
    }
    if (!slot.finished.is_open() && generation_ != pool::generation()) {
        throw std::runtime_error(
            "the process was forked inside a foreign call: this job cannot end in the child");
    }
    // The workers' reads may have taken it out of this core's cache; it comes back while there is time.
    fetch_to_read(address_of(&body_), lines_ahead);
    if (!slot.finished.wait_until(deadline, usable_cores() > 1 ? caller_spin : 0)) {
        slot.is_attended.store(false, std::memory_order_relaxed);
        return false;
    }
    end_shared();
    return true;
}

void execution::end_shared() noexcept {
    job_slot &slot = *slot_.load(std::memory_order_relaxed);
    participants_ = 1 + slot.tasks.joined(slot.threads);
    slot_.store(nullptr, std::memory_order_relaxed);
    pool::release(slot);
}

void execution::cancel() noexcept {
    is_cancelled_.store(true, std::memory_order_seq_cst);
    if (job_slot *slot = slot_.load(std::memory_order_seq_cst)) {
        const std::int64_t dropped = slot->tasks.drop(epoch_.load(std::memory_order_relaxed));
        if (dropped > 0) {
            slot->finished.arrive(dropped);
        }
    }
}

} // namespace pyffipar
