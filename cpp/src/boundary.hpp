// Which element stands for a place beyond the ends of an array. Pure arithmetic.
#pragma once

#include <cstdint>

namespace pyffipar {

// The index in [0, extent) that `boundary` puts at `place`, or -1 where FILL puts a value. Places inside
// stand for themselves. `extent` is positive, unless `boundary` is FILL.
std::int64_t element_at(std::int32_t boundary, std::int64_t place, std::int64_t extent) noexcept;

} // namespace pyffipar
