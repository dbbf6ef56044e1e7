// Cache lines set in motion before anybody waits for them: several come in the time of one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyffipar {

constexpr std::size_t cache_line = 64;

// Numbers, not pointers: nothing is read here, and what an address was of may be gone.
using line_address = std::uintptr_t;

inline line_address address_of(const void *object) noexcept { return reinterpret_cast<line_address>(object); }

inline void fetch_to_read(line_address first, std::size_t lines) noexcept {
#if defined(__GNUC__)
    for (std::size_t line = 0; line < lines; ++line) {
        __builtin_prefetch(reinterpret_cast<const void *>(first + line * cache_line), 0);
    }
#endif
}

inline void fetch_to_write(line_address first) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(reinterpret_cast<const void *>(first), 1);
#endif
}

} // namespace pyffipar
