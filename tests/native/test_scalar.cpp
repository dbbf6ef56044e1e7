// Conversions between element types: all pairs, both byte orders, odd addresses and steps.
#include <algorithm>
#include <complex>
#include <cstring>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "scalar.hpp"
#include "scalar_types.hpp"

using namespace pyffipar;
using testing::check;

namespace {

template <typename type>
constexpr bool is_complex_type =
    std::is_same_v<type, std::complex<float>> || std::is_same_v<type, std::complex<double>>;

// A small number as a value of any type; what the conversions are measured against.
template <typename type>
type make(int number) {
    if constexpr (std::is_same_v<type, half>) {
        return to_half(number);
    } else if constexpr (is_complex_type<type>) {
        using part = typename type::value_type;
        return type(static_cast<part>(number), static_cast<part>(number == 0 ? 0 : 7));
    } else {
        return static_cast<type>(number);
    }
}

// What `from` made of `number` should be as a `to`.
template <typename to, typename from>
to expected(int number) {
    const bool one_bit = std::is_same_v<from, bool>;
    const int seen = one_bit ? (number != 0 ? 1 : 0) : number;
    if constexpr (is_complex_type<to> && !is_complex_type<from>) {
        return to(static_cast<typename to::value_type>(seen), 0);
    } else {
        return make<to>(seen);
    }
}

void swap_parts(char *bytes, std::size_t size, bool is_pair) {
    const std::size_t part = is_pair ? size / 2 : size;
    for (std::size_t at = 0; at < size; at += part) {
        std::reverse(bytes + at, bytes + at + part);
    }
}

constexpr int numbers[] = {0, 1, 2, 100, 127};
constexpr int count = 5;

template <typename to, typename from>
void check_pair(convert_function convert, bool from_swapped, bool to_swapped) {
    check(convert != nullptr, "there is a conversion for every pair");
    // One byte off alignment, with gaps between the elements.
    constexpr std::size_t from_step = sizeof(from) + 3;
    constexpr std::size_t to_step = sizeof(to) + 5;
    std::vector<char> source(1 + count * from_step);
    std::vector<char> target(1 + count * to_step, 'x');
    for (std::size_t i = 0; i < count; ++i) {
        const from value = make<from>(numbers[i]);
        std::memcpy(source.data() + 1 + i * from_step, &value, sizeof value);
        if (from_swapped) {
            swap_parts(source.data() + 1 + i * from_step, sizeof value, is_complex_type<from>);
        }
    }
    convert(target.data() + 1, to_step, source.data() + 1, from_step, count, 0);
    for (std::size_t i = 0; i < count; ++i) {
        to wanted = expected<to, from>(numbers[i]);
        char bytes[sizeof(to)];
        std::memcpy(bytes, &wanted, sizeof wanted);
        if (to_swapped) {
            swap_parts(bytes, sizeof wanted, is_complex_type<to>);
        }
        check(std::memcmp(target.data() + 1 + i * to_step, bytes, sizeof bytes) == 0, "the converted value");
        check(i + 1 == count || target[1 + i * to_step + sizeof(to)] == 'x', "nothing between is written");
    }
}

void all_pairs_in_both_byte_orders() {
    int pairs = 0;
    for (int to = PYFFIPAR_BOOL; to <= PYFFIPAR_POINTER; ++to) {
        for (int from = PYFFIPAR_BOOL; from <= PYFFIPAR_POINTER; ++from) {
            pairs += with_type(to, 0, [&](auto to_tag) {
                return with_type(from, 0, [&](auto from_tag) {
                    using to_type = typename decltype(to_tag)::held;
                    using from_type = typename decltype(from_tag)::held;
                    check_pair<to_type, from_type>(find_gather(from, false, to), false, false);
                    check_pair<to_type, from_type>(find_gather(from, true, to), true, false);
                    check_pair<to_type, from_type>(find_scatter(from, to, false), false, false);
                    check_pair<to_type, from_type>(find_scatter(from, to, true), false, true);
                    return 1;
                });
            });
        }
    }
    check(pairs == 15 * 15, "every pair was looked at");
}

void bytes_are_copied_or_reversed() {
    const char source[] = "abcdefghi";
    char target[9];
    find_gather(PYFFIPAR_BYTES, false, PYFFIPAR_BYTES)(target, 3, source, 3, 3, 3);
    check(std::memcmp(target, "abcdefghi", 9) == 0, "copied");
    find_scatter(PYFFIPAR_BYTES, PYFFIPAR_BYTES, true)(target, 3, source + 6, -3, 3, 3);
    check(std::memcmp(target, "ihgfedcba", 9) == 0, "reversed, and backwards");
    check(find_gather(PYFFIPAR_BYTES, false, PYFFIPAR_I32) == nullptr, "bytes are nothing else");
    check(find_gather(PYFFIPAR_VOID, false, PYFFIPAR_I32) == nullptr, "nothing is nothing");
}

void any_byte_is_a_truth_value() {
    const unsigned char odd[] = {0, 1, 2, 255};
    char seen[4];
    find_gather(PYFFIPAR_BOOL, false, PYFFIPAR_BOOL)(seen, 1, reinterpret_cast<const char *>(odd), 1, 4, 0);
    check(seen[0] == 0 && seen[1] == 1 && seen[2] == 1 && seen[3] == 1, "normalised");
}

void narrow_integers_fill_their_word() {
    const std::int8_t minus_one = -1;
    word slot = 0;
    find_load(PYFFIPAR_I8)(&slot, reinterpret_cast<const char *>(&minus_one));
    check(static_cast<std::int64_t>(slot) == -1, "sign extended");
    find_load(PYFFIPAR_U8)(&slot, reinterpret_cast<const char *>(&minus_one));
    check(slot == 255, "zero extended");
    slot = 0xffff'ffff'8000'1234;
    find_extend(PYFFIPAR_U16)(&slot);
    check(slot == 0x1234, "what lies above is cleared");
    slot = 0x8000'0000;
    find_extend(PYFFIPAR_I32)(&slot);
    check(slot == 0xffff'ffff'8000'0000, "what lies above is the sign");
}

} // namespace

int main() {
    return testing::run_all({
        {"all_pairs_in_both_byte_orders", all_pairs_in_both_byte_orders},
        {"bytes_are_copied_or_reversed", bytes_are_copied_or_reversed},
        {"any_byte_is_a_truth_value", any_byte_is_a_truth_value},
        {"narrow_integers_fill_their_word", narrow_integers_fill_their_word},
    });
}
