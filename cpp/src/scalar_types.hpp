// From a pyffipar_type to a C++ type: one switch that everything templated goes through.
#pragma once

#include <complex>
#include <cstdint>

#include "half.hpp"
#include "pyffipar.h"

namespace pyffipar {

template <typename type>
struct type_tag {
    using held = type;
};

// Call `visit` with the tag of `type`; `otherwise` is returned for VOID, BYTES and unknown numbers. A pointer
// is visited as the unsigned integer of its size.
template <typename visitor, typename outcome>
outcome with_type(std::int32_t type, outcome otherwise, visitor &&visit) {
    switch (type) {
    case PYFFIPAR_BOOL:
        return visit(type_tag<bool>{});
    case PYFFIPAR_I8:
        return visit(type_tag<std::int8_t>{});
    case PYFFIPAR_U8:
        return visit(type_tag<std::uint8_t>{});
    case PYFFIPAR_I16:
        return visit(type_tag<std::int16_t>{});
    case PYFFIPAR_U16:
        return visit(type_tag<std::uint16_t>{});
    case PYFFIPAR_I32:
        return visit(type_tag<std::int32_t>{});
    case PYFFIPAR_U32:
        return visit(type_tag<std::uint32_t>{});
    case PYFFIPAR_I64:
        return visit(type_tag<std::int64_t>{});
    case PYFFIPAR_U64:
        return visit(type_tag<std::uint64_t>{});
    case PYFFIPAR_F16:
        return visit(type_tag<half>{});
    case PYFFIPAR_F32:
        return visit(type_tag<float>{});
    case PYFFIPAR_F64:
        return visit(type_tag<double>{});
    case PYFFIPAR_C64:
        return visit(type_tag<std::complex<float>>{});
    case PYFFIPAR_C128:
        return visit(type_tag<std::complex<double>>{});
    case PYFFIPAR_POINTER:
        return visit(type_tag<std::uintptr_t>{});
    default:
        return otherwise;
    }
}

} // namespace pyffipar
