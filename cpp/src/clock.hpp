// Time as whole nanoseconds, and what a spinning thread does between two looks.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

#if defined(__APPLE__)
#include <time.h>
#endif
#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__)
#include <immintrin.h>
#endif

namespace pyffipar {

using nanoseconds = std::int64_t;
constexpr nanoseconds never = std::numeric_limits<nanoseconds>::max();

inline nanoseconds now() noexcept {
    using namespace std::chrono;
    return duration_cast<std::chrono::nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// The time by the clock that Python's time.monotonic_ns() reads: what both halves note goes together.
inline nanoseconds timestamp() noexcept {
#if defined(__APPLE__)
    return static_cast<nanoseconds>(
        clock_gettime_nsec_np(CLOCK_UPTIME_RAW)); // std::chrono's counts sleep, too
#else
    return now();
#endif
}

// When `span` will be over that began at `start`; `never` stays never.
inline nanoseconds later(nanoseconds start, nanoseconds span) noexcept {
    return span > never - start ? never : start + span;
}

inline nanoseconds after(nanoseconds span) noexcept { return span == never ? never : later(now(), span); }

inline void pause_briefly() noexcept {
#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory"); // "yield" does nothing on most cores
#endif
}

// Look at `ready` until it says yes or `span` is over.
template <typename predicate>
bool spin_until(nanoseconds span, predicate &&ready) {
    constexpr int looks_per_clock = 32; // a look at the clock costs as much as several at the predicate
    const nanoseconds end = after(span);
    do {
        for (int look = 0; look < looks_per_clock; ++look) {
            if (ready()) {
                return true;
            }
            pause_briefly();
        }
    } while (now() < end);
    return ready();
}

} // namespace pyffipar
