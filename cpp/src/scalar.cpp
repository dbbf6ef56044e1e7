// Conversions between element types: one small loop per pair of types and byte order, made by templates.
#include "scalar.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "scalar_types.hpp"

namespace pyffipar {
namespace {

#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words hold narrow values in their first bytes");
#endif

template <typename type>
struct is_complex_type : std::false_type {};
template <typename part>
struct is_complex_type<std::complex<part>> : std::true_type {};

template <typename type, bool swapped>
type load(const char *from) noexcept {
    if constexpr (is_complex_type<type>::value) {
        using part = typename type::value_type;
        return type(load<part, swapped>(from), load<part, swapped>(from + sizeof(part)));
    } else if constexpr (std::is_same_v<type, bool>) {
        return *from != 0; // any byte counts as a truth value; only 0 and 1 may be read as a bool
    } else {
        char bytes[sizeof(type)];
        std::memcpy(bytes, from, sizeof(type));
        if constexpr (swapped) {
            std::reverse(bytes, bytes + sizeof(type));
        }
        type value;
        std::memcpy(&value, bytes, sizeof(type));
        return value;
    }
}

template <typename type, bool swapped>
void store(char *to, type value) noexcept {
    if constexpr (is_complex_type<type>::value) {
        using part = typename type::value_type;
        store<part, swapped>(to, value.real());
        store<part, swapped>(to + sizeof(part), value.imag());
    } else {
        char bytes[sizeof(type)];
        std::memcpy(bytes, &value, sizeof(type));
        if constexpr (swapped) {
            std::reverse(bytes, bytes + sizeof(type));
        }
        std::memcpy(to, bytes, sizeof(type));
    }
}

template <typename to_type, typename from_type>
to_type convert(from_type value) noexcept {
    if constexpr (std::is_same_v<to_type, from_type>) {
        return value;
    } else if constexpr (std::is_same_v<from_type, half>) {
        return convert<to_type>(to_double(value));
    } else if constexpr (is_complex_type<from_type>::value) {
        if constexpr (std::is_same_v<to_type, bool>) {
            return value.real() != 0 || value.imag() != 0;
        } else if constexpr (is_complex_type<to_type>::value) {
            return to_type(value);
        } else {
            return convert<to_type>(value.real());
        }
    } else if constexpr (is_complex_type<to_type>::value) {
        return to_type(convert<typename to_type::value_type>(value));
    } else if constexpr (std::is_same_v<to_type, half>) {
        return to_half(static_cast<double>(value));
    } else if constexpr (std::is_same_v<to_type, bool>) {
        return value != 0;
    } else {
        return static_cast<to_type>(value);
    }
}

template <typename to_type, bool to_swapped, typename from_type, bool from_swapped>
void convert_run(char *to, std::ptrdiff_t to_step, const char *from, std::ptrdiff_t from_step,
                 std::ptrdiff_t count, std::size_t) {
    if constexpr (std::is_same_v<to_type, from_type> && to_swapped == from_swapped &&
                  !std::is_same_v<to_type, bool>) {
        constexpr auto packed = static_cast<std::ptrdiff_t>(sizeof(to_type));
        if (to_step == packed && from_step == packed) {
            std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(to_type));
            return;
        }
    }
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        const from_type value = load<from_type, from_swapped>(from + i * from_step);
        store<to_type, to_swapped>(to + i * to_step, convert<to_type>(value));
    }
}

template <bool reversed>
void copy_bytes(char *to, std::ptrdiff_t to_step, const char *from, std::ptrdiff_t from_step,
                std::ptrdiff_t count, std::size_t size) {
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        const char *source = from + i * from_step;
        if constexpr (reversed) {
            std::reverse_copy(source, source + size, to + i * to_step);
        } else {
            std::memcpy(to + i * to_step, source, size);
        }
    }
}

template <typename type>
constexpr bool is_narrow = std::is_integral_v<type> && sizeof(type) < sizeof(word);

