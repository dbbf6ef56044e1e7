// The rules for places beyond the ends: folding, clamping, wrapping.
#include "boundary.hpp"

#include <algorithm>

#include "pyffipar.h"

namespace pyffipar {
namespace {

// The rest that is never negative.
std::int64_t modulo(std::int64_t value, std::int64_t divisor) noexcept {
    const std::int64_t rest = value % divisor;
    return rest < 0 ? rest + divisor : rest;
}

} // namespace

std::int64_t element_at(std::int32_t boundary, std::int64_t place, std::int64_t extent) noexcept {
    if (place >= 0 && place < extent) {
        return place;
    }
    switch (boundary) {
    case PYFFIPAR_REFLECT: { // there and back again is one period, with both ends twice
        const std::int64_t folded = modulo(place, 2 * extent);
        return std::min(folded, 2 * extent - 1 - folded);
    }
    case PYFFIPAR_MIRROR: { // with both ends once
        const std::int64_t period = std::max<std::int64_t>(1, 2 * extent - 2);
        const std::int64_t folded = modulo(place, period);
        return std::min(folded, period - folded);
    }
    case PYFFIPAR_NEAREST:
        return std::clamp<std::int64_t>(place, 0, extent - 1);
    case PYFFIPAR_WRAP:
        return modulo(place, extent);
    default:
        return -1;
    }
}

} // namespace pyffipar
