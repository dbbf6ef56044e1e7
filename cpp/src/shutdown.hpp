// The end of the process: jobs stop at the next border between tasks.
#pragma once

#include <cstdint>

#include "clock.hpp"

namespace pyffipar {

// See pyffipar_shutdown().
std::int64_t shut_down(nanoseconds wait) noexcept;

} // namespace pyffipar
