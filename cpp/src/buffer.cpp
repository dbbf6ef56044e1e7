// Walks over the dimensions of a buffered argument; the innermost one is left to a conversion loop.
#include "buffer.hpp"

#include <algorithm>

#include "boundary.hpp"

namespace pyffipar {
namespace {

// Elements along the leading dimension, which may be cut.
std::int64_t leading_extent(const pyffipar_argument &argument, std::int64_t length) noexcept {
    if (argument.factor != 0) {
        return std::max<std::int64_t>(0, argument.factor * length + argument.offset);
    }
    return argument.core_ndim > 0 ? argument.core_shape[0] : 1;
}

// Calls `run(offset of the first element in memory, its step, first element's number, count)` for every
// innermost row. `leading` is the extent of dimension 0.
template <typename visitor>
std::int64_t walk(const pyffipar_argument &argument, std::int64_t leading, std::int64_t dimension,
                  std::ptrdiff_t offset, std::int64_t number, visitor &&run) {
    if (argument.core_ndim == 0) {
        run(offset, std::ptrdiff_t{0}, number, std::int64_t{1});
        return 1;
    }
    const std::int64_t extent = dimension == 0 ? leading : argument.core_shape[dimension];
    const std::int64_t stride = argument.core_strides[dimension];
    if (dimension + 1 == argument.core_ndim) {
        run(offset, static_cast<std::ptrdiff_t>(stride), number, extent);
        return extent;
    }
    std::int64_t visited = 0;
    for (std::int64_t i = 0; i < extent; ++i) {
        visited += walk(argument, leading, dimension + 1, offset + static_cast<std::ptrdiff_t>(i * stride),
                        number + visited, run);
    }
    return visited;
}

// The first `rows` elements of the leading dimension, each with all that trails it.
void gather_rows(const moving_argument &argument, char *buffer, const char *address, std::int64_t rows) {
    const std::size_t size = argument.value_size;
    const auto packed = static_cast<std::ptrdiff_t>(size);
    walk(*argument.source, rows, 0, 0, 0,
         [&](std::ptrdiff_t offset, std::ptrdiff_t step, std::int64_t number, std::int64_t count) {
             argument.convert(buffer + number * packed, packed, address + offset, step,
                              static_cast<std::ptrdiff_t>(count), size);
         });
}

// What of the places [first, end) lies in the array; as numbers of rows of the buffer.
struct inner_rows {
    std::int64_t begin;
    std::int64_t end;
    std::int64_t count; // all rows
};

std::int64_t first_place(const pyffipar_argument &argument, std::int64_t start) noexcept {
    return argument.factor * start - argument.before;
}

inner_rows find_inner(const pyffipar_argument &argument, std::int64_t start, std::int64_t length) noexcept {
    const std::int64_t first = first_place(argument, start);
    const std::int64_t count = leading_extent(argument, length);
    const std::int64_t begin = std::clamp<std::int64_t>(-first, 0, count);
    return inner_rows{begin, std::clamp<std::int64_t>(argument.extent - first, begin, count), count};
}

} // namespace

std::size_t buffer_value_size(const pyffipar_argument &argument) noexcept {
    return argument.type == PYFFIPAR_BYTES ? static_cast<std::size_t>(argument.element_size)
                                           : size_of(argument.type);
}

std::size_t padded_buffer_size(const pyffipar_argument &argument, std::int64_t length) {
    auto size = static_cast<std::int64_t>(buffer_value_size(argument));
    size = checked_product(size, leading_extent(argument, length), "bytes of a buffer");
    for (std::int64_t d = 1; d < argument.core_ndim; ++d) {
        size = checked_product(size, argument.core_shape[d], "bytes of a buffer");
    }
    constexpr std::size_t line = arena::alignment;
    return (static_cast<std::size_t>(size) + line - 1) / line * line;
}

void gather(const moving_argument &argument, char *buffer, const char *address, std::int64_t length) {
    gather_rows(argument, buffer, address, leading_extent(*argument.source, length));
}

void scatter(const moving_argument &argument, const char *buffer, char *address, std::int64_t length) {
    const std::size_t size = argument.value_size;
    const auto packed = static_cast<std::ptrdiff_t>(size);
    walk(*argument.source, leading_extent(*argument.source, length), 0, 0, 0,
         [&](std::ptrdiff_t offset, std::ptrdiff_t step, std::int64_t number, std::int64_t count) {
             argument.convert_back(address + offset, step, buffer + number * packed, packed,
                                   static_cast<std::ptrdiff_t>(count), size);
         });
}

bool is_inside(const pyffipar_argument &argument, std::int64_t start, std::int64_t length) noexcept {
    const inner_rows inner = find_inner(argument, start, length);
    return inner.begin == 0 && inner.end == inner.count;
}

void gather_beyond(const moving_argument &argument, char *buffer, const char *address, std::int64_t start,
                   std::int64_t length) {
    const pyffipar_argument &source = *argument.source;
    const std::int64_t first = first_place(source, start);
    const inner_rows inner = find_inner(source, start, length);
    const std::int64_t elements = argument.row_elements;
    const auto packed = static_cast<std::ptrdiff_t>(argument.value_size);
    // As integers: between the ends and the first element covered there may be no array to point into.
    const auto address_of = [&](std::int64_t row) {
        return reinterpret_cast<const char *>(reinterpret_cast<std::uintptr_t>(address) +
                                              static_cast<std::uintptr_t>(row) *
                                                  static_cast<std::uintptr_t>(source.core_strides[0]));
    };
    const auto make_up = [&](std::int64_t row) {
        char *const to = buffer + row * elements * packed;
        const std::int64_t place = element_at(source.boundary, first + row, source.extent);
        if (place >= 0) {
            gather_rows(argument, to, address_of(place - first), 1);
        } else {
            argument.fill(to, packed, reinterpret_cast<const char *>(&source.value), 0,
                          static_cast<std::ptrdiff_t>(elements), argument.value_size);
        }
    };
    for (std::int64_t row = 0; row < inner.begin; ++row) {
        make_up(row);
    }
    gather_rows(argument, buffer + inner.begin * elements * packed, address_of(inner.begin),
                inner.end - inner.begin);
    for (std::int64_t row = inner.end; row < inner.count; ++row) {
        make_up(row);
    }
}

} // namespace pyffipar
