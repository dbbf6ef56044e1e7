// What goes wrong in foreign functions is recorded; what is wrong with a job is refused before it begins.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "jobs.hpp"

using namespace testing;

namespace {

// Fails for 3 and 7, as C functions do.
std::int16_t fail_sometimes(std::int32_t number) {
    if (number == 3 || number == 7) {
        errno = ENOENT;
        return static_cast<std::int16_t>(-number);
    }
    return 0;
}

std::int32_t numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
const std::int64_t stride[] = {4};
const std::vector<std::int64_t> ten{10};

std::vector<pyffipar_argument> all_numbers() {
    std::vector<pyffipar_argument> made{argument(PYFFIPAR_LOAD, PYFFIPAR_I32, numbers)};
    made[0].loop_strides = stride;
    return made;
}

void a_bad_status_is_recorded_and_stops_the_rest() {
    const foreign function(fail_sometimes, PYFFIPAR_I16, {PYFFIPAR_I32});
    const auto arguments = all_numbers();
    for (const std::int64_t check_status : {1, 2}) {
        pyffipar_failure failures[4] = {};
        pyffipar_job job = job_of(function, arguments, ten);
        job.threads = 1;
        job.check_status = check_status;
        job.failures = failures;
        job.max_failures = 4;
        check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_FAILED, "failed");
        check(job.failure_count == 1 && job.calls_done == 4, "the first failure ended it");
        check(failures[0].call == 3 && failures[0].value == -3, "which call, which value");
        check(failures[0].reason == PYFFIPAR_BAD_STATUS && failures[0].error == ENOENT, "why");
        check(failures[0].text[0] == 0, "no text");
        check(std::strlen(pyffipar_last_error()) > 0, "the status has a text");
    }
}

void failures_beyond_the_room_are_counted() {
    const foreign function(fail_sometimes, PYFFIPAR_I16, {PYFFIPAR_I32});
    const auto arguments = all_numbers();
    pyffipar_job job = job_of(function, arguments, ten);
    job.check_status = 1;
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_FAILED && job.failure_count >= 1, "counted");
}

std::atomic<int> inside{0};

std::int32_t both_fail(std::int32_t) {
    inside.fetch_add(1);
    await([] { return inside.load() >= 2; }, "the other one fails too");
    return -1;
}

void of_two_failures_none_is_lost() {
    const foreign function(both_fail, PYFFIPAR_I32, {PYFFIPAR_I32});
    const auto arguments = all_numbers();
    const std::vector<std::int64_t> two{2};
    pyffipar_failure failures[2] = {};
    pyffipar_job job = job_of(function, arguments, two);
    job.check_status = 2;
    job.failures = failures;
    job.max_failures = 2;
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_FAILED && job.failure_count == 2, "both");
    check(failures[0].call == 0 && failures[1].call == 1, "in order");
}

void throw_sometimes(std::int32_t number) {
    if (number == 5) {
        throw std::runtime_error("five, " + std::string(300, '!'));
    }
    if (number == 6) {
        throw 42;
    }
}

double throw_below_zero(double x) {
    if (x < 0) {
        throw std::domain_error("negative");
    }
    return x;
}

void exceptions_become_failures_and_the_pool_lives() {
    for (const int path : {0, 1}) {
        const foreign function(throw_sometimes, PYFFIPAR_VOID, {PYFFIPAR_I32}, path);
        const auto arguments = all_numbers();
        for (int round = 0; round < 50; ++round) {
            pyffipar_failure failures[4] = {};
            pyffipar_job job = job_of(function, arguments, ten);
            job.failures = failures;
            job.max_failures = 4;
            check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_FAILED, "failed");
            const bool is_five = failures[0].call == 5;
            check(is_five || failures[0].call == 6, "which call");
            check(failures[0].reason == PYFFIPAR_EXCEPTION, "why");
            check(std::strncmp(failures[0].text, is_five ? "five, !!!" : "an exception", 9) == 0, "what()");
            check(failures[0].text[sizeof failures[0].text - 1] == 0, "always ended");
        }
    }
}

