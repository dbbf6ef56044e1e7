// What stands beyond the ends of arrays, against a table written by hand and against arrays made longer
// beforehand.
#include <cstring>
#include <numeric>
#include <string>

#include "boundary.hpp"
#include "jobs.hpp"

using namespace testing;
using pyffipar::element_at;

namespace {

constexpr std::int32_t boundaries[] = {PYFFIPAR_REFLECT, PYFFIPAR_MIRROR, PYFFIPAR_NEAREST, PYFFIPAR_WRAP,
                                       PYFFIPAR_FILL};

std::string spelled(std::int32_t boundary, const std::string &array, std::int64_t beyond) {
    const auto extent = static_cast<std::int64_t>(array.size());
    std::string made;
    for (std::int64_t place = -beyond; place < extent + beyond; ++place) {
        const std::int64_t index = element_at(boundary, place, extent);
        made += index < 0 ? '.' : array[static_cast<std::size_t>(index)];
    }
    return made;
}

void places_beyond_the_ends_are_as_the_header_says() {
    check(spelled(PYFFIPAR_REFLECT, "abc", 7) == "aabccbaabccbaabcc", "reflect");
    check(spelled(PYFFIPAR_MIRROR, "abc", 5) == "babcbabcbabcb", "mirror, farther than the array is long");
    check(spelled(PYFFIPAR_NEAREST, "abc", 2) == "aaabccc", "nearest");
    check(spelled(PYFFIPAR_WRAP, "abc", 4) == "cabcabcabca", "wrap");
    check(spelled(PYFFIPAR_FILL, "abc", 2) == "..abc..", "fill");
    for (const std::int32_t boundary : {PYFFIPAR_REFLECT, PYFFIPAR_MIRROR, PYFFIPAR_NEAREST, PYFFIPAR_WRAP}) {
        check(spelled(boundary, "a", 3) == "aaaaaaa", "a single element is repeated");
    }
}

constexpr std::int64_t before = 3;
constexpr std::int64_t after = 2;

// y[i] is a number made of all six elements around x[i], so that none can be another one's.
void digits(std::int64_t n, const std::int64_t *x, std::int64_t *y) {
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] = 0;
        for (std::int64_t k = -before; k <= after; ++k) {
            y[i] = y[i] * 10 + x[i + k];
        }
    }
}

std::vector<std::int64_t> wanted_digits(std::int32_t boundary, const std::vector<std::int64_t> &x) {
    const auto extent = static_cast<std::int64_t>(x.size());
    std::vector<std::int64_t> longer;
    for (std::int64_t place = -before; place < extent + after; ++place) {
        const std::int64_t index = element_at(boundary, place, extent);
        longer.push_back(index < 0 ? 9 : x[static_cast<std::size_t>(index)]);
    }
    std::vector<std::int64_t> y(x.size());
    digits(extent, longer.data() + before, y.data());
    return y;
}

struct halo {
    std::vector<pyffipar_argument> arguments;
    std::int64_t stride;
    std::int64_t shape = 0;

    halo(pyffipar_kind kind, std::int32_t boundary, std::int32_t element, const void *x, std::int64_t length,
         std::int64_t step, std::int64_t *y)
        : arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I64), argument(kind, PYFFIPAR_I64, x),
                    argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, y)},
          stride(step) {
        pyffipar_argument &in = arguments[1];
        in.element = element;
        in.flags = PYFFIPAR_READ;
        in.core_ndim = 1;
        in.core_shape = &shape;
        in.core_strides = &stride;
        in.factor = 1;
        in.offset = before + after;
        in.step = step;
        in.shift = before * 8;
        in.boundary = boundary;
        in.before = before;
        in.extent = length;
        in.value.i = 9;
        arguments[2].step = 8;
    }
    halo(const halo &) = delete;
    halo &operator=(const halo &) = delete;
};

