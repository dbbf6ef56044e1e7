// What a plan makes of a job: merged dimensions, handles by task, values that advance, lengths that are
// returned.
#include <cstring>

#include "jobs.hpp"
#include "plan.hpp"

using namespace testing;
using namespace pyffipar;

namespace {

double sum_of(double a, double b) { return a + b; }

struct strided_sum {
    foreign function{sum_of, PYFFIPAR_F64, {PYFFIPAR_F64, PYFFIPAR_F64}};
    std::vector<double> memory = std::vector<double>(4096);
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_F64, memory.data()),
                                             argument(PYFFIPAR_LOAD, PYFFIPAR_F64, memory.data())};

    std::int64_t dimensions(const std::vector<std::int64_t> &shape, const std::vector<std::int64_t> &a,
                            const std::vector<std::int64_t> &b, const std::vector<std::int64_t> &out) {
        arguments[0].loop_strides = a.data();
        arguments[1].loop_strides = b.empty() ? nullptr : b.data();
        pyffipar_job job = job_of(function, arguments, shape);
        job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F64, memory.data());
        job.result.loop_strides = out.data();
        arena memory_of_plan;
        return make_plan(job, validate(job), memory_of_plan).dimensions;
    }
};

void dimensions_that_continue_each_other_are_one() {
    strided_sum it;
    check(it.dimensions({20, 2}, {16, 8}, {16, 8}, {16, 8}) == 1, "contiguous");
    check(it.dimensions({20, 2}, {16, 8}, {}, {16, 8}) == 1, "with one value for all");
    check(it.dimensions({20, 2}, {16, 8}, {0, 8}, {16, 8}) == 2, "a broadcast row keeps them apart");
    check(it.dimensions({20, 2}, {16, 8}, {16, 8}, {8, 160}) == 2, "so does a transposed result");
    check(it.dimensions({3, 1, 2, 1}, {16, 99, 8, 7}, {32, -5, 16, 3}, {16, 8, 8, 8}) == 1,
          "ones are nothing");
    check(it.dimensions({3, 4, 5}, {240, 40, 8}, {240, 40, 8}, {160, 40, 8}) == 2, "some of them");
    check(it.dimensions({3, 4}, {-32, -8}, {0, 0}, {32, 8}) == 1, "backwards, too");
}

void merged_dimensions_give_the_same_values() {
    double x[12];
    double out[12];
    for (int i = 0; i < 12; ++i) {
        x[i] = i;
    }
    const std::int64_t along[] = {48, 16, 8};
    const std::int64_t backwards[] = {-48, -16, -8};
    const std::vector<std::int64_t> shape{2, 3, 2};
    const foreign function(sum_of, PYFFIPAR_F64, {PYFFIPAR_F64, PYFFIPAR_F64});
    for (const bool is_mixed : {false, true}) {
        std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_F64, x),
                                                 argument(PYFFIPAR_LOAD, PYFFIPAR_F64, x + 11)};
        const std::int64_t rows[] = {-48, 0, 0};
        arguments[0].loop_strides = along;
        arguments[1].loop_strides = is_mixed ? rows : backwards;
        pyffipar_job job = job_of(function, arguments, shape);
        job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F64, out);
        job.result.loop_strides = along;
        run(job);
        for (int i = 0; i < 12; ++i) {
            check(out[i] == (is_mixed ? i + 11 - i / 6 * 6 : 11), "each pair");
        }
    }
}

// Counts its calls in the task's own place.
void count_in(std::int32_t *own) { ++*own; }

void every_task_has_a_handle_of_its_own() {
    const foreign function(count_in, PYFFIPAR_VOID, {PYFFIPAR_POINTER});
    for (const std::int64_t calls : {1, 7, 100}) {
        for (const std::int64_t grain : {1, 3, 50, 1000}) {
            const std::int64_t tasks = (calls + grain - 1) / grain;
            std::vector<std::int32_t> counts(static_cast<std::size_t>(tasks));
            std::vector<void *> handles;
            for (std::int32_t &each : counts) {
                handles.push_back(&each);
            }
            const std::vector<pyffipar_argument> arguments{
                argument(PYFFIPAR_TASK, PYFFIPAR_POINTER, handles.data())};
            const std::vector<std::int64_t> shape{calls};
            pyffipar_job job = job_of(function, arguments, shape);
            job.grain = grain;
            run(job);
            for (std::int64_t task = 0; task < tasks; ++task) {
                const std::int64_t wanted = std::min(grain, calls - task * grain);
                check(counts[static_cast<std::size_t>(task)] == wanted, "as many as the task has calls");
            }
        }
    }
}

