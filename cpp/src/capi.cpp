// The C interface: every body one line inside the guard.
#include <memory>
#include <string>

#include "call.hpp"
#include "function.hpp"
#include "interpreter.hpp"
#include "job.hpp"
#include "pool.hpp"
#include "pyffipar.h"
#include "recall.hpp"
#include "register_call.hpp"
#include "shutdown.hpp"
#include "status.hpp"
#include "thread.hpp"

namespace pyffipar {
namespace {

std::string describe_build() {
    const std::string sanitizer = PYFFIPAR_SANITIZE;
#if defined(__clang__)
    const std::string compiler = "Clang " __clang_version__;
#elif defined(__GNUC__)
    const std::string compiler = "GCC " __VERSION__;
#else
    const std::string compiler = "unknown compiler";
#endif
    return "pyffipar " PYFFIPAR_VERSION ", ABI " + std::to_string(PYFFIPAR_ABI_VERSION) + ", " + compiler +
           ", " PYFFIPAR_BUILD_TYPE ", libffi " PYFFIPAR_FFI_VERSION " " PYFFIPAR_FFI_LINKAGE
           ", register call " +
           argument_registers.name + ", sanitizer " + (sanitizer.empty() ? "none" : sanitizer);
}

pyffipar_status create(void *address, std::int32_t result, const std::int32_t *types, std::int64_t count,
                       std::int32_t path, pyffipar_function **function) {
    if (function == nullptr || count < 0 || count > 1024 || (types == nullptr && count > 0) || path < 0 ||
        path > 2) {
        throw refused("pyffipar_function_create: a pointer is null, or count or path is out of range");
    }
    *function = nullptr;
    callable target(address, result, std::vector<std::int32_t>(types, types + count),
                    static_cast<call_path>(path));
    *function = std::make_unique<pyffipar_function>(std::move(target)).release();
    return PYFFIPAR_DONE;
}

pyffipar_job &checked(pyffipar_job *job) {
    if (job == nullptr) {
        throw refused("the job is null");
    }
    return *job;
}

} // namespace
} // namespace pyffipar

using namespace pyffipar;

int32_t pyffipar_abi_version(void) { return PYFFIPAR_ABI_VERSION; }

const char *pyffipar_build_info(void) {
    static const std::string text = describe_build();
    return text.c_str();
}

const char *pyffipar_last_error(void) { return last_error(); }

pyffipar_status pyffipar_function_create(void *address, int32_t result, const int32_t *types, int64_t count,
                                         int32_t path, pyffipar_function **function) {
    return guarded([&] { return create(address, result, types, count, path, function); });
}

void pyffipar_function_destroy(pyffipar_function *function) {
    std::unique_ptr<pyffipar_function> owned(function);
}

const char *pyffipar_function_path(const pyffipar_function *function) {
    return function->target.uses_registers() ? "register" : "libffi";
}

pyffipar_status pyffipar_run(pyffipar_job *job, int64_t slice_ns) {
    return guarded([&] { return run(checked(job), slice_ns); });
}

pyffipar_status pyffipar_resume(pyffipar_job *job, int64_t slice_ns) {
    return guarded([&] { return resume(checked(job), slice_ns); });
}

void pyffipar_cancel(pyffipar_job *job) {
    guarded([&] { return cancel(checked(job)), PYFFIPAR_DONE; });
}

void pyffipar_set_num_threads(int64_t threads) { pool::set_most_threads(threads); }

int64_t pyffipar_get_num_threads(void) { return pool::most_threads(); }

int64_t pyffipar_worker_count(void) {
    const pool *workers = pool::existing();
    return workers != nullptr ? workers->workers() : 0;
}

pyffipar_status pyffipar_set_stack_size(int64_t bytes) {
    return guarded([&] { return set_stack_size(bytes), PYFFIPAR_DONE; });
}

int64_t pyffipar_shutdown(int64_t wait_ns) { return shut_down(wait_ns); }

int32_t pyffipar_in_call(void) { return is_in_call() ? 1 : 0; }

void pyffipar_set_interpreter(const pyffipar_interpreter *interpreter) { set_interpreter(interpreter); }

int64_t pyffipar_keep(pyffipar_repertoire *repertoire, const pyffipar_template *known) {
    return keep(*repertoire, *known);
}

void *pyffipar_at_once(void *capsule, void *) {
    const void *held = held_by(capsule);
    return held != nullptr ? at_once(*static_cast<const pyffipar_template *>(held)) : nullptr;
}

void *pyffipar_recall(void *capsule, void *const *arguments, intptr_t count, void *names) {
    void *held = held_by(capsule);
    return held != nullptr ? recall(*static_cast<pyffipar_repertoire *>(held), arguments, count, names)
                           : nullptr;
}

void *pyffipar_again(void *capsule, void *) {
    void *held = held_by(capsule);
    return held != nullptr ? again(*static_cast<pyffipar_repertoire *>(held)) : nullptr;
}