void halos_are_made_up_where_they_stick_out() {
    const foreign function(digits, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    for (const std::int32_t boundary : boundaries) {
        for (const std::int64_t length : {1, 2, 3, 4, 5, 17}) {
            std::vector<std::int64_t> x(static_cast<std::size_t>(length));
            std::vector<std::int16_t> spread(x.size() * 3); // every third, backwards, of another type
            for (std::size_t i = 0; i < x.size(); ++i) {
                x[i] = static_cast<std::int64_t>(1 + i % 8);
                spread[(x.size() - 1 - i) * 3] = static_cast<std::int16_t>(x[i]);
            }
            for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{2}, std::int64_t{5}, length}) {
                for (const auto kind : {PYFFIPAR_ADDRESS, PYFFIPAR_BUFFER}) {
                    std::vector<std::int64_t> y(x.size(), -1);
                    const bool is_buffer = kind == PYFFIPAR_BUFFER;
                    const void *base = x.data();
                    if (is_buffer) {
                        base = spread.data() + (x.size() - 1) * 3;
                    }
                    halo described(kind, boundary, is_buffer ? PYFFIPAR_I16 : PYFFIPAR_I64, base, length,
                                   is_buffer ? -6 : 8, y.data());
                    pyffipar_job job = job_of(function, described.arguments, {});
                    cut(job, length, chunk);
                    run(job);
                    check(y == wanted_digits(boundary, x), "as if the array were longer");
                }
            }
        }
    }
}

const std::int64_t *seen[3];
void remember(std::int64_t n, const std::int64_t *x, std::int64_t *y) { seen[y[0]] = x + 0 * n; }

void in_the_middle_nothing_is_copied() {
    std::vector<std::int64_t> x(30);
    std::vector<std::int64_t> y(30);
    y[10] = 1;
    y[20] = 2;
    const foreign function(remember, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    halo described(PYFFIPAR_ADDRESS, PYFFIPAR_WRAP, PYFFIPAR_I64, x.data(), 30, 8, y.data());
    pyffipar_job job = job_of(function, described.arguments, {});
    cut(job, 30, 10);
    run(job);
    check(seen[0] != x.data() && seen[1] == x.data() + 10 && seen[2] != x.data() + 20, "only at the ends");
}

// Two elements per item, each a row of three, for two items of the loop shape.
void copy_all(std::int64_t n, const float *x, float *y) {
    std::memcpy(y, x, static_cast<std::size_t>(2 * n + 2) * 3 * sizeof(float));
}

void rows_trail_the_cut_dimension() {
    constexpr std::int64_t length = 4; // items, of two rows each
    constexpr std::int64_t rows = 2 * length;
    const foreign function(copy_all, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    std::vector<double> x(2 * rows * 3);
    std::iota(x.begin(), x.end(), 0.0);
    const std::int64_t core_shape[] = {0, 3};
    const std::int64_t core_strides[] = {8, 8 * rows}; // in Fortran order
    const std::int64_t loop_strides[] = {8 * rows * 3};
    const std::vector<std::int64_t> two{2};
    for (const std::int32_t boundary : boundaries) {
        std::vector<float> y(2 * length * 4 * 3, -1);
        std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I64),
                                                 argument(PYFFIPAR_BUFFER, PYFFIPAR_F32, x.data()),
                                                 argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, y.data())};
        pyffipar_argument &in = arguments[1];
        in.element = PYFFIPAR_F64;
        in.flags = PYFFIPAR_READ;
        in.core_ndim = 2;
        in.core_shape = core_shape;
        in.core_strides = core_strides;
        in.loop_strides = loop_strides;
        in.factor = 2;
        in.offset = 2;
        in.step = 16;
        in.boundary = boundary;
        in.before = 1;
        in.extent = rows;
        in.value.f = 0.5f;
        arguments[2].slot = 4 * 3 * 4;
        pyffipar_job job = job_of(function, arguments, two);
        cut(job, length, 1);
        run(job);
        for (std::int64_t k = 0; k < 2 * length * 12; ++k) {
            const std::int64_t call = k / 12;
            const std::int64_t item = call / length;
            const std::int64_t row = element_at(boundary, 2 * (call % length) - 1 + k % 12 / 3, rows);
            const std::int64_t place = (item * 3 + k % 3) * rows + row;
            const float wanted = row < 0 ? 0.5f : static_cast<float>(x[static_cast<std::size_t>(place)]);
            check(y[static_cast<std::size_t>(k)] == wanted, "each row whole");
        }
    }
}

