// Everything at once and at random, for as long as wanted: pyffipar_soak SECONDS SEED.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <thread>

#include "jobs.hpp"
#include "processes.hpp"

using namespace testing;

namespace {

using clock_type = std::chrono::steady_clock;

// A child of a process with threads is not what the sanitizers are made for; forks have a test of their own.
#if defined(_WIN32) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool forks = false;
#else
constexpr bool forks = true;
#endif

constexpr std::int64_t most_items = 5000;

class dice {
  public:
    explicit dice(std::uint64_t seed) : engine_(seed) {}
    std::int64_t between(std::int64_t least, std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
    }
    bool one_in(std::int64_t many) { return between(1, many) == 1; }

  private:
    std::mt19937_64 engine_;
};

void spend_time(std::int64_t loops) {
    for (volatile std::int64_t i = 0; i < loops; i = i + 1) {
    }
}

std::int64_t add_one(std::int64_t n, std::int32_t *x, std::int64_t loops) {
    spend_time(loops);
    for (std::int64_t i = 0; i < n; ++i) {
        ++x[i];
    }
    return n;
}

std::int64_t sometimes_bad(std::int64_t n, std::int32_t *x, std::int64_t loops) {
    add_one(n, x, loops);
    return loops % 3 == 0 ? -1 : n;
}

std::int64_t sometimes_thrown(std::int64_t n, std::int32_t *x, std::int64_t loops) {
    if (loops % 3 == 0) {
        throw std::runtime_error("by chance");
    }
    return add_one(n, x, loops);
}

std::int64_t nested(std::int64_t n, std::int32_t *x, std::int64_t loops);

enum which { adding, bad, throwing, nesting, functions };

const foreign &function_number(std::int64_t which) {
    using types = std::initializer_list<std::int32_t>;
    const types wanted{PYFFIPAR_I64, PYFFIPAR_POINTER, PYFFIPAR_I64};
    static const foreign all[functions] = {
        {add_one, PYFFIPAR_I64, wanted},
        {sometimes_bad, PYFFIPAR_I64, wanted, 1},
        {sometimes_thrown, PYFFIPAR_I64, wanted},
        {nested, PYFFIPAR_I64, wanted, 1},
    };
    return all[which];
}

// A job that adds one to every item, each by itself or through a buffer.
struct adding_job {
    std::vector<std::int32_t> data;
    std::vector<pyffipar_argument> arguments;
    std::int64_t shape[1] = {0};
    std::int64_t strides[1] = {4};
    pyffipar_failure failures[3] = {};
    pyffipar_job job{};

    adding_job(std::int64_t items, std::int64_t chunk, std::int64_t loops, std::int64_t which)
        : data(static_cast<std::size_t>(items)),
          arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I64),
                    argument(loops % 2 == 0 ? PYFFIPAR_ADDRESS : PYFFIPAR_BUFFER, PYFFIPAR_I32, data.data()),
                    constant(PYFFIPAR_I64, loops)} {
        arguments[1].flags = PYFFIPAR_READ | PYFFIPAR_WRITTEN;
        arguments[1].core_ndim = 1;
        arguments[1].core_shape = shape;
        arguments[1].core_strides = strides;
        arguments[1].factor = 1;
        arguments[1].step = 4;
        job.function = function_number(which).get();
        job.arguments = arguments.data();
        job.grain = 1;
        job.threads = 1;
        job.check_status = 3;
        job.failures = failures;
        job.max_failures = 3;
        cut(job, items, chunk);
    }
    adding_job(const adding_job &) = delete;
    adding_job &operator=(const adding_job &) = delete;

    bool holds(std::int32_t value) const {
        return std::all_of(data.begin(), data.end(), [=](std::int32_t each) { return each == value; });
    }
};

std::int64_t nested(std::int64_t n, std::int32_t *x, std::int64_t loops) {
    adding_job inner(10, 3, loops, adding);
    inner.job.threads = 8;
    check(pyffipar_run(&inner.job, INT64_MAX) == PYFFIPAR_DONE && inner.job.workers == 1, "nested");
    check(inner.holds(1), "nested, and right");
    return add_one(n, x, loops);
}