template <typename type>
void extend_word([[maybe_unused]] word *in_place) {
    if constexpr (is_narrow<type>) {
        const auto value = load<type, false>(reinterpret_cast<const char *>(in_place));
        *in_place = static_cast<word>(static_cast<std::int64_t>(value));
    }
}

template <typename type>
void load_word(word *to, const char *from) {
    const auto value = load<type, false>(from);
    if constexpr (is_narrow<type>) {
        *to = static_cast<word>(static_cast<std::int64_t>(value));
    } else {
        std::memcpy(to, &value, sizeof value);
    }
}

template <typename type>
void store_word(char *to, const word *from) {
    std::memcpy(to, from, sizeof(type));
}

} // namespace

std::size_t size_of(std::int32_t type) noexcept {
    return with_type(type, std::size_t{0}, [](auto tag) { return sizeof(typename decltype(tag)::held); });
}

const char *name_of(std::int32_t type) noexcept {
    static constexpr const char *names[] = {
        "void",   "bool",    "int8",    "uint8",   "int16",     "uint16",     "int32",   "uint32", "int64",
        "uint64", "float16", "float32", "float64", "complex64", "complex128", "pointer", "bytes"};
    return type >= PYFFIPAR_VOID && type <= PYFFIPAR_BYTES ? names[type] : "unknown type";
}

bool is_integer(std::int32_t type) noexcept {
    return with_type(type, false, [](auto tag) { return std::is_integral_v<typename decltype(tag)::held>; });
}

bool is_signed(std::int32_t type) noexcept {
    return with_type(type, false, [](auto tag) {
        using held = typename decltype(tag)::held;
        return std::is_integral_v<held> && std::is_signed_v<held>;
    });
}

bool is_complex(std::int32_t type) noexcept {
    return with_type(type, false,
                     [](auto tag) { return is_complex_type<typename decltype(tag)::held>::value; });
}

bool is_parameter(std::int32_t type) noexcept { return size_of(type) != 0 && type != PYFFIPAR_F16; }

convert_function find_gather(std::int32_t memory, bool memory_swapped, std::int32_t value) noexcept {
    if (memory == PYFFIPAR_BYTES && value == PYFFIPAR_BYTES) {
        return memory_swapped ? copy_bytes<true> : copy_bytes<false>;
    }
    return with_type(value, convert_function{}, [&](auto value_tag) {
        using to = typename decltype(value_tag)::held;
        return with_type(memory, convert_function{}, [&](auto memory_tag) -> convert_function {
            using from = typename decltype(memory_tag)::held;
            return memory_swapped ? convert_run<to, false, from, true> : convert_run<to, false, from, false>;
        });
    });
}

convert_function find_scatter(std::int32_t value, std::int32_t memory, bool memory_swapped) noexcept {
    if (!memory_swapped || memory == PYFFIPAR_BYTES) {
        return find_gather(value, memory_swapped, memory); // the same loop, seen from the other end
    }
    return with_type(memory, convert_function{}, [&](auto memory_tag) {
        using to = typename decltype(memory_tag)::held;
        return with_type(value, convert_function{}, [&](auto value_tag) -> convert_function {
            return convert_run<to, true, typename decltype(value_tag)::held, false>;
        });
    });
}

load_function find_load(std::int32_t type) noexcept {
    return with_type(type, load_function{},
                     [](auto tag) -> load_function { return load_word<typename decltype(tag)::held>; });
}

store_function find_store(std::int32_t type) noexcept {
    return with_type(type, store_function{},
                     [](auto tag) -> store_function { return store_word<typename decltype(tag)::held>; });
}

extend_function find_extend(std::int32_t type) noexcept {
    return with_type(type, extend_function{},
                     [](auto tag) -> extend_function { return extend_word<typename decltype(tag)::held>; });
}

} // namespace pyffipar
