// Every kind of argument but buffers, through the C interface.
#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>

#include "jobs.hpp"

using namespace testing;

namespace {

double hypotenuse(double x, double y) { return std::sqrt(x * x + y * y); }
float twice(float x) { return 2 * x; }
double negated(double x) { return -x; }

void lifting_broadcasts_over_the_loop_shape() {
    const std::int64_t rows = 37;
    const std::int64_t columns = 11;
    std::vector<double> x(37);
    std::vector<double> y(11);
    std::vector<double> out(37 * 11);
    std::iota(x.begin(), x.end(), 1.0);
    std::iota(y.begin(), y.end(), -3.0);
    const std::vector<std::int64_t> shape{rows, 1, columns};
    const std::int64_t along_rows[] = {8, 99, 0};
    const std::int64_t along_columns[] = {0, 99, 8};
    const std::int64_t all[] = {8 * columns, 99, 8};
    for (const int path : {0, 1}) {
        for (const std::int64_t grain : {1, 5, 1000}) {
            const foreign function(hypotenuse, PYFFIPAR_F64, {PYFFIPAR_F64, PYFFIPAR_F64}, path);
            std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_F64, x.data()),
                                                     argument(PYFFIPAR_LOAD, PYFFIPAR_F64, y.data())};
            arguments[0].loop_strides = along_rows;
            arguments[1].loop_strides = along_columns;
            pyffipar_job job = job_of(function, arguments, shape);
            job.grain = grain;
            job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F64, out.data());
            job.result.loop_strides = all;
            std::fill(out.begin(), out.end(), 0.0);
            run(job);
            check(job.calls_done == rows * columns, "all calls are counted");
            for (std::size_t i = 0; i < out.size(); ++i) {
                check(out[i] == hypotenuse(x[i / 11], y[i % 11]), "each pair");
            }
        }
    }
}

void lifting_converts_swaps_and_steps_backwards() {
    const std::vector<std::int64_t> shape{6};
    const std::int16_t swapped[] = {0x0100, 0x0200, 0x0300, 0x0400, 0x0500, 0x0600}; // 1 to 6
    float out[6] = {};
    const std::int64_t forwards[] = {2};
    const std::int64_t backwards[] = {-4};
    const foreign function(twice, PYFFIPAR_F32, {PYFFIPAR_F32});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_F32, swapped)};
    arguments[0].element = PYFFIPAR_I16;
    arguments[0].flags = PYFFIPAR_SWAPPED;
    arguments[0].loop_strides = forwards;
    pyffipar_job job = job_of(function, arguments, shape);
    job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F32, out + 5);
    job.result.loop_strides = backwards;
    run(job);
    for (int i = 0; i < 6; ++i) {
        check(out[5 - i] == 2.0f * static_cast<float>(i + 1), "converted on the way");
    }
}

void results_are_converted_and_swapped() {
    const std::vector<std::int64_t> shape{3};
    const double in[] = {1, 2, 3};
    char out[3 * 4 + 1];
    const std::int64_t in_strides[] = {8};
    const std::int64_t out_strides[] = {4};
    const foreign function(negated, PYFFIPAR_F64, {PYFFIPAR_F64});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LOAD, PYFFIPAR_F64, in)};
    arguments[0].loop_strides = in_strides;
    pyffipar_job job = job_of(function, arguments, shape);
    job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F64, out + 1); // misaligned, too
    job.result.element = PYFFIPAR_F32;
    job.result.flags = PYFFIPAR_SWAPPED;
    job.result.loop_strides = out_strides;
    run(job);
    for (int i = 0; i < 3; ++i) {
        char bytes[4];
        std::reverse_copy(out + 1 + 4 * i, out + 5 + 4 * i, bytes);
        float value;
        std::memcpy(&value, bytes, 4);
        check(value == static_cast<float>(-(i + 1)), "as big-endian float");
    }
}

// What one call was given.
struct seen_call {
    std::int64_t length;
    std::uint32_t carried;
    std::int32_t linear;
    const double *data;
    void *handle;
};
seen_call *record_into = nullptr;

// `place` says which call this is.
void record(std::int32_t length, std::uint32_t carried, std::int32_t linear, const double *data,
            const char *place, void *handle) {
    record_into[place - static_cast<const char *>(nullptr)] = {length, carried, linear, data, handle};
}

