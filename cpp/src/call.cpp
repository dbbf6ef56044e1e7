// The layout of frames, and calls through libffi: the general way, and the oracle for the register call.
#include "call.hpp"

#include <ffi.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "register_call.hpp"
#include "status.hpp"

namespace pyffipar {
namespace {

ffi_type *ffi_type_of(std::int32_t type) {
    switch (type) {
    case PYFFIPAR_VOID:
        return &ffi_type_void;
    case PYFFIPAR_BOOL:
    case PYFFIPAR_U8:
        return &ffi_type_uint8;
    case PYFFIPAR_I8:
        return &ffi_type_sint8;
    case PYFFIPAR_I16:
        return &ffi_type_sint16;
    case PYFFIPAR_U16:
        return &ffi_type_uint16;
    case PYFFIPAR_I32:
        return &ffi_type_sint32;
    case PYFFIPAR_U32:
        return &ffi_type_uint32;
    case PYFFIPAR_I64:
        return &ffi_type_sint64;
    case PYFFIPAR_U64:
        return &ffi_type_uint64;
    case PYFFIPAR_F32:
        return &ffi_type_float;
    case PYFFIPAR_F64:
        return &ffi_type_double;
    case PYFFIPAR_POINTER:
        return &ffi_type_pointer;
#if defined(FFI_TARGET_HAS_COMPLEX_TYPE)
    case PYFFIPAR_C64:
        return &ffi_type_complex_float;
    case PYFFIPAR_C128:
        return &ffi_type_complex_double;
#endif
    default:
        throw refused(std::string("libffi cannot pass a ") + name_of(type));
    }
}

void check_signature(const void *address, std::int32_t result, const std::vector<std::int32_t> &types) {
    if (address == nullptr) {
        throw refused("the address of the function is null");
    }
    if (result != PYFFIPAR_VOID && !is_parameter(result)) {
        throw refused(std::string("a C function cannot return ") + name_of(result));
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
        if (!is_parameter(types[i])) {
            throw refused("argument " + std::to_string(i) + ": a C function cannot take " +
                          name_of(types[i]));
        }
    }
}

} // namespace

// What libffi keeps about a signature; its descriptor points into the array of types beside it.
class libffi_interface {
  public:
    libffi_interface(std::int32_t result, const std::vector<std::int32_t> &types) {
        types_.reserve(types.size());
        std::transform(types.begin(), types.end(), std::back_inserter(types_), ffi_type_of);
        const ffi_status status =
            ffi_prep_cif(&descriptor_, FFI_DEFAULT_ABI, static_cast<unsigned>(types_.size()),
                         ffi_type_of(result), types_.data());
        if (status != FFI_OK) {
            throw refused("libffi refuses this signature (status " + std::to_string(status) + ")");
        }
    }

    void call(void *address, void *result, void **arguments) {
        ffi_call(&descriptor_, reinterpret_cast<void (*)()>(address), result, arguments);
    }

  private:
    std::vector<ffi_type *> types_;
    ffi_cif descriptor_{};
};

callable::callable(void *address, std::int32_t result, std::vector<std::int32_t> types, call_path path)
    : address_(address), result_(result), types_(std::move(types)), extend_result_(find_extend(result)) {
    check_signature(address_, result_, types_);
    lay_out();
    if (path != call_path::libffi && fits_in_registers_) {
        invoke_ = find_register_call(result_, has_floating_);
    }
    if (invoke_ != nullptr) {
        return;
    }
    if (path == call_path::registers) {
        throw refused("this signature does not fit in registers (register call: " +
                      std::string(argument_registers.name) + ")");
    }
    ffi_ = std::make_unique<libffi_interface>(result_, types_);
    invoke_ = invoke_libffi;
}

callable::~callable() = default;
callable::callable(callable &&) noexcept = default;

void callable::lay_out() {
    std::size_t integers = 0;
    std::size_t floating = 0;
    std::size_t overflow = frame_layout::overflow;
    slots_.reserve(types_.size());
    for (const std::int32_t type : types_) {
        const bool is_floating = type == PYFFIPAR_F32 || type == PYFFIPAR_F64;
        has_floating_ = has_floating_ || is_floating;
        if (is_floating && floating < argument_registers.floating) {
            slots_.push_back(frame_layout::floating + floating++);
        } else if (is_integer(type) && integers < argument_registers.integers) {
            slots_.push_back(frame_layout::integers + integers++);
        } else {
            fits_in_registers_ = false;
            slots_.push_back(overflow);
            overflow += 2;
        }
    }
    pointers_ = overflow;
    frame_words_ = pointers_ + types_.size();
}

void callable::prepare(word *frame) const noexcept {
    static_assert(sizeof(void *) <= sizeof(word), "libffi's addresses are kept in words");
    std::fill_n(frame, frame_words_, word{0});
    auto *pointers = reinterpret_cast<char *>(frame + pointers_);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        void *slot = frame + slots_[i];
        std::memcpy(pointers + i * sizeof slot, &slot, sizeof slot);
    }
}

void callable::invoke_libffi(const callable &self, word *frame) {
    word *result = frame + frame_layout::result;
    self.ffi_->call(self.address_, result, reinterpret_cast<void **>(frame + self.pointers_));
    if (self.extend_result_ != nullptr) {
        self.extend_result_(result);
    }
}

} // namespace pyffipar
