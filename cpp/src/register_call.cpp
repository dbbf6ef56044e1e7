// The register call: integer and floating arguments are numbered apart, so their order among each other is
// lost and one function type does for all signatures.
#include "register_call.hpp"

#include <cstring>
#include <type_traits>
#include <utility>

#include "scalar_types.hpp"

namespace pyffipar {
namespace {

#if defined(__x86_64__) && !defined(_WIN32)
constexpr register_file registers{6, 8, "sysv-x86-64"};
#elif defined(__aarch64__) && !defined(_WIN32)
constexpr register_file registers{8, 8, "aapcs64"};
#else
constexpr register_file registers{0, 0, "none"};
#endif

template <std::size_t, typename type>
using repeated = type;

// The word's bits in a floating register: a float argument is the low half of it.
double floating_bits(word bits) noexcept {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <typename raw_type, std::size_t... integer, std::size_t... floating>
raw_type call_with(void *address, const word *frame, std::index_sequence<integer...>,
                   std::index_sequence<floating...>) {
    using function = raw_type (*)(repeated<integer, word>..., repeated<floating, double>...);
    return reinterpret_cast<function>(address)(frame[frame_layout::integers + integer]...,
                                               floating_bits(frame[frame_layout::floating + floating])...);
}

template <typename result_type, bool has_floating>
void register_call(const callable &self, word *frame) {
    using integer_registers = std::make_index_sequence<registers.integers>;
    using floating_registers = std::make_index_sequence<has_floating ? registers.floating : 0>;
    using raw_type = std::conditional_t<std::is_floating_point_v<result_type>, result_type, word>;
    const raw_type raw =
        call_with<raw_type>(self.address(), frame, integer_registers{}, floating_registers{});
    word *to = frame + frame_layout::result;
    if constexpr (std::is_floating_point_v<result_type>) {
        std::memcpy(to, &raw, sizeof raw);
    } else if constexpr (std::is_same_v<result_type, bool>) {
        *to = (raw & 0xff) != 0 ? 1 : 0; // the convention defines the low byte only
    } else {
        *to = static_cast<word>(static_cast<std::int64_t>(static_cast<result_type>(raw)));
    }
}

} // namespace

const register_file argument_registers = registers;

callable::invoke_function find_register_call(std::int32_t result, bool has_floating) noexcept {
    if (registers.integers == 0) {
        return nullptr;
    }
    if (result == PYFFIPAR_VOID) {
        result = PYFFIPAR_U64; // whatever the register holds is ignored
    }
    return with_type(result, callable::invoke_function{}, [&](auto tag) -> callable::invoke_function {
        using held = typename decltype(tag)::held;
        if constexpr (std::is_integral_v<held> || std::is_floating_point_v<held>) {
            return has_floating ? register_call<held, true> : register_call<held, false>;
        } else {
            return nullptr;
        }
    });
}

} // namespace pyffipar
