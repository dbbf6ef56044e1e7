// From the C description of a job to the plan its workers follow.
#include "plan.hpp"

#include <algorithm>
#include <cstring>

#include "buffer.hpp"
#include "pool.hpp"

namespace pyffipar {
namespace {

void fetch_same_type(const moving_argument &self, word *to, const char *address, std::int64_t) {
    self.load(to, address);
}

void fetch_converted(const moving_argument &self, word *to, const char *address, std::int64_t) {
    self.convert(reinterpret_cast<char *>(to), 0, address, 0, 1, 0);
    self.extend(to);
}

// `value` or what lies at the address, advanced by as many items as lie before this chunk.
void fetch_linear(const moving_argument &self, word *to, const char *address, std::int64_t start) {
    const pyffipar_argument &source = *self.source;
    if (source.base == nullptr) {
        std::memcpy(to, &source.value, sizeof *to);
    } else {
        fetch_converted(self, to, address, start);
    }
    if (source.type == PYFFIPAR_F64 || source.type == PYFFIPAR_F32) {
        const double advance = static_cast<double>(start) * static_cast<double>(source.numerator) /
                               static_cast<double>(source.denominator);
        pyffipar_value value;
        std::memcpy(&value, to, sizeof *to);
        if (source.type == PYFFIPAR_F64) {
            value.d += advance;
        } else {
            value.f = static_cast<float>(static_cast<double>(value.f) + advance); // rounded once
        }
        std::memcpy(to, &value, sizeof *to);
    } else {
        *to += static_cast<word>(scaled(start, source.numerator, source.denominator));
        self.extend(to);
    }
}

// How an argument takes part in the loop, which decides its place in the plan.
enum class part { none, pointer, fetched, buffer };

part part_of(const pyffipar_argument &argument, const grid &cut, bool uniform) {
    switch (argument.kind) {
    case PYFFIPAR_ADDRESS:
        return has_boundary(argument) ? part::buffer : part::pointer;
    case PYFFIPAR_BUFFER:
        return part::buffer;
    case PYFFIPAR_LOAD:
        return part::fetched;
    case PYFFIPAR_CARRY:
        return cut.is_cut() ? part::none : part::fetched; // what chunk 0 loads is set apart, see worker_frame
    case PYFFIPAR_LINEAR:
        return part::fetched;
    case PYFFIPAR_CONSTANT:
        return uniform ? part::fetched : part::none;
    default:
        return part::none;
    }
}

// Whether an argument lies at an address that the loop dimensions move.
bool is_moved_by_loops(const pyffipar_argument &argument) {
    switch (argument.kind) {
    case PYFFIPAR_LINEAR:
    case PYFFIPAR_LOAD:
    case PYFFIPAR_CARRY:
    case PYFFIPAR_ADDRESS:
    case PYFFIPAR_BUFFER:
    case PYFFIPAR_STORE:
        return argument.loop_strides != nullptr;
    default:
        return false;
    }
}

// Whether an argument is read as the function takes it, or is the same for all calls.
bool is_plain(const pyffipar_argument &argument, std::int32_t type, std::int32_t kind) {
    return argument.kind == kind && argument.type == type && argument.element == type &&
           (argument.flags & PYFFIPAR_SWAPPED) == 0;
}

// Calls handed out together: no more than the job says, and so few that who has to stop, stops soon. Nothing
// is looked at within a task: neither clock nor cancelling.
std::int64_t handed_out(const pyffipar_job &job) noexcept {
    constexpr double longest_task = 1e6; // ns
    constexpr std::int64_t most = 4096;  // even of the cheapest; what was learnt of a function may not hold
    constexpr std::int64_t most_unknown = 16;
    const double items =
        job.length > 0 ? static_cast<double>(job.length) / static_cast<double>(job.chunks) : 1;
    const double cost = items * job.function->item_cost.load(std::memory_order_relaxed);
    if (cost <= 0) {
        return std::min(job.grain, most_unknown);
    }
    const double wanted = std::clamp(longest_task / cost, 1.0, static_cast<double>(most));
    return std::min(job.grain, static_cast<std::int64_t>(wanted));
}

class planner {
  public:
    planner(const pyffipar_job &job, std::int64_t calls, arena &memory) : job_(job), memory_(memory) {
        plan_.job = &job;
        plan_.target = &job.function->target;
        plan_.cut = grid{job.length, job.chunk, job.chunks};
        plan_.calls = calls;
        plan_.declared_tasks = task_grid{calls, job.grain};
        plan_.tasks = task_grid::at_most(calls, handed_out(job), ticket_view::most_tasks);
        plan_.threads = std::min({job.threads, pool::most_threads(), plan_.tasks.count()});
    }

