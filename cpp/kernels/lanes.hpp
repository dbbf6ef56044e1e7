// A line of 64 bytes as lanes: the same lanes, in the same order, whatever registers the CPU has.
//
// Everything here has internal linkage on purpose: each translation unit that includes it is compiled for
// another CPU, and the linker must not take one's code for the other's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace pyffipar {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t register_bytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t register_bytes = 32;
#else
constexpr std::size_t register_bytes = 16; // SSE2, NEON
#endif
constexpr std::size_t line_bytes = 64;
constexpr std::size_t registers = line_bytes / register_bytes;

// Runs `body` with 0, 1, … as constants: compilers keep arrays in registers only where every index is known
// early.
template <typename body_type, std::size_t... index>
[[gnu::always_inline]] inline void unroll_over(body_type &&body, std::index_sequence<index...>) noexcept {
    (body(std::integral_constant<std::size_t, index>{}), ...);
}

template <std::size_t count, typename body_type>
[[gnu::always_inline]] inline void unrolled(body_type &&body) noexcept {
    unroll_over(body, std::make_index_sequence<count>{});
}

// Ask memory for what will be read soon. The processor asks early by itself only while it has little else to
// do: a kernel that does more than to add would wait for every line. Addresses past the end do no harm.
inline void fetch_ahead(const void *from) noexcept {
    constexpr std::uintptr_t apart = 1024;
    __builtin_prefetch(reinterpret_cast<const void *>(reinterpret_cast<std::uintptr_t>(from) + apart));
}

template <typename element>
using pack __attribute__((vector_size(register_bytes))) = element;

template <typename element>
struct line {
    static constexpr std::size_t lanes = line_bytes / sizeof(element);
    pack<element> part[registers];

    static line load(const element *from) noexcept {
        fetch_ahead(from);
        line loaded;
        unrolled<registers>([&](auto i) { // addresses may be misaligned
            std::memcpy(&loaded.part[i], from + i * (lanes / registers), register_bytes);
        });
        return loaded;
    }

    static line fill(element value) noexcept {
        line filled;
        // x - 0 keeps -0.0, x + 0 would not
        unrolled<registers>([&](auto i) { filled.part[i] = value - pack<element>{}; });
        return filled;
    }

    void store(element *to) const noexcept {
        unrolled<registers>(
            [&](auto i) { std::memcpy(to + i * (lanes / registers), &part[i], register_bytes); });
    }
};

// What comparing two lines gives: all bits of a lane set or none.
template <typename element>
using signed_of = std::conditional_t<
    sizeof(element) == 1, std::int8_t,
    std::conditional_t<sizeof(element) == 2, std::int16_t,
                       std::conditional_t<sizeof(element) == 4, std::int32_t, std::int64_t>>>;

template <typename element>
line<element> operator+(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] + b.part[i]; });
    return r;
}

template <typename element>
line<element> operator-(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] - b.part[i]; });
    return r;
}

template <typename element>
line<element> operator*(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] * b.part[i]; });
    return r;
}

template <typename element>
line<element> operator|(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] | b.part[i]; });
    return r;
}

template <typename element>
line<element> operator^(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] ^ b.part[i]; });
    return r;
}

// Where `a` is less the lane of `a`, else that of `b`: also where they are equal or one is NaN.
template <typename element>
line<element> lesser(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] < b.part[i] ? a.part[i] : b.part[i]; });
    return r;
}

template <typename element>
line<element> greater(const line<element> &a, const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = a.part[i] > b.part[i] ? a.part[i] : b.part[i]; });
    return r;
}

template <typename element>
line<signed_of<element>> is_nan(const line<element> &a) noexcept {
    line<signed_of<element>> r;
    unrolled<registers>([&](auto i) {
        r.part[i] = __builtin_convertvector(a.part[i] != a.part[i], pack<signed_of<element>>);
    });
    return r;
}

// Lanes of `a` where `mask` is set, of `b` elsewhere.
template <typename element>
line<element> choose(const line<signed_of<element>> &mask, const line<element> &a,
                     const line<element> &b) noexcept {
    line<element> r;
    unrolled<registers>([&](auto i) { r.part[i] = mask.part[i] ? a.part[i] : b.part[i]; });
    return r;
}

// The bits of a line as integers.
inline line<std::uint64_t> bits(const line<double> &a) noexcept {
    line<std::uint64_t> r;
    unrolled<registers>([&](auto i) { std::memcpy(&r.part[i], &a.part[i], register_bytes); });
    return r;
}

template <typename element>
bool any_set(const line<element> &a) noexcept {
    std::uint64_t words[line_bytes / sizeof(std::uint64_t)];
    std::memcpy(words, a.part, line_bytes);
    std::uint64_t all = 0;
    for (const std::uint64_t word : words) {
        all |= word;
    }
    return all != 0;
}

} // namespace
} // namespace pyffipar
