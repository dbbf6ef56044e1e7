// Short ways to describe functions, arguments and jobs in tests.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "check.hpp"
#include "pyffipar.h"

namespace testing {

class foreign {
  public:
    template <typename result, typename... arguments>
    foreign(result (*address)(arguments...), std::int32_t returned, std::initializer_list<std::int32_t> types,
            std::int32_t path = 0) {
        const std::vector<std::int32_t> all(types);
        const pyffipar_status status =
            pyffipar_function_create(reinterpret_cast<void *>(address), returned, all.data(),
                                     static_cast<std::int64_t>(all.size()), path, &function_);
        check(status == PYFFIPAR_DONE, pyffipar_last_error());
    }
    ~foreign() { pyffipar_function_destroy(function_); }
    foreign(const foreign &) = delete;
    foreign &operator=(const foreign &) = delete;
    pyffipar_function *get() const { return function_; }

  private:
    pyffipar_function *function_ = nullptr;
};

inline pyffipar_argument argument(pyffipar_kind kind, std::int32_t type, const void *base = nullptr) {
    pyffipar_argument made{};
    made.kind = kind;
    made.type = made.element = type;
    made.base = const_cast<void *>(base);
    made.denominator = 1;
    return made;
}

inline pyffipar_argument constant(std::int32_t type, std::int64_t value) {
    pyffipar_argument made = argument(PYFFIPAR_CONSTANT, type);
    made.value.i = value;
    return made;
}

// A job over a loop shape, not cut, on two threads.
inline pyffipar_job job_of(const foreign &function, const std::vector<pyffipar_argument> &arguments,
                           const std::vector<std::int64_t> &shape) {
    pyffipar_job made{};
    made.function = function.get();
    made.arguments = arguments.data();
    made.loop_ndim = static_cast<std::int64_t>(shape.size());
    made.loop_shape = shape.data();
    made.chunks = 1;
    made.grain = 1;
    made.threads = 2;
    return made;
}

// Cut `length` items into chunks of `chunk`.
inline void cut(pyffipar_job &job, std::int64_t length, std::int64_t chunk) {
    job.length = length;
    job.chunk = chunk;
    job.chunks = (length + chunk - 1) / chunk;
}

inline void run(pyffipar_job &job, int line = __builtin_LINE()) {
    const pyffipar_status status = pyffipar_run(&job, INT64_MAX);
    check(status == PYFFIPAR_DONE, pyffipar_last_error(), line);
    check(job.state == nullptr && job.failure_count == 0, "ended cleanly", line);
}

} // namespace testing