void half_precision_is_filled_too() {
    std::uint16_t x[] = {0x3c00};
    std::uint16_t out[3] = {};
    const auto copy = +[](const std::uint16_t *from, std::uint16_t *to) { std::memcpy(to, from, 6); };
    const foreign function(copy, PYFFIPAR_VOID, {PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    const std::int64_t shape[] = {0};
    const std::int64_t stride[] = {2};
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_ADDRESS, PYFFIPAR_F16, x),
                                             argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, out)};
    pyffipar_argument &in = arguments[0];
    in.core_ndim = 1;
    in.core_shape = shape;
    in.core_strides = stride;
    in.factor = 1;
    in.offset = 2;
    in.step = 2;
    in.boundary = PYFFIPAR_FILL;
    in.before = 1;
    in.extent = 1;
    in.value.d = 2.0;
    pyffipar_job job = job_of(function, arguments, {});
    cut(job, 1, 1);
    run(job);
    check(out[0] == 0x4000 && out[1] == 0x3c00 && out[2] == 0x4000, "two, one, two");
}

template <typename change_type>
void refused(const char *wanted, change_type &&change) {
    std::int64_t x[5] = {};
    std::int64_t y[5] = {};
    const foreign function(digits, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER, PYFFIPAR_POINTER});
    halo described(PYFFIPAR_ADDRESS, PYFFIPAR_REFLECT, PYFFIPAR_I64, x, 5, 8, y);
    change(described);
    pyffipar_job job = job_of(function, described.arguments, {});
    cut(job, 5, 5);
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_INVALID, wanted);
    check(std::strstr(pyffipar_last_error(), wanted) != nullptr, pyffipar_last_error());
}

void boundaries_that_make_no_sense_are_refused() {
    refused("argument 1: unknown boundary", [](halo &it) { it.arguments[1].boundary = 6; });
    refused("a boundary needs factor", [](halo &it) { it.arguments[1].factor = 0; });
    refused("before is negative", [](halo &it) { it.arguments[1].before = -1; });
    refused("extent is negative", [](halo &it) { it.arguments[1].extent = -1; });
    refused("an empty array has no elements", [](halo &it) { it.arguments[1].extent = 0; });
    refused("base is null", [](halo &it) { it.arguments[1].base = nullptr; });
    refused("nothing is written", [](halo &it) { it.arguments[1].flags = PYFFIPAR_WRITTEN; });
    refused("must be a BUFFER", [](halo &it) { it.stride = 16; });
    refused("must be a BUFFER", [](halo &it) { it.arguments[1].element = PYFFIPAR_I32; });
    refused("must be a BUFFER", [](halo &it) { it.arguments[1].flags = PYFFIPAR_SWAPPED; });
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"places_beyond_the_ends_are_as_the_header_says", places_beyond_the_ends_are_as_the_header_says},
        {"halos_are_made_up_where_they_stick_out", halos_are_made_up_where_they_stick_out},
        {"in_the_middle_nothing_is_copied", in_the_middle_nothing_is_copied},
        {"rows_trail_the_cut_dimension", rows_trail_the_cut_dimension},
        {"half_precision_is_filled_too", half_precision_is_filled_too},
        {"boundaries_that_make_no_sense_are_refused", boundaries_that_make_no_sense_are_refused},
    });
}
