// What is exported: every kernel under its C name, in the version for the CPU it runs on.
#include "pyffipar_kernels.h"

#include <atomic>
#include <cstring>

#include "level.hpp"

namespace pyffipar {
namespace {

struct level {
    const char *name;
    const kernel_table *kernels;
    bool is_usable;
};

constexpr std::size_t level_count = 3;

// The best first.
const level *levels() noexcept {
#if defined(PYFFIPAR_X86_LEVELS)
    static const level known[level_count] = {
        {"avx512", &avx512_kernels,
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")},
        {"avx2", &avx2_kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
        {"baseline", &baseline_kernels, true}};
#else
    static const level known[level_count] = {
        {"avx512", nullptr, false}, {"avx2", nullptr, false}, {"baseline", &baseline_kernels, true}};
#endif
    return known;
}

std::atomic<const level *> chosen{nullptr};

const level *best() noexcept {
    const level *each = levels();
    while (!each->is_usable) {
        ++each;
    }
    return each;
}

const level &active() noexcept {
    const level *now = chosen.load(std::memory_order_relaxed);
    if (now == nullptr) {
        now = best();
        chosen.store(now, std::memory_order_relaxed);
    }
    return *now;
}

} // namespace
} // namespace pyffipar

extern "C" {

PYFFIPAR_EXPORT const char *pyffipar_kernel_level(void) { return pyffipar::active().name; }

PYFFIPAR_EXPORT int32_t pyffipar_use_kernel_level(const char *name) {
    const pyffipar::level *each = pyffipar::levels();
    for (const pyffipar::level *end = each + pyffipar::level_count; each != end; ++each) {
        if (std::strcmp(each->name, name) == 0 && each->is_usable) {
            pyffipar::chosen.store(each, std::memory_order_relaxed);
            return 1;
        }
    }
    return 0;
}

#define PYFFIPAR_EXPORTED(result, name, parameters, arguments, ...)                                          \
    PYFFIPAR_EXPORT result pyffipar_##name parameters { return pyffipar::active().kernels->name arguments; }
PYFFIPAR_KERNELS(PYFFIPAR_EXPORTED)
#undef PYFFIPAR_EXPORTED
}
