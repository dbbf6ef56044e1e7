// Thread-local error texts, and the translation of exceptions into statuses.
#include "status.hpp"

#include <cstdio>
#include <new>

namespace pyffipar {
namespace {

// A plain array: it needs neither an allocation nor a destructor when a thread ends.
thread_local char text_of_thread[512] = "";

} // namespace

pyffipar_status report(pyffipar_status status, const char *text) noexcept {
    std::snprintf(text_of_thread, sizeof text_of_thread, "%s", text);
    return status;
}

const char *last_error() noexcept { return text_of_thread; }

pyffipar_status report_current_exception() noexcept {
    try {
        throw;
    } catch (const refused &failure) {
        return report(PYFFIPAR_INVALID, failure.what());
    } catch (const std::bad_alloc &) {
        return report(PYFFIPAR_NO_MEMORY, "out of memory");
    } catch (const std::exception &failure) {
        return report(PYFFIPAR_ERROR, failure.what());
    } catch (...) {
        return report(PYFFIPAR_ERROR, "unknown error");
    }
}

} // namespace pyffipar