pyffipar_status finish(pyffipar_job &job, pyffipar_status status, dice &chance,
                       std::atomic<bool> *cancelled) {
    while (status == PYFFIPAR_PENDING) {
        if (cancelled != nullptr && chance.one_in(3)) {
            pyffipar_cancel(&job);
            cancelled->store(true);
        }
        status = pyffipar_resume(&job, chance.between(0, 50'000));
    }
    return status;
}

void check_outcome(const adding_job &it, pyffipar_status status, std::int64_t which, bool was_cancelled) {
    const bool may_fail = which == bad || which == throwing;
    switch (status) {
    case PYFFIPAR_DONE:
        check(it.holds(1) && it.job.calls_done == it.job.chunks, "every item once");
        return;
    case PYFFIPAR_FAILED:
        check(may_fail && it.job.failure_count > 0 && it.job.failure_count <= it.job.workers, "failures");
        return;
    case PYFFIPAR_CANCELLED:
        check(was_cancelled && it.job.calls_done < it.job.chunks, "cancelled");
        return;
    default:
        check(false, pyffipar_last_error());
    }
}

void one_job(dice &chance) {
    const std::int64_t items = chance.between(1, most_items);
    const std::int64_t which = chance.between(0, functions - 1);
    adding_job it(items, chance.between(1, items), chance.one_in(4) ? chance.between(0, 20000) : 3, which);
    it.job.threads = chance.between(1, 9);
    it.job.grain = chance.one_in(3) ? chance.between(1, 20) : 1;
    const bool is_sliced = chance.one_in(2);
    std::atomic<bool> cancelled{false};
    const bool is_cancelled = is_sliced && chance.one_in(3);
    pyffipar_status status = pyffipar_run(&it.job, is_sliced ? chance.between(0, 20'000) : INT64_MAX);
    status = finish(it.job, status, chance, is_cancelled ? &cancelled : nullptr);
    check_outcome(it, status, which, cancelled.load());
}

// As Python does it on Ctrl-C: another thread cancels what this one is running.
void one_job_cancelled_from_elsewhere(dice &chance) {
    adding_job it(most_items, 1, 100, adding);
    it.job.threads = chance.between(1, 4);
    pyffipar_status status = pyffipar_run(&it.job, 0);
    const std::int64_t pause = chance.between(0, 300);
    std::thread other([&it, pause] {
        std::this_thread::sleep_for(std::chrono::microseconds(pause));
        pyffipar_cancel(&it.job);
    });
    status = finish(it.job, status, chance, nullptr);
    other.join();
    check_outcome(it, status, adding, true);
}

void keep_going(std::uint64_t seed, clock_type::time_point end, std::atomic<std::int64_t> &jobs) {
    dice chance(seed);
    while (clock_type::now() < end) {
        jobs.fetch_add(1);
        if (chance.one_in(50)) {
            one_job_cancelled_from_elsewhere(chance);
        } else if (chance.one_in(100)) {
            std::this_thread::sleep_for(std::chrono::microseconds(chance.between(0, 3000)));
        } else {
            one_job(chance);
        }
    }
}

void disturb(dice &chance, clock_type::time_point end) {
    while (clock_type::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(chance.between(1, 30)));
        pyffipar_set_num_threads(chance.between(1, 8));
#if !defined(_WIN32)
        if constexpr (forks) {
            const std::int64_t seed = chance.between(0, INT64_MAX);
            in_child([seed] {
                dice own(static_cast<std::uint64_t>(seed));
                for (int i = 0; i < 20; ++i) {
                    one_job(own);
                }
            });
        }
#endif
    }
}

} // namespace

int main(int count, char **words) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s SECONDS SEED\n", words[0]);
        return 2;
    }
    const auto end = clock_type::now() + std::chrono::seconds(std::atoi(words[1]));
    const std::uint64_t seed = std::strtoull(words[2], nullptr, 10);
    pyffipar_set_num_threads(8);
    std::atomic<std::int64_t> jobs{0};
    std::vector<std::thread> callers;
    for (std::uint64_t i = 1; i <= 6; ++i) {
        callers.emplace_back(keep_going, seed * 100 + i, end, std::ref(jobs));
    }
    dice chance(seed * 100);
    disturb(chance, end);
    for (std::thread &each : callers) {
        each.join();
    }
    check(pyffipar_shutdown(INT64_MAX) == 0, "nothing runs any more");
    std::printf("%" PRId64 " jobs, seed %" PRIu64 "\n", jobs.load(), seed);
    return 0;
}
