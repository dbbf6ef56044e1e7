// A foreign function prepared for calling: where each argument lies in a frame, and the cheapest way to make
// the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "scalar.hpp"

namespace pyffipar {

// A frame is an array of words: [integer registers | floating registers | result | what fits in no register].
// The first part is as long on every machine, so that both ways of calling read the same frame.
namespace frame_layout {
constexpr std::size_t integers = 0;
constexpr std::size_t integer_count = 8;
constexpr std::size_t floating = integers + integer_count;
constexpr std::size_t floating_count = 8;
constexpr std::size_t result = floating + floating_count;
constexpr std::size_t overflow = result + 2; // a result has up to 16 bytes
} // namespace frame_layout

enum class call_path : std::int32_t { cheapest = 0, libffi = 1, registers = 2 };

class libffi_interface;

class callable {
  public:
    // Throws `refused` for types a C function cannot have, or where `registers` is insisted on and
    // impossible.
    callable(void *address, std::int32_t result, std::vector<std::int32_t> types, call_path path);
    ~callable();
    callable(callable &&) noexcept;
    callable &operator=(callable &&) = delete;

    void *address() const noexcept { return address_; }
    std::int32_t result() const noexcept { return result_; }
    const std::vector<std::int32_t> &types() const noexcept { return types_; }
    std::size_t slot(std::size_t argument) const noexcept { return slots_[argument]; }
    std::size_t frame_words() const noexcept { return frame_words_; }
    bool uses_registers() const noexcept { return ffi_ == nullptr; }

    // Make `frame`, frame_words() words, ready for calls: all zero, its own addresses filled in.
    void prepare(word *frame) const noexcept;

    // Call with the arguments in the frame and leave the result in it, narrow integers extended. Lets through
    // what the function throws.
    void invoke(word *frame) const { invoke_(*this, frame); }

    // As invoke(), for loops that want to keep the function pointer in a register.
    using invoke_function = void (*)(const callable &, word *frame);
    invoke_function invoker() const noexcept { return invoke_; }

  private:
    void lay_out();
    static void invoke_libffi(const callable &self, word *frame);

    void *address_;
    std::int32_t result_;
    std::vector<std::int32_t> types_;
    std::vector<std::size_t> slots_;
    std::size_t pointers_ = 0; // where libffi's array of addresses begins
    std::size_t frame_words_ = 0;
    bool fits_in_registers_ = true;
    bool has_floating_ = false;
    extend_function extend_result_ = nullptr;
    std::unique_ptr<libffi_interface> ffi_;
    invoke_function invoke_ = nullptr;
};

} // namespace pyffipar
