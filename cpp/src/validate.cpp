// Everything about a job that can be wrong, said before anything is touched.
#include <string>
#include <vector>

#include "buffer.hpp"
#include "plan.hpp"
#include "status.hpp"

namespace pyffipar {
namespace {

constexpr std::int64_t most_dimensions = 64; // as in NumPy

// What a check is about. Most checks hold, so words are made of it only where one does not.
struct place {
    const char *name;
    std::int64_t number = -1; // of an argument

    place(const char *what) noexcept : name(what) {}
    place(const char *what, std::size_t which) noexcept
        : name(what), number(static_cast<std::int64_t>(which)) {}

    std::string words() const { return number < 0 ? name : std::string(name) + " " + std::to_string(number); }
};

[[noreturn]] void refuse(const place &where, const std::string &what) {
    throw refused(where.words() + ": " + what);
}

void require(bool holds, const place &where, const char *what) {
    if (!holds) {
        refuse(where, what);
    }
}

void check_at_least(std::int64_t value, std::int64_t least, const char *name) {
    if (value < least) {
        refuse("job", std::string(name) + " is " + std::to_string(value) + ", wanted at least " +
                          std::to_string(least));
    }
}

bool is_swapped(const pyffipar_argument &argument) { return (argument.flags & PYFFIPAR_SWAPPED) != 0; }

void check_convertible(const pyffipar_argument &argument, bool from_memory, const place &where) {
    const auto found = from_memory ? find_gather(argument.element, is_swapped(argument), argument.type)
                                   : find_scatter(argument.type, argument.element, is_swapped(argument));
    if (found == nullptr) {
        refuse(where, std::string("no conversion between ") + name_of(argument.element) + " in memory and " +
                          name_of(argument.type));
    }
}

void check_same_type(const pyffipar_argument &argument, std::int32_t declared, const place &where) {
    if (argument.type != declared) {
        refuse(where, std::string("its type is ") + name_of(argument.type) + ", the function takes " +
                          name_of(declared));
    }
}

bool is_empty(const pyffipar_argument &argument, std::int64_t longest) {
    bool empty = false;
    for (std::int64_t d = 0; d < argument.core_ndim; ++d) {
        const bool is_led = d == 0 && argument.factor != 0;
        empty = empty || (is_led ? argument.factor * longest + argument.offset : argument.core_shape[d]) <= 0;
    }
    return empty;
}

void check_buffer(const pyffipar_argument &argument, std::int64_t longest, const place &where) {
    require(argument.core_ndim >= 0 && argument.core_ndim <= most_dimensions, where,
            "core_ndim is not between 0 and 64");
    require(argument.core_ndim == 0 || (argument.core_shape != nullptr && argument.core_strides != nullptr),
            where, "core_shape or core_strides is null");
    require(argument.factor == 0 || argument.core_ndim > 0, where, "factor needs a core dimension");
    for (std::int64_t d = argument.factor != 0 ? 1 : 0; d < argument.core_ndim; ++d) {
        require(argument.core_shape[d] >= 0, where, "an extent of core_shape is negative");
    }
    if (argument.element == PYFFIPAR_BYTES) {
        require(argument.element_size > 0, where, "element_size must be positive");
    }
    require(argument.factor >= 0, where, "factor is negative");
    checked_product(argument.factor, longest, "factor * length of a chunk");
    if (!has_boundary(argument) && (argument.flags & (PYFFIPAR_READ | PYFFIPAR_WRITTEN)) != 0) {
        require(argument.base != nullptr || is_empty(argument, longest), where, "base is null");
    }
    check_convertible(argument, true, where);
    check_convertible(argument, false, where);
}

// Whether the core lies in memory as it would in the buffer.
bool is_packed(const pyffipar_argument &argument) {
    auto packed = static_cast<std::int64_t>(buffer_value_size(argument));
    for (std::int64_t d = argument.core_ndim - 1; d >= 0; --d) {
        if ((d == 0 || argument.core_shape[d] > 1) && argument.core_strides[d] != packed) {
            return false;
        }
        packed = d == 0 ? packed : checked_product(packed, argument.core_shape[d], "bytes of a core");
    }
    return true;
}

void check_boundary(const pyffipar_argument &argument, const grid &cut, const place &where) {
    constexpr std::int64_t most = std::int64_t{1} << 61; // sums of a few of these fit
    require(argument.boundary > PYFFIPAR_NONE && argument.boundary <= PYFFIPAR_FILL, where,
            "unknown boundary");
    require(argument.factor > 0, where, "a boundary needs factor");
    require(argument.before >= 0 && argument.before < most, where, "before is negative or huge");
    require(argument.offset > -most && argument.offset < most, where, "offset is huge");
    require(argument.extent >= 0 && argument.extent < most, where, "extent is negative or huge");
    require(checked_product(argument.factor, cut.length, "factor * length") < most, where,
            "factor * length is huge");
    require(argument.extent > 0 || argument.boundary == PYFFIPAR_FILL, where,
            "an empty array has no elements to repeat beyond its ends");
    require(argument.base != nullptr || argument.extent == 0, where, "base is null");
    require((argument.flags & PYFFIPAR_WRITTEN) == 0, where,
            "nothing is written beyond the ends of an array");
    require(argument.boundary != PYFFIPAR_FILL || argument.type != PYFFIPAR_BYTES, where,
            "bytes have no value to fill with");
    if (argument.kind == PYFFIPAR_ADDRESS) {
        require(
            argument.type == argument.element && !is_swapped(argument), where,
            "its elements in memory are not what the function reads: with a boundary it must be a BUFFER");
        require(is_packed(argument), where,
                "its elements are not packed: with a boundary it must be a BUFFER");
    }
}

void check_argument(const pyffipar_argument &argument, std::int32_t declared, const grid &cut,
                    const place &where) {
    switch (argument.kind) {
    case PYFFIPAR_CONSTANT:
    case PYFFIPAR_LENGTH:
        check_same_type(argument, declared, where);
        return;
    case PYFFIPAR_LINEAR:
        check_same_type(argument, declared, where);
        require(is_integer(declared) || declared == PYFFIPAR_F32 || declared == PYFFIPAR_F64, where,
                "a linear argument must be a real number");
        require(argument.denominator > 0, where, "denominator must be positive");
        if (argument.base != nullptr) {
            check_convertible(argument, true, where);
        }
        return;
    case PYFFIPAR_LOAD:
    case PYFFIPAR_CARRY:
        check_same_type(argument, declared, where);
        require(argument.base != nullptr, where, "base is null");
        check_convertible(argument, true, where);
        return;
    case PYFFIPAR_ADDRESS:
    case PYFFIPAR_BUFFER:
        require(declared == PYFFIPAR_POINTER, where, "the function does not take a pointer here");
        if (argument.kind == PYFFIPAR_BUFFER || has_boundary(argument)) {
            check_buffer(argument, cut.longest(), where);
        }
        if (has_boundary(argument)) {
            check_boundary(argument, cut, where);
        }
        return;
    case PYFFIPAR_WORKER:
    case PYFFIPAR_TASK:
        require(declared == PYFFIPAR_POINTER, where, "the function does not take a pointer here");
        require(argument.base != nullptr, where, "base is null");
        return;
    default:
        refuse(where, "unknown kind " + std::to_string(argument.kind));
    }
}

void check_result(const pyffipar_job &job) {
    const std::int32_t returned = job.function->target.result();
    require(job.check_status >= 0 && job.check_status <= 3, "job", "check_status is not between 0 and 3");
    require(job.check_status == 0 || is_integer(returned), "result", "a status must be an integer");
    if (job.result.kind == PYFFIPAR_CONSTANT) {
        return;
    }
    require(job.result.kind == PYFFIPAR_STORE, "result", "its kind must be STORE or CONSTANT");
    require(returned != PYFFIPAR_VOID, "result", "the function returns nothing to store");
    check_same_type(job.result, returned, "result");
    require(job.result.base != nullptr, "result", "base is null");
    check_convertible(job.result, false, "result");
}

void check_sizes(const pyffipar_job &job) {
    check_at_least(job.loop_ndim, 0, "loop_ndim");
    require(job.loop_ndim <= most_dimensions, "job", "loop_ndim is more than 64");
    check_at_least(job.length, 0, "length");
    check_at_least(job.chunks, 1, "chunks");
    check_at_least(job.chunk, job.chunks > 1 ? 1 : 0, "chunk");
    check_at_least(job.grain, 1, "grain");
    check_at_least(job.threads, 1, "threads");
    check_at_least(job.max_failures, 0, "max_failures");
    require(job.max_failures == 0 || job.failures != nullptr, "job", "failures is null");
    require(job.loop_ndim == 0 || job.loop_shape != nullptr, "job", "loop_shape is null");
    if (checked_product(job.chunks - 1, job.chunk, "chunks * chunk") > job.length) {
        refuse("job", std::to_string(job.chunks) + " chunks of " + std::to_string(job.chunk) +
                          " are more than the length " + std::to_string(job.length));
    }
}

} // namespace

std::int64_t validate(const pyffipar_job &job) {
    require(job.function != nullptr, "job", "function is null");
    check_sizes(job);
    std::int64_t calls = job.chunks;
    bool is_nothing = false;
    for (std::int64_t d = 0; d < job.loop_ndim; ++d) {
        check_at_least(job.loop_shape[d], 0, "an extent of loop_shape");
        is_nothing = is_nothing || job.loop_shape[d] == 0;
    }
    for (std::int64_t d = 0; d < job.loop_ndim && !is_nothing; ++d) {
        calls = checked_product(calls, job.loop_shape[d], "number of calls");
    }
    const std::vector<std::int32_t> &types = job.function->target.types();
    require(types.empty() || job.arguments != nullptr, "job", "arguments is null");
    const grid cut{job.length, job.chunk, job.chunks};
    for (std::size_t i = 0; i < types.size() && !is_nothing; ++i) {
        check_argument(job.arguments[i], types[i], cut, place("argument", i));
    }
    if (!is_nothing) {
        check_result(job);
    }
    return is_nothing ? 0 : calls;
}

} // namespace pyffipar