// More tasks than a ticket can count: they are handed out several at once, and still have their own handles.
void handles_follow_the_grain_that_was_declared() {
    const foreign function(count_in, PYFFIPAR_VOID, {PYFFIPAR_POINTER});
    const std::int64_t grain = 3;
    const std::int64_t tasks = (std::int64_t{1} << 22) + 5;
    std::vector<std::int32_t> counts(static_cast<std::size_t>(tasks));
    std::vector<void *> handles(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
        handles[i] = &counts[i];
    }
    const std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_TASK, PYFFIPAR_POINTER, handles.data())};
    const std::vector<std::int64_t> shape{grain * tasks - 1};
    pyffipar_job job = job_of(function, arguments, shape);
    job.grain = grain;
    run(job);
    for (std::size_t i = 0; i + 1 < counts.size(); ++i) {
        check(counts[i] == grain, "three calls each");
    }
    check(counts.back() == grain - 1, "but the last");
}

void store_sum(double a, float b, double *out) { *out = a + static_cast<double>(b); }

void floating_values_advance_by_fractions() {
    double out[4] = {};
    const foreign function(store_sum, PYFFIPAR_VOID, {PYFFIPAR_F64, PYFFIPAR_F32, PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LINEAR, PYFFIPAR_F64),
                                             argument(PYFFIPAR_LINEAR, PYFFIPAR_F32),
                                             argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, out)};
    arguments[0].value.d = 0.1;
    arguments[0].numerator = 1;
    arguments[0].denominator = 64;
    arguments[1].value.f = 0.3f;
    arguments[1].numerator = -1;
    arguments[1].denominator = 10;
    arguments[2].slot = 8;
    pyffipar_job job = job_of(function, arguments, {});
    cut(job, 28, 7);
    run(job);
    for (int call = 0; call < 4; ++call) {
        const auto second = static_cast<float>(static_cast<double>(0.3f) + -7.0 * call / 10);
        check(out[call] == 0.1 + 7.0 * call / 64 + static_cast<double>(second), "rounded once");
    }
}

template <typename integer>
integer at_most_four(integer n) {
    return n < 4 ? n : 4;
}

template <typename integer>
void lengths_are_checked(std::int32_t type) {
    const foreign function(at_most_four<integer>, type, {type});
    const std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LENGTH, type)};
    const std::vector<std::int64_t> shape{2};
    pyffipar_failure failures[4] = {};
    pyffipar_job job = job_of(function, arguments, shape);
    job.check_status = 3;
    job.expected = 77; // not looked at
    job.threads = 1;
    job.failures = failures;
    job.max_failures = 4;
    cut(job, 11, 4);
    run(job);
    cut(job, 11, 5);
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_FAILED && job.failure_count == 1, "five is too much");
    check(failures[0].call == 0 && failures[0].value == 4, "which returned four");
    cut(job, 3, 3);
    run(job);
}

void a_returned_length_must_be_the_calls_own() {
    lengths_are_checked<std::int8_t>(PYFFIPAR_I8);
    lengths_are_checked<std::uint32_t>(PYFFIPAR_U32);
    lengths_are_checked<std::int64_t>(PYFFIPAR_I64);
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"dimensions_that_continue_each_other_are_one", dimensions_that_continue_each_other_are_one},
        {"merged_dimensions_give_the_same_values", merged_dimensions_give_the_same_values},
        {"every_task_has_a_handle_of_its_own", every_task_has_a_handle_of_its_own},
        {"handles_follow_the_grain_that_was_declared", handles_follow_the_grain_that_was_declared},
        {"floating_values_advance_by_fractions", floating_values_advance_by_fractions},
        {"a_returned_length_must_be_the_calls_own", a_returned_length_must_be_the_calls_own},
    });
}
