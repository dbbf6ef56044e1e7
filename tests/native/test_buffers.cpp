// Buffered arguments: gathered, converted, handed over, scattered.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "jobs.hpp"

using namespace testing;

namespace {

pyffipar_argument buffer(std::int32_t type, std::int32_t element, void *base, std::int32_t flags) {
    pyffipar_argument made = argument(PYFFIPAR_BUFFER, type, base);
    made.element = element;
    made.flags = flags;
    return made;
}

void add_one(std::int64_t n, double *x) {
    for (std::int64_t i = 0; i < n; ++i) {
        x[i] += 1;
    }
}

void strided_elements_are_updated_in_place() {
    constexpr std::size_t length = 101;
    const std::int64_t stride[] = {-12}; // backwards, with a gap, and not a multiple of the element
    for (const std::int64_t chunk : {1, 7, 50, 101}) {
        std::vector<char> memory(length * 12 + 1, 'x');
        char *last = memory.data() + 1 + (length - 1) * 12;
        for (std::size_t i = 0; i < length; ++i) {
            const float value = static_cast<float>(i);
            std::memcpy(last - i * 12, &value, sizeof value);
        }
        const foreign function(add_one, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER});
        std::vector<pyffipar_argument> arguments{
            argument(PYFFIPAR_LENGTH, PYFFIPAR_I64),
            buffer(PYFFIPAR_F64, PYFFIPAR_F32, last, PYFFIPAR_READ | PYFFIPAR_WRITTEN)};
        const std::int64_t shape[] = {-77}; // ignored, because of factor
        arguments[1].core_ndim = 1;
        arguments[1].core_shape = shape;
        arguments[1].core_strides = stride;
        arguments[1].factor = 1;
        arguments[1].step = -12;
        pyffipar_job job = job_of(function, arguments, {});
        cut(job, length, chunk);
        run(job);
        for (std::size_t i = 0; i < length; ++i) {
            float value;
            std::memcpy(&value, last - i * 12, sizeof value);
            check(value == static_cast<float>(i + 1), "each once");
            check(i == 0 || last[4 - static_cast<std::ptrdiff_t>(i) * 12] == 'x', "the gaps are as before");
        }
    }
}

void smooth(std::int64_t n, const double *x, double *y) {
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] = x[i - 1] + x[i] + x[i + 1];
    }
}

void a_halo_reaches_beyond_the_chunk() {
    constexpr std::int64_t length = 50;
    std::vector<std::int16_t> x(2 * (length + 2));
    for (std::size_t i = 0; i < x.size(); i += 2) {
        x[i] = static_cast<std::int16_t>(i * i / 4);
    }
    std::vector<double> y(length);
    const std::int64_t in_stride[] = {4};
    const foreign function(smooth, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I64),
                                             buffer(PYFFIPAR_F64, PYFFIPAR_I16, x.data(), PYFFIPAR_READ),
                                             argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, y.data())};
    const std::int64_t shape[] = {0};
    arguments[1].core_ndim = 1;
    arguments[1].core_shape = shape;
    arguments[1].core_strides = in_stride;
    arguments[1].factor = 1;
    arguments[1].offset = 2;
    arguments[1].step = 4;
    arguments[1].shift = 8; // x[-1 : n + 2]: the pointer is that of the first item, not of the first element
    arguments[2].step = 8;
    pyffipar_job job = job_of(function, arguments, {});
    cut(job, length, 8);
    run(job);
    for (std::int64_t i = 0; i < length; ++i) {
        const auto at = [&](std::int64_t k) { return static_cast<double>(k * k); };
        check(y[static_cast<std::size_t>(i)] == at(i) + at(i + 1) + at(i + 2), "the sum of three");
    }
}

void transpose_check(const std::int32_t *matrix, std::int32_t *out) { std::copy(matrix, matrix + 6, out); }

