// A worker's own copy of one argument: elements gathered from an array of any strides, and scattered back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plan.hpp"

namespace pyffipar {

// Bytes of one element in the buffer.
std::size_t buffer_value_size(const pyffipar_argument &argument) noexcept;

// Bytes of the buffer for a chunk of `length` items, rounded up to whole cache lines. Throws where that
// overflows.
std::size_t padded_buffer_size(const pyffipar_argument &argument, std::int64_t length);

// Between the array at `address` and the packed `buffer`, for a chunk of `length` items.
void gather(const moving_argument &argument, char *buffer, const char *address, std::int64_t length);
void scatter(const moving_argument &argument, const char *buffer, char *address, std::int64_t length);

// Whether a chunk of `length` items from `start` on reads nothing beyond the ends of the array.
bool is_inside(const pyffipar_argument &argument, std::int64_t start, std::int64_t length) noexcept;

// As gather(), where it does: elements beyond the ends are made up. `address` is where the first element
// covered would lie.
void gather_beyond(const moving_argument &argument, char *buffer, const char *address, std::int64_t start,
                   std::int64_t length);

} // namespace pyffipar
