// Calls whose arguments all fit in registers: a cast to a function that takes every argument register there
// is.
#pragma once

#include <cstdint>

#include "call.hpp"

namespace pyffipar {

// How many registers of each kind the calling convention fills; none where it is not one we know.
struct register_file {
    std::size_t integers;
    std::size_t floating;
    const char *name;
};
extern const register_file argument_registers;

// The function that calls with the registers of a frame, or null if there is none for this type of result.
callable::invoke_function find_register_call(std::int32_t result, bool has_floating) noexcept;

} // namespace pyffipar