    job_plan finish() {
        make_odometer();
        const std::size_t count = plan_.target->types().size();
        moving_ = memory_.make<moving_argument>(count + 1);
        const bool uniform = is_uniform(plan_);
        plan_.pointers = add_all(part::pointer, uniform);
        plan_.fetched = add_all(part::fetched, uniform);
        plan_.buffers = add_all(part::buffer, uniform);
        plan_.stores_result = job_.result.kind == PYFFIPAR_STORE;
        if (plan_.stores_result) {
            add(job_.result, frame_layout::result);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::int32_t kind = job_.arguments[i].kind;
            plan_.carries = plan_.carries || (kind == PYFFIPAR_CARRY && plan_.cut.is_cut());
            plan_.has_task_handles = plan_.has_task_handles || kind == PYFFIPAR_TASK;
        }
        plan_.moving = moving_;
        return plan_;
    }

  private:
    // Whether a step along `outer` leads every argument to where `inner` would have led it next.
    bool is_continued(std::int64_t outer, std::int64_t inner) const {
        const auto follows = [&](const pyffipar_argument &argument) {
            return !is_moved_by_loops(argument) ||
                   static_cast<std::uint64_t>(argument.loop_strides[outer]) ==
                       static_cast<std::uint64_t>(argument.loop_strides[inner]) *
                           static_cast<std::uint64_t>(job_.loop_shape[inner]);
        };
        const pyffipar_argument *const begin = job_.arguments;
        return std::all_of(begin, begin + plan_.target->types().size(), follows) && follows(job_.result);
    }

    // Loop dimensions of extent 1 say nothing, and dimensions that continue each other are one: long rows are
    // what the loops are fast at. The chunks come last, if there are several.
    void make_odometer() {
        const auto all = static_cast<std::size_t>(job_.loop_ndim) + 1;
        auto *extents = memory_.make<std::int64_t>(all);
        sources_ = memory_.make<std::int64_t>(all);
        for (std::int64_t d = 0; d < job_.loop_ndim; ++d) {
            const std::int64_t last = plan_.dimensions - 1;
            if (job_.loop_shape[d] == 1) {
                continue;
            }
            if (last >= 0 && is_continued(sources_[last], d)) {
                extents[last] *= job_.loop_shape[d];
                sources_[last] = d;
            } else {
                extents[plan_.dimensions] = job_.loop_shape[d];
                sources_[plan_.dimensions++] = d;
            }
        }
        if (plan_.cut.is_cut()) {
            extents[plan_.dimensions] = plan_.cut.chunks;
            sources_[plan_.dimensions++] = job_.loop_ndim;
        }
        if (plan_.dimensions == 0) {
            extents[plan_.dimensions] = 1;
            sources_[plan_.dimensions++] = job_.loop_ndim;
        }
        plan_.extents = extents;
    }

    // Unsigned throughout: a stride nobody follows may be anything.
    const std::int64_t *make_strides(const pyffipar_argument &argument) {
        auto *strides = memory_.make<std::int64_t>(static_cast<std::size_t>(plan_.dimensions));
        auto per_index = static_cast<std::uint64_t>(argument.slot);
        for (std::int64_t d = plan_.dimensions - 1; d >= 0; --d) {
            std::uint64_t stride = per_index;
            if (sources_[d] == job_.loop_ndim) {
                stride += static_cast<std::uint64_t>(plan_.cut.start(1)) *
                          static_cast<std::uint64_t>(argument.step);
            } else if (argument.loop_strides != nullptr) {
                stride += static_cast<std::uint64_t>(argument.loop_strides[sources_[d]]);
            }
            strides[d] = static_cast<std::int64_t>(stride);
            per_index *= static_cast<std::uint64_t>(plan_.extents[d]);
        }
        return strides;
    }

