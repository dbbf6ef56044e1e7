// Statuses and their texts: the one place where an exception becomes a pyffipar_status.
#pragma once

#include <stdexcept>
#include <string>

#include "pyffipar.h"

namespace pyffipar {

// A bad argument: becomes PYFFIPAR_INVALID.
class refused : public std::invalid_argument {
  public:
    using std::invalid_argument::invalid_argument;
};

// Keep `text` as this thread's last error and return `status`. Never allocates: it also reports exhausted
// memory.
pyffipar_status report(pyffipar_status status, const char *text) noexcept;

// This thread's last text; never null.
const char *last_error() noexcept;

// The status of the exception being handled, its text kept. Only to be called from a handler.
pyffipar_status report_current_exception() noexcept;

// Run `body`, which returns a status, and let no exception out.
template <typename body_type>
pyffipar_status guarded(body_type &&body) noexcept {
    try {
        return body();
    } catch (...) {
        return report_current_exception();
    }
}

} // namespace pyffipar
