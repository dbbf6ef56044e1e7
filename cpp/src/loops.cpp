// The innermost loops: a general one over frames, and typed ones for functions of one floating type.
#include "loops.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "buffer.hpp"

namespace pyffipar {
namespace {

template <std::size_t, typename type>
using repeated = type;

template <typename real>
real read(const char *from) noexcept {
    real value;
    std::memcpy(&value, from, sizeof value); // addresses may be misaligned
    return value;
}

// real f(real, ...): the compiler sees the signature, so a call costs no more than in a C loop.
template <typename real, std::size_t... argument>
bool run_uniform(worker_frame &frame, const call_run &run, std::index_sequence<argument...>) {
    using function = real (*)(repeated<argument, real>...);
    const auto call = reinterpret_cast<function>(frame.plan().target->address());
    const lane *lanes = frame.lanes();
    std::array<const char *, sizeof...(argument)> from{lanes[argument].address...};
    const std::array<std::ptrdiff_t, sizeof...(argument)> step{lanes[argument].step...};
    char *to = lanes[sizeof...(argument)].address;
    const std::ptrdiff_t to_step = lanes[sizeof...(argument)].step;
    for (std::int64_t i = 0; i < run.count; ++i) {
        const real value = call(read<real>(from[argument])...);
        std::memcpy(to, &value, sizeof value);
        ((from[argument] += step[argument]), ...);
        to += to_step;
        frame.ended = i + 1;
    }
    return true;
}

template <typename real, std::size_t arguments>
bool run_uniform_of(worker_frame &frame, const call_run &run) {
    return run_uniform<real>(frame, run, std::make_index_sequence<arguments>{});
}

template <typename real>
run_function find_uniform(std::size_t arguments) noexcept {
    constexpr run_function loops[] = {run_uniform_of<real, 1>, run_uniform_of<real, 2>,
                                      run_uniform_of<real, 3>, run_uniform_of<real, 4>};
    return loops[arguments - 1];
}

bool is_bad(const pyffipar_job &job, word returned, bool is_unsigned, std::int64_t length) noexcept {
    if (job.check_status != 2) {
        return returned != static_cast<word>(job.check_status == 3 ? length : job.expected);
    }
    // No unsigned value is below a negative one.
    return is_unsigned ? job.expected > 0 && returned < static_cast<word>(job.expected)
                       : static_cast<std::int64_t>(returned) < job.expected;
}

// Addresses are integers here: one past the last call of a run they may point anywhere.
void advance(lane &moved) noexcept {
    moved.address = reinterpret_cast<char *>(reinterpret_cast<std::uintptr_t>(moved.address) +
                                             static_cast<std::uintptr_t>(moved.step));
}

// In the middle of the array an ADDRESS is what it always is; only at the ends it points to a copy.
void gather_with_boundary(const lane &from, char *buffer, std::int64_t start, std::int64_t length) {
    const moving_argument &argument = *from.argument;
    const pyffipar_argument &source = *argument.source;
    const bool is_whole = is_inside(source, start, length);
    if (!is_whole) {
        gather_beyond(argument, buffer, from.address, start, length);
    } else if (source.kind == PYFFIPAR_BUFFER) {
        gather(argument, buffer, from.address, length);
    }
    if (source.kind == PYFFIPAR_ADDRESS) {
        const char *first = is_whole ? from.address : buffer;
        *from.slot = reinterpret_cast<std::uintptr_t>(first) + static_cast<std::uintptr_t>(source.shift);
    }
}

void gather_buffers(worker_frame &frame, const lane *lanes, std::int64_t start, std::int64_t length) {
    for (std::size_t i = 0; i < frame.plan().buffers; ++i) {
        const moving_argument &argument = *lanes[i].argument;
        if (has_boundary(*argument.source)) {
            gather_with_boundary(lanes[i], frame.buffer(argument), start, length);
        } else if ((argument.source->flags & PYFFIPAR_READ) != 0) {
            gather(argument, frame.buffer(argument), lanes[i].address, length);
        }
    }
}

void scatter_buffers(worker_frame &frame, lane *lanes, std::int64_t length) {
    for (std::size_t i = 0; i < frame.plan().buffers; ++i) {
        const moving_argument &argument = *lanes[i].argument;
        if ((argument.source->flags & PYFFIPAR_WRITTEN) != 0) {
            scatter(argument, frame.buffer(argument), lanes[i].address, length);
        }
        advance(lanes[i]);
    }
}

void store_result(lane &to) {
    const moving_argument &argument = *to.argument;
    if (argument.store != nullptr) {
        argument.store(to.address, to.slot);
    } else {
        argument.convert_back(to.address, 0, reinterpret_cast<const char *>(to.slot), 0, 1, 0);
    }
    advance(to);
}

template <bool has_buffers, bool has_status>
bool run_general(worker_frame &frame, const call_run &run) {
    const job_plan &plan = frame.plan();
    const callable &target = *plan.target;
    const callable::invoke_function invoke = target.invoker();
    word *const words = frame.words();
    lane *const pointers = frame.lanes();
    lane *const fetched = pointers + plan.pointers;
    lane *const buffers = fetched + plan.fetched;
    lane *const result = buffers + plan.buffers;
    const std::int64_t start_step = plan.cut.start(1); // 0 unless the job is cut
    std::int64_t start = run.start;
    for (std::int64_t i = 0; i < run.count; ++i, start += start_step) {
        for (lane *each = pointers; each != fetched; ++each) {
            *each->slot = reinterpret_cast<std::uintptr_t>(each->address);
            advance(*each);
        }
        for (lane *each = fetched; each != buffers; ++each) {
            each->argument->fetch(*each->argument, each->slot, each->address, start);
            advance(*each);
        }
        if constexpr (has_buffers) {
            gather_buffers(frame, buffers, start, run.length);
        }
        if constexpr (has_status) {
            errno = 0;
        }
        invoke(target, words);
        if constexpr (has_status) {
            if (is_bad(*plan.job, words[frame_layout::result], !is_signed(target.result()), run.length)) {
                frame.error = errno;
                return false;
            }
        }
        if constexpr (has_buffers) {
            scatter_buffers(frame, buffers, run.length);
        }
        if (plan.stores_result) {
            store_result(*result);
        }
        frame.ended = i + 1;
    }
    return true;
}

} // namespace

run_function choose_loop(const job_plan &plan) noexcept {
    if (is_uniform(plan) && plan.job->check_status == 0) {
        const std::size_t arguments = plan.target->types().size();
        return plan.target->result() == PYFFIPAR_F64 ? find_uniform<double>(arguments)
                                                     : find_uniform<float>(arguments);
    }
    const bool has_status = plan.job->check_status != 0;
    if (plan.buffers > 0) {
        return has_status ? run_general<true, true> : run_general<true, false>;
    }
    return has_status ? run_general<false, true> : run_general<false, false>;
}

} // namespace pyffipar