    std::size_t add_all(part wanted, bool uniform) {
        const std::size_t before = plan_.moving_count;
        for (std::size_t i = 0; i < plan_.target->types().size(); ++i) {
            if (part_of(job_.arguments[i], plan_.cut, uniform) == wanted) {
                add(job_.arguments[i], plan_.target->slot(i));
            }
        }
        return plan_.moving_count - before;
    }

    void add(const pyffipar_argument &argument, std::size_t slot) {
        moving_argument &added = moving_[plan_.moving_count++];
        const bool swapped = (argument.flags & PYFFIPAR_SWAPPED) != 0;
        const bool is_same = argument.element == argument.type && !swapped;
        added.source = &argument;
        added.slot = slot;
        added.origin = origin_of(argument);
        if (argument.kind ==
            PYFFIPAR_CONSTANT) { // in a uniform job: read again and again from the description
            added.origin = reinterpret_cast<char *>(const_cast<pyffipar_value *>(&argument.value));
            added.strides = memory_.make<std::int64_t>(static_cast<std::size_t>(plan_.dimensions));
        } else {
            added.strides = make_strides(argument);
        }
        if (argument.kind == PYFFIPAR_ADDRESS && !has_boundary(argument)) {
            return; // it is handed over, and nothing behind it is read here
        }
        added.fetch = argument.kind == PYFFIPAR_LINEAR ? fetch_linear
                      : is_same                        ? fetch_same_type
                                                       : fetch_converted;
        added.load = find_load(argument.type);
        added.convert = find_gather(argument.element, swapped, argument.type);
        added.convert_back = find_scatter(argument.type, argument.element, swapped);
        added.extend = find_extend(argument.type);
        added.store = is_same ? find_store(argument.type) : nullptr;
        if (argument.kind == PYFFIPAR_BUFFER || has_boundary(argument)) {
            add_buffer(argument, added);
        }
    }

    // Of what is handed over or, where that is made call by call, of the first element covered.
    static char *origin_of(const pyffipar_argument &argument) {
        auto address = reinterpret_cast<std::uintptr_t>(argument.base);
        if (has_boundary(argument)) {
            address -= static_cast<std::uintptr_t>(argument.before) *
                       static_cast<std::uintptr_t>(argument.core_strides[0]);
        } else if (argument.kind == PYFFIPAR_ADDRESS) {
            address += static_cast<std::uintptr_t>(argument.shift);
        }
        return reinterpret_cast<char *>(address);
    }

    void add_buffer(const pyffipar_argument &argument, moving_argument &added) {
        added.value_size = buffer_value_size(argument);
        added.buffer_offset = plan_.scratch_size;
        plan_.scratch_size += padded_buffer_size(argument, plan_.cut.longest());
        added.row_elements = 1;
        for (std::int64_t d = 1; d < argument.core_ndim; ++d) {
            added.row_elements *= argument.core_shape[d]; // their bytes have been found to fit
        }
        const std::int32_t held = argument.type == PYFFIPAR_F16 ? PYFFIPAR_F64 : argument.type;
        added.fill = find_gather(held, false, argument.type);
    }

    const pyffipar_job &job_;
    arena &memory_;
    job_plan plan_{};
    std::int64_t *sources_ =
        nullptr; // which loop dimension an odometer's dimension is; loop_ndim for the chunks
    moving_argument *moving_ = nullptr;
};

} // namespace

bool is_uniform(const job_plan &plan) noexcept {
    const pyffipar_job &job = *plan.job;
    const std::vector<std::int32_t> &types = plan.target->types();
    const std::int32_t type = plan.target->result();
    if ((type != PYFFIPAR_F64 && type != PYFFIPAR_F32) || types.empty() || types.size() > 4 ||
        plan.cut.is_cut() || !plan.target->uses_registers() || !is_plain(job.result, type, PYFFIPAR_STORE)) {
        return false;
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
        const pyffipar_argument &argument = job.arguments[i];
        const bool is_constant = argument.kind == PYFFIPAR_CONSTANT && argument.type == type;
        if (types[i] != type || (!is_constant && !is_plain(argument, type, PYFFIPAR_LOAD))) {
            return false;
        }
    }
    return true;
}

job_plan make_plan(const pyffipar_job &job, std::int64_t calls, arena &memory) {
    return planner(job, calls, memory).finish();
}

} // namespace pyffipar
