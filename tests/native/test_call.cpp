// Both ways of calling against calls the compiler makes, for signatures of many shapes.
#include <cmath>
#include <complex>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "call.hpp"
#include "check.hpp"
#include "register_call.hpp"
#include "status.hpp"

using namespace pyffipar;
using testing::check;

namespace {

template <typename type>
constexpr std::int32_t code() {
    if constexpr (std::is_void_v<type>) {
        return PYFFIPAR_VOID;
    } else if constexpr (std::is_same_v<type, bool>) {
        return PYFFIPAR_BOOL;
    } else if constexpr (std::is_pointer_v<type>) {
        return PYFFIPAR_POINTER;
    } else if constexpr (std::is_same_v<type, float>) {
        return PYFFIPAR_F32;
    } else if constexpr (std::is_same_v<type, double>) {
        return PYFFIPAR_F64;
    } else if constexpr (std::is_integral_v<type>) {
        constexpr int width = sizeof(type) == 1 ? 0 : sizeof(type) == 2 ? 1 : sizeof(type) == 4 ? 2 : 3;
        return PYFFIPAR_I8 + 2 * width + (std::is_unsigned_v<type> ? 1 : 0);
    } else {
        return sizeof(type) == 8 ? PYFFIPAR_C64 : PYFFIPAR_C128;
    }
}

// A different number for every argument whatever its order: what a function saw is a sum with prime weights.
constexpr int weights[] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31,
                           37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79};

template <typename type>
double as_double(type value) {
    if constexpr (std::is_pointer_v<type>) {
        return static_cast<double>(reinterpret_cast<std::uintptr_t>(value) & 0xffff);
    } else if constexpr (std::is_arithmetic_v<type>) {
        return static_cast<double>(value);
    } else {
        return static_cast<double>(value.real()) + 3.0 * static_cast<double>(value.imag());
    }
}

double seen = 0;

template <typename result, typename... arguments>
struct function {
    static result body(arguments... values) {
        int index = 0;
        double sum = 0;
        ((sum += weights[index++] * as_double(values)), ...);
        seen = sum;
        if constexpr (!std::is_void_v<result>) {
            return make_result();
        }
    }

    static auto make_result() {
        if constexpr (std::is_void_v<result>) {
            return 0;
        } else if constexpr (std::is_pointer_v<result>) {
            return static_cast<result>(&seen);
        } else if constexpr (std::is_same_v<result, bool>) {
            return std::fmod(seen, 2) != 0;
        } else if constexpr (std::is_integral_v<result>) {
            return static_cast<result>(-3); // the sign bit is set, so that wrong extension shows
        } else {
            return static_cast<result>(static_cast<float>(seen) / 2);
        }
    }
};

std::mt19937 random_numbers(12345);

template <typename type>
type random_value() {
    const int number = static_cast<int>(random_numbers() % 2000) - 1000;
    if constexpr (std::is_pointer_v<type>) {
        return reinterpret_cast<type>(static_cast<std::uintptr_t>(number + 5000));
    } else if constexpr (std::is_same_v<type, bool>) {
        return number > 0;
    } else if constexpr (std::is_arithmetic_v<type>) {
        return static_cast<type>(number);
    } else {
        using part = typename type::value_type;
        return type(static_cast<part>(number), static_cast<part>(2 * number));
    }
}

template <typename result, typename... arguments>
void check_path(call_path path) {
    auto *address = reinterpret_cast<void *>(&function<result, arguments...>::body);
    const callable target(address, code<result>(), {code<arguments>()...}, path);
    std::vector<word> frame(target.frame_words());
    target.prepare(frame.data());
    const std::tuple<arguments...> values{random_value<arguments>()...};
    std::apply(function<result, arguments...>::body, values);
    const double wanted = seen;
    std::size_t index = 0;
    const auto put = [&](auto value) {
        word *slot = frame.data() + target.slot(index++);
        std::memcpy(slot, &value, sizeof value);
        find_extend(code<decltype(value)>())(slot);
    };
    static_cast<void>(put);
    std::apply([&](auto... value) { (put(value), ...); }, values);
    seen = 0;
    target.invoke(frame.data());
    check(seen == wanted, "every argument arrived");
    if constexpr (!std::is_void_v<result>) {
        const result returned = function<result, arguments...>::make_result();
        word extended[2] = {0, 0};
        std::memcpy(extended, &returned, sizeof returned);
        find_extend(code<result>())(extended);
        check(std::memcmp(extended, frame.data() + frame_layout::result, sizeof returned) == 0, "the result");
        check(!std::is_integral_v<result> || extended[0] == frame[frame_layout::result],
              "extended to its word");
    }
}