void two_dimensions_are_packed_in_c_order() {
    // Per item a 2 x 3 matrix in Fortran order, big-endian.
    const std::int64_t items = 4;
    std::vector<unsigned char> memory(static_cast<std::size_t>(items * 6 * 4));
    for (std::size_t i = 0; i < memory.size(); i += 4) {
        memory[i + 3] = static_cast<unsigned char>(i / 4);
    }
    std::vector<std::int64_t> out(24, -1);
    const std::int64_t core_shape[] = {2, 3};
    const std::int64_t in_strides[] = {4, 8};
    const std::int64_t out_strides[] = {24, 8};
    const std::int64_t in_loop[] = {24};
    const std::int64_t out_loop[] = {48};
    const foreign function(transpose_check, PYFFIPAR_VOID, {PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{
        buffer(PYFFIPAR_I32, PYFFIPAR_I32, memory.data(), PYFFIPAR_READ | PYFFIPAR_SWAPPED),
        buffer(PYFFIPAR_I32, PYFFIPAR_I64, out.data(), PYFFIPAR_WRITTEN)};
    for (pyffipar_argument &each : arguments) {
        each.core_ndim = 2;
        each.core_shape = core_shape;
    }
    arguments[0].core_strides = in_strides;
    arguments[0].loop_strides = in_loop;
    arguments[1].core_strides = out_strides;
    arguments[1].loop_strides = out_loop;
    const std::vector<std::int64_t> shape{items};
    pyffipar_job job = job_of(function, arguments, shape);
    run(job);
    for (std::int64_t item = 0; item < items; ++item) {
        for (std::int64_t row = 0; row < 2; ++row) {
            for (std::int64_t column = 0; column < 3; ++column) {
                const std::int64_t value = out[static_cast<std::size_t>(item * 6 + row * 3 + column)];
                check(value == item * 6 + column * 2 + row, "row by row");
            }
        }
    }
}

void twice(double *value) { *value *= 2; }

void one_value_by_reference_and_private_places() {
    float in[] = {1, 2, 3, 4};
    const foreign function(twice, PYFFIPAR_VOID, {PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{
        buffer(PYFFIPAR_F64, PYFFIPAR_F32, in, PYFFIPAR_READ | PYFFIPAR_WRITTEN)};
    arguments[0].slot = 4; // by number of call
    pyffipar_job job = job_of(function, arguments, {});
    cut(job, 4, 1);
    run(job);
    check(in[0] == 2 && in[1] == 4 && in[2] == 6 && in[3] == 8, "a core of no dimensions is one element");
}

void reverse_triples(char *text) { std::reverse(text, text + 6); }

void bytes_are_handed_over_as_they_are() {
    char text[] = "abc.def.";
    const std::int64_t core_shape[] = {2};
    const std::int64_t core_strides[] = {4};
    const foreign function(reverse_triples, PYFFIPAR_VOID, {PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{
        buffer(PYFFIPAR_BYTES, PYFFIPAR_BYTES, text, PYFFIPAR_READ | PYFFIPAR_WRITTEN)};
    arguments[0].element_size = 3;
    arguments[0].core_ndim = 1;
    arguments[0].core_shape = core_shape;
    arguments[0].core_strides = core_strides;
    pyffipar_job job = job_of(function, arguments, {});
    run(job);
    check(std::strcmp(text, "fed.cba.") == 0, "three bytes at a time");
}

void a_buffer_that_does_not_fit_leaves_everything_alone() {
    double value = 1;
    const std::int64_t core_shape[] = {std::int64_t{1} << 50};
    const std::int64_t core_strides[] = {0};
    const foreign function(twice, PYFFIPAR_VOID, {PYFFIPAR_POINTER});
    std::vector<pyffipar_argument> arguments{
        buffer(PYFFIPAR_F64, PYFFIPAR_F64, &value, PYFFIPAR_READ | PYFFIPAR_WRITTEN)};
    arguments[0].core_ndim = 1;
    arguments[0].core_shape = core_shape;
    arguments[0].core_strides = core_strides;
    pyffipar_job job = job_of(function, arguments, {});
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_NO_MEMORY, "no memory");
    check(value == 1 && job.state == nullptr, "nothing was called");
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"strided_elements_are_updated_in_place", strided_elements_are_updated_in_place},
        {"a_halo_reaches_beyond_the_chunk", a_halo_reaches_beyond_the_chunk},
        {"two_dimensions_are_packed_in_c_order", two_dimensions_are_packed_in_c_order},
        {"one_value_by_reference_and_private_places", one_value_by_reference_and_private_places},
        {"bytes_are_handed_over_as_they_are", bytes_are_handed_over_as_they_are},
        {"a_buffer_that_does_not_fit_leaves_everything_alone",
         a_buffer_that_does_not_fit_leaves_everything_alone},
    });
}