void the_typed_loop_knows_which_call_threw() {
    double x[] = {1, 2, -1, 4};
    double y[] = {0, 0, 0, 0};
    const std::int64_t step[] = {8};
    const std::vector<std::int64_t> four{4};
    const foreign function(throw_below_zero, PYFFIPAR_F64, {PYFFIPAR_F64});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_F64, x)};
    arguments[0].loop_strides = step;
    pyffipar_failure failures[1] = {};
    pyffipar_job job = job_of(function, arguments, four);
    job.grain = 4;
    job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F64, y);
    job.result.loop_strides = step;
    job.failures = failures;
    job.max_failures = 1;
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_FAILED && failures[0].call == 2, "the third");
    check(job.calls_done == 3 && y[1] == 2 && y[3] == 0, "none after it");
}

template <typename change_type>
void refused(const char *wanted, change_type &&change) {
    const foreign function(throw_sometimes, PYFFIPAR_VOID, {PYFFIPAR_I32});
    auto arguments = all_numbers();
    pyffipar_job job = job_of(function, arguments, ten);
    change(job, arguments[0]);
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_INVALID, wanted);
    check(std::strstr(pyffipar_last_error(), wanted) != nullptr, pyffipar_last_error());
}

using job_type = pyffipar_job;
using argument_type = pyffipar_argument;

void jobs_that_make_no_sense_are_refused() {
    refused("threads", [](job_type &job, argument_type &) { job.threads = 0; });
    refused("chunks", [](job_type &job, argument_type &) { job.chunks = 0; });
    refused("grain", [](job_type &job, argument_type &) { job.grain = 0; });
    refused("length", [](job_type &job, argument_type &) { job.length = -1; });
    refused("function", [](job_type &job, argument_type &) { job.function = nullptr; });
    refused("failures", [](job_type &job, argument_type &) { job.max_failures = 1; });
    refused("chunks of 3", [](job_type &job, argument_type &) {
        job.length = 5;
        job.chunk = 3;
        job.chunks = 3;
    });
    refused("number of calls", [](job_type &job, argument_type &) {
        static const std::int64_t huge[] = {INT64_MAX, 2};
        job.loop_shape = huge;
        job.loop_ndim = 2;
    });
    refused("status must be an integer", [](job_type &job, argument_type &) { job.check_status = 1; });
    refused("result", [](job_type &job, argument_type &) { job.result.kind = PYFFIPAR_STORE; });
}

void arguments_that_make_no_sense_are_refused() {
    refused("argument 0: unknown kind", [](job_type &, argument_type &it) { it.kind = 99; });
    refused("argument 0: its type is int64", [](job_type &, argument_type &it) { it.type = PYFFIPAR_I64; });
    refused("argument 0: base", [](job_type &, argument_type &it) { it.base = nullptr; });
    refused("argument 0: no conversion", [](job_type &, argument_type &it) { it.element = PYFFIPAR_BYTES; });
    refused("argument 0: the function does not take a pointer",
            [](job_type &, argument_type &it) { it.kind = PYFFIPAR_ADDRESS; });
    refused("argument 0: denominator", [](job_type &, argument_type &it) {
        it.kind = PYFFIPAR_LINEAR;
        it.denominator = 0;
    });
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"a_bad_status_is_recorded_and_stops_the_rest", a_bad_status_is_recorded_and_stops_the_rest},
        {"failures_beyond_the_room_are_counted", failures_beyond_the_room_are_counted},
        {"of_two_failures_none_is_lost", of_two_failures_none_is_lost},
        {"exceptions_become_failures_and_the_pool_lives", exceptions_become_failures_and_the_pool_lives},
        {"the_typed_loop_knows_which_call_threw", the_typed_loop_knows_which_call_threw},
        {"jobs_that_make_no_sense_are_refused", jobs_that_make_no_sense_are_refused},
        {"arguments_that_make_no_sense_are_refused", arguments_that_make_no_sense_are_refused},
    });
}