template <typename result, typename... arguments>
void both_ways() {
    for (int round = 0; round < 20; ++round) {
        check_path<result, arguments...>(call_path::cheapest);
        check_path<result, arguments...>(call_path::libffi);
    }
}

using i8 = std::int8_t;
using u8 = std::uint8_t;
using i16 = std::int16_t;
using u16 = std::uint16_t;
using i32 = std::int32_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;
using u64 = std::uint64_t;
using c64 = std::complex<float>;
using c128 = std::complex<double>;
using pointer = double *;

void every_type_as_argument() {
    both_ways<double, bool, i8, u8, i16, u16, i32>();
    both_ways<double, u32, i64, u64, pointer>();
    both_ways<double, float, double, float, double, float, double, float, double>();
}

void every_type_as_result() {
    both_ways<void, i32>();
    both_ways<bool, i32>();
    both_ways<i8, double>();
    both_ways<u8, double>();
    both_ways<i16, double>();
    both_ways<u16, double>();
    both_ways<i32, double>();
    both_ways<u32, double>();
    both_ways<i64, double>();
    both_ways<u64, double>();
    both_ways<float, double>();
    both_ways<double, float>();
    both_ways<pointer, double>();
    both_ways<c64, double>();
    both_ways<c128, double>();
}

void kinds_mixed_in_any_order() {
    both_ways<double, float, i8, double, u16, float, pointer>();
    both_ways<i32, i8, double, u8, float, i16, double, u16, float, i32, double, u32, float>();
    both_ways<float, double, double, i64, i64, double, double, i32, i32, float, float, u8, u8, float,
              float>();
}

void none_at_all() { both_ways<i32>(); }

void more_than_there_are_registers() {
    both_ways<double, i8, i16, i32, i64, u8, u16, u32, u64, i8, i16>();
    both_ways<double, float, double, float, double, float, double, float, double, float, double, float>();
    both_ways<u8, i32, double, i32, double, i32, double, i32, double, i32, double, i32, double, i32, double,
              i32, double, i32, double, i32, float>();
}

void complex_arguments() {
    both_ways<double, c64, i32, c128, double>();
    both_ways<c128, c128, c128, c64, c64, c128, c128>();
}

void paths_are_chosen_and_insisted_on() {
    auto *address = reinterpret_cast<void *>(&function<double, double>::body);
    const bool has_registers = argument_registers.integers > 0;
    check(callable(address, PYFFIPAR_F64, {PYFFIPAR_F64}, call_path::cheapest).uses_registers() ==
              has_registers,
          "registers where possible");
    check(!callable(address, PYFFIPAR_F64, {PYFFIPAR_F64}, call_path::libffi).uses_registers(),
          "libffi if told so");
    const std::vector<std::int32_t> many(9, PYFFIPAR_I32);
    check(!callable(address, PYFFIPAR_VOID, many, call_path::cheapest).uses_registers(),
          "libffi where needed");
    testing::check_throws<refused>([&] { callable(address, PYFFIPAR_VOID, many, call_path::registers); },
                                   "refused");
    testing::check_throws<refused>([&] { callable(nullptr, PYFFIPAR_VOID, {}, call_path::cheapest); },
                                   "null");
    testing::check_throws<refused>([&] { callable(address, PYFFIPAR_F16, {}, call_path::cheapest); }, "half");
    testing::check_throws<refused>(
        [&] { callable(address, PYFFIPAR_VOID, {PYFFIPAR_VOID}, call_path::cheapest); }, "void");
}

void throw_something() { throw std::runtime_error("thrown"); }

void exceptions_pass_through() {
    for (const call_path path : {call_path::cheapest, call_path::libffi}) {
        const callable target(reinterpret_cast<void *>(&throw_something), PYFFIPAR_VOID, {}, path);
        std::vector<word> frame(target.frame_words());
        target.prepare(frame.data());
        testing::check_throws<std::runtime_error>([&] { target.invoke(frame.data()); }, "it arrives");
    }
}

} // namespace

int main() {
    return testing::run_all({
        {"every_type_as_argument", every_type_as_argument},
        {"every_type_as_result", every_type_as_result},
        {"kinds_mixed_in_any_order", kinds_mixed_in_any_order},
        {"none_at_all", none_at_all},
        {"more_than_there_are_registers", more_than_there_are_registers},
        {"complex_arguments", complex_arguments},
        {"paths_are_chosen_and_insisted_on", paths_are_chosen_and_insisted_on},
        {"exceptions_pass_through", exceptions_pass_through},
    });
}