void a_cut_size_gives_every_call_its_own() {
    const std::int64_t items = 3;
    const std::int64_t length = 10;
    std::vector<double> data(30);
    const std::uint16_t carried[] = {7, 8, 9};
    const std::int64_t data_strides[] = {80};
    const std::int64_t carried_strides[] = {2};
    int handle_a = 0;
    int handle_b = 0;
    void *handles[] = {&handle_a, &handle_b};
    const std::vector<std::int64_t> shape{items};
    const foreign function(
        record, PYFFIPAR_VOID,
        {PYFFIPAR_I32, PYFFIPAR_U32, PYFFIPAR_I32, PYFFIPAR_POINTER, PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I32),
                                             argument(PYFFIPAR_CARRY, PYFFIPAR_U32, carried),
                                             argument(PYFFIPAR_LINEAR, PYFFIPAR_I32),
                                             argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, data.data()),
                                             argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER),
                                             argument(PYFFIPAR_WORKER, PYFFIPAR_POINTER, handles)};
    arguments[1].element = PYFFIPAR_U16;
    arguments[1].loop_strides = carried_strides;
    arguments[1].value.u = 1000;
    arguments[2].value.i = -5;
    arguments[2].numerator = 3;
    arguments[2].denominator = 2;
    arguments[3].loop_strides = data_strides;
    arguments[3].step = 8;
    arguments[3].shift = 16;
    arguments[4].slot = 1; // its address is the number of the call
    for (const std::int64_t chunk : {2, 3, 4, 10}) {
        for (const std::int64_t grain : {1, 2, 100}) {
            pyffipar_job job = job_of(function, arguments, shape);
            cut(job, length, chunk);
            job.grain = grain;
            std::vector<seen_call> seen(static_cast<std::size_t>(items * job.chunks));
            record_into = seen.data();
            run(job);
            for (std::int64_t call = 0; call < items * job.chunks; ++call) {
                const std::int64_t item = call / job.chunks;
                const std::int64_t start = call % job.chunks * chunk;
                const seen_call &one = seen[static_cast<std::size_t>(call)];
                check(one.length == std::min(chunk, length - start), "its length");
                check(one.carried == (start == 0 ? 7 + item : 1000),
                      "the caller's value in the first chunk only");
                check(one.linear == -5 + start * 3 / 2, "advanced by the items before");
                check(one.data == data.data() + item * 10 + start + 2, "its address, shifted");
                check(one.handle == &handle_a || one.handle == &handle_b, "its worker's handle");
            }
        }
    }
}

double linear_sum(double a, std::int8_t b, float c) { return a + b + static_cast<double>(c); }

void linear_values_are_read_from_memory_too() {
    const std::int8_t start[] = {10};
    double out[4] = {};
    const foreign function(linear_sum, PYFFIPAR_F64, {PYFFIPAR_F64, PYFFIPAR_I8, PYFFIPAR_F32});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LINEAR, PYFFIPAR_F64, start),
                                             argument(PYFFIPAR_LINEAR, PYFFIPAR_I8, start),
                                             argument(PYFFIPAR_LINEAR, PYFFIPAR_F32, start)};
    for (pyffipar_argument &each : arguments) {
        each.element = PYFFIPAR_I8;
        each.numerator = 2;
    }
    pyffipar_job job = job_of(function, arguments, {});
    cut(job, 8, 2);
    job.result = argument(PYFFIPAR_STORE, PYFFIPAR_F64, out);
    job.result.slot = 8;
    run(job);
    for (int call = 0; call < 4; ++call) {
        check(out[call] == 3 * (10 + 4 * call), "each as its own type");
    }
}

std::atomic<int> calls{0};
void count() { calls.fetch_add(1); }

void nothing_to_do_is_done_at_once() {
    const foreign function(count, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> empty{5, 0, INT64_MAX};
    pyffipar_job job = job_of(function, none, empty);
    calls.store(0);
    run(job);
    check(calls.load() == 0 && job.calls_done == 0, "no call");
    pyffipar_job one = job_of(function, none, {});
    run(one);
    check(calls.load() == 1, "no loop means one call");
}

pyffipar_job *nested_job = nullptr;

void call_nested() {
    check(pyffipar_in_call() == 1, "inside");
    pyffipar_job own = *nested_job; // each call its own
    check(pyffipar_run(&own, INT64_MAX) == PYFFIPAR_DONE && own.workers == 1, "alone");
    check(pyffipar_in_call() == 1, "still inside");
}

void a_nested_job_is_run_by_its_own_thread() {
    const foreign inner(count, PYFFIPAR_VOID, {});
    const foreign outer(call_nested, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> shape{50};
    pyffipar_job inside = job_of(inner, none, shape);
    nested_job = &inside;
    pyffipar_job outside = job_of(outer, none, shape);
    calls.store(0);
    run(outside);
    check(calls.load() == 2500 && pyffipar_in_call() == 0, "all of them, and outside again");
}

void slices_and_cancelling() {
    const foreign function(count, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> shape{1000000};
    pyffipar_job job = job_of(function, none, shape);
    calls.store(0);
    check(pyffipar_run(&job, 0) == PYFFIPAR_PENDING && job.state != nullptr, "pending");
    check(pyffipar_run(&job, 0) == PYFFIPAR_INVALID, "not to be run twice");
    check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_DONE && job.state == nullptr, "done");
    check(calls.load() == 1000000 && job.calls_done == 1000000, "every call once");
    check(pyffipar_resume(&job, 0) == PYFFIPAR_INVALID, "nothing to resume");
    check(pyffipar_run(&job, 0) == PYFFIPAR_PENDING, "pending");
    pyffipar_cancel(&job);
    check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_CANCELLED && job.calls_done < 1000000, "cancelled");
    pyffipar_cancel(&job); // too late, and harmless
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"lifting_broadcasts_over_the_loop_shape", lifting_broadcasts_over_the_loop_shape},
        {"lifting_converts_swaps_and_steps_backwards", lifting_converts_swaps_and_steps_backwards},
        {"results_are_converted_and_swapped", results_are_converted_and_swapped},
        {"a_cut_size_gives_every_call_its_own", a_cut_size_gives_every_call_its_own},
        {"linear_values_are_read_from_memory_too", linear_values_are_read_from_memory_too},
        {"nothing_to_do_is_done_at_once", nothing_to_do_is_done_at_once},
        {"a_nested_job_is_run_by_its_own_thread", a_nested_job_is_run_by_its_own_thread},
        {"slices_and_cancelling", slices_and_cancelling},
    });
}
