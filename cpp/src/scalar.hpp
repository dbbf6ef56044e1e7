// Element types: their sizes, their place in a 64-bit word, and conversions between any two of them in
// memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pyffipar.h"

namespace pyffipar {

// A place for one value of a call: narrow integers fill it extended, a float takes its low half, a double
// _Complex takes two in a row.
using word = std::uint64_t;

// Bytes of one value; 0 for VOID, BYTES and anything unknown.
std::size_t size_of(std::int32_t type) noexcept;

// "int32_t" and the like, for messages.
const char *name_of(std::int32_t type) noexcept;

// BOOL and POINTER count as unsigned integers here: that is how they are passed.
bool is_integer(std::int32_t type) noexcept;
bool is_signed(std::int32_t type) noexcept;
bool is_complex(std::int32_t type) noexcept;

// What an argument or a result may be: anything but F16 and BYTES, and VOID only as a result.
bool is_parameter(std::int32_t type) noexcept;

// Copies `count` elements, converting each; steps are in bytes, addresses may be misaligned. `size` is the
// size of an element and only looked at for BYTES. Overlapping memory is not allowed.
using convert_function = void (*)(char *to, std::ptrdiff_t to_step, const char *from,
                                  std::ptrdiff_t from_step, std::ptrdiff_t count, std::size_t size);

// Elements in memory and values as a function sees them: `memory_swapped` says the first are in the other
// byte order. Null if there is no such conversion. A value that does not fit is the business of whoever asks.
convert_function find_gather(std::int32_t memory, bool memory_swapped, std::int32_t value) noexcept;
convert_function find_scatter(std::int32_t value, std::int32_t memory, bool memory_swapped) noexcept;

// Between memory and a word, where both are of the same type in native order.
using load_function = void (*)(word *to, const char *from);
using store_function = void (*)(char *to, const word *from);
load_function find_load(std::int32_t type) noexcept;
store_function find_store(std::int32_t type) noexcept;

// Extends the narrow value at the start of a word to the whole of it; leaves wide ones alone.
using extend_function = void (*)(word *in_place);
extend_function find_extend(std::int32_t type) noexcept;

} // namespace pyffipar
