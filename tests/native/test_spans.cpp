// Spans: every call that was made lies in one, with the thread that made it and the time it took.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "jobs.hpp"

using namespace testing;

namespace {

// Room for the spans of a job, and those it wrote, in order of their calls.
class notes {
  public:
    notes(pyffipar_job &job, std::size_t room) : job_(job), room_(room) {
        job.spans = room_.data();
        job.max_spans = static_cast<std::int64_t>(room);
    }

    std::vector<pyffipar_span> spans() const {
        check(job_.span_count <= job_.max_spans, "all fit");
        std::vector<pyffipar_span> found(room_.begin(), room_.begin() + job_.span_count);
        std::sort(found.begin(), found.end(),
                  [](const pyffipar_span &a, const pyffipar_span &b) { return a.first < b.first; });
        return found;
    }

  private:
    pyffipar_job &job_;
    std::vector<pyffipar_span> room_;
};

std::int64_t clock_now() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// From when to when a job ran.
struct stretch {
    std::int64_t begin;
    std::int64_t end;
};

// In order of their calls, without gaps, each within the time the job took.
void check_covers(const std::vector<pyffipar_span> &spans, std::int64_t calls, std::int64_t threads,
                  stretch ran) {
    std::int64_t next = 0;
    for (const pyffipar_span &span : spans) {
        check(span.first == next && span.last > span.first, "every call once");
        check(span.begin <= span.end, "forwards");
#if !defined(__APPLE__) // where the clock is another one
        check(ran.begin <= span.begin && span.end <= ran.end, "within the job");
#endif
        // Two clocks: they need not agree to the last microsecond.
        check(0 <= span.cpu && span.cpu <= 2 * (span.end - span.begin) + 100'000, "no more CPU than time");
        check(0 <= span.worker && span.worker < threads, "a participant");
        next = span.last;
    }
    check(next == calls, "every call");
}

stretch timed_run(pyffipar_job &job, pyffipar_status wanted, int line = __builtin_LINE()) {
    const std::int64_t begin = clock_now();
    check(pyffipar_run(&job, INT64_MAX) == wanted, pyffipar_last_error(), line);
    return stretch{begin, clock_now()};
}

void nothing() {}

void every_call_lies_in_one_span() {
    const foreign function(nothing, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    for (const std::int64_t calls : {1, 2, 63, 1000, 20001}) {
        for (const std::int64_t grain : {1, 3, 64}) {
            const std::vector<std::int64_t> shape{calls};
            pyffipar_job job = job_of(function, none, shape);
            job.grain = grain;
            const notes noted(job, static_cast<std::size_t>(calls));
            const stretch ran = timed_run(job, PYFFIPAR_DONE);
            check_covers(noted.spans(), calls, job.threads, ran);
        }
    }
}

void spans_without_room_are_counted() {
    const foreign function(nothing, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> shape{1000};
    pyffipar_span room[3] = {};
    pyffipar_job job = job_of(function, none, shape);
    job.threads = 1;
    job.spans = room;
    for (const std::int64_t fit : {0, 2}) {
        job.max_spans = fit;
        timed_run(job, PYFFIPAR_DONE);
        check(job.span_count > 2 && room[fit].last == 0, "no more than fit");
        check(fit == 0 || room[1].last > room[1].first, "and those that do");
    }
}

std::atomic<int> inside{0};

void meet() {
    inside.fetch_add(1);
    await([] { return inside.load() >= 2; }, "the other thread comes, too");
}

void spans_tell_threads_apart() {
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> two{2};
    std::int64_t callers_thread = 0;
    for (int round = 0; round < 3; ++round) {
        const foreign function(meet, PYFFIPAR_VOID, {}); // of unknown cost, so help is called for every time
        inside.store(0);
        pyffipar_job job = job_of(function, none, two);
        const notes noted(job, 2);
        const stretch ran = timed_run(job, PYFFIPAR_DONE);
        const std::vector<pyffipar_span> room = noted.spans();
        check_covers(room, 2, 2, ran);
        check(room.size() == 2, "one each");
        check(room[0].worker + room[1].worker == 1, "the caller and a worker");
        check(room[0].thread != room[1].thread, "two threads");
        check(std::max(room[0].begin, room[1].begin) < std::min(room[0].end, room[1].end), "at once");
        const pyffipar_span &callers = room[0].worker == 0 ? room[0] : room[1];
        check(round == 0 || callers.thread == callers_thread, "the caller is the same each time");
        callers_thread = callers.thread;
    }
}

void sleep_or_spin(std::int32_t sleeps) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    if (sleeps != 0) {
        std::this_thread::sleep_until(end);
    }
    while (std::chrono::steady_clock::now() < end) {
    }
}

void sleeping_takes_time_but_no_cpu() {
    const foreign function(sleep_or_spin, PYFFIPAR_VOID, {PYFFIPAR_I32});
    const std::int32_t sleeps[] = {1, 0};
    const std::int64_t stride[] = {4};
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_I32, sleeps)};
    arguments[0].loop_strides = stride;
    const std::vector<std::int64_t> two{2};
    pyffipar_job job = job_of(function, arguments, two);
    job.threads = 1;
    const notes noted(job, 2);
    const stretch ran = timed_run(job, PYFFIPAR_DONE);
    const std::vector<pyffipar_span> room = noted.spans();
    check_covers(room, 2, 1, ran);
    check(room.size() == 2, "too dear to be claimed together");
    for (const pyffipar_span &span : room) {
        check(span.end - span.begin >= 20'000'000, "as long as it took");
    }
    check(room[0].cpu < 10'000'000, "asleep");
    check(room[1].cpu > room[0].cpu, "awake");
}

std::int32_t fail_at_five(std::int32_t number) { return number == 5 ? -1 : 0; }

void a_failed_call_lies_in_its_span_and_dropped_ones_in_none() {
    const foreign function(fail_at_five, PYFFIPAR_I32, {PYFFIPAR_I32});
    const std::int32_t numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const std::int64_t stride[] = {4};
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_I32, numbers)};
    arguments[0].loop_strides = stride;
    const std::vector<std::int64_t> ten{10};
    pyffipar_failure failure{};
    for (const std::int64_t grain : {1, 2, 4, 10}) {
        pyffipar_job job = job_of(function, arguments, ten);
        job.threads = 1;
        job.grain = grain;
        job.check_status = 1;
        job.failures = &failure;
        job.max_failures = 1;
        const notes noted(job, 10);
        const stretch ran = timed_run(job, PYFFIPAR_FAILED);
        check_covers(noted.spans(), 6, 1, ran);
    }
}

void slices_make_one_set_of_spans() {
    const foreign function(nothing, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> shape{1000};
    pyffipar_job job = job_of(function, none, shape);
    const notes noted(job, 1000);
    const std::int64_t begin = clock_now();
    pyffipar_status status = pyffipar_run(&job, 0);
    int slices = 1;
    while (status == PYFFIPAR_PENDING) {
        status = pyffipar_resume(&job, 0);
        ++slices;
    }
    const stretch ran{begin, clock_now()};
    check(status == PYFFIPAR_DONE && slices > 1, "in slices");
    check_covers(noted.spans(), 1000, 2, ran);
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"every_call_lies_in_one_span", every_call_lies_in_one_span},
        {"spans_without_room_are_counted", spans_without_room_are_counted},
        {"spans_tell_threads_apart", spans_tell_threads_apart},
        {"sleeping_takes_time_but_no_cpu", sleeping_takes_time_but_no_cpu},
        {"a_failed_call_lies_in_its_span_and_dropped_ones_in_none",
         a_failed_call_lies_in_its_span_and_dropped_ones_in_none},
        {"slices_make_one_set_of_spans", slices_make_one_set_of_spans},
    });
}
