// Keeps a participant's frame and addresses in step with the number of its call.
#include "frame.hpp"

#include <algorithm>
#include <cstring>

namespace pyffipar {

worker_frame::worker_frame(const job_plan &plan, arena &memory)
    : plan_(&plan), words_(memory.make_unset<word>(plan.target->frame_words(), true)),
      lanes_(memory.make_unset<lane>(plan.moving_count)),
      indices_(memory.make_unset<std::int64_t>(static_cast<std::size_t>(plan.dimensions))),
      scratch_(memory.make_buffer(plan.scratch_size)) {}

void worker_frame::prepare(std::int64_t participant) noexcept {
    plan_->target->prepare(words_);
    for (std::size_t i = 0; i < plan_->moving_count; ++i) {
        lanes_[i].argument = plan_->moving + i;
        lanes_[i].slot = words_ + plan_->moving[i].slot;
    }
    for (std::size_t i = 0; i < plan_->target->types().size(); ++i) {
        set_constant(i, participant);
    }
    const moving_argument *buffers = plan_->begin_buffers();
    for (std::size_t i = 0; i < plan_->buffers; ++i) {
        const auto pointer = reinterpret_cast<std::uintptr_t>(buffer(buffers[i])) +
                             static_cast<std::uintptr_t>(buffers[i].source->shift);
        words_[buffers[i].slot] = static_cast<word>(pointer);
    }
    is_prepared_ = true;
}

void worker_frame::set_constant(std::size_t index, std::int64_t participant) noexcept {
    const pyffipar_argument &argument = plan_->job->arguments[index];
    word *slot = words_ + plan_->target->slot(index);
    switch (argument.kind) {
    case PYFFIPAR_CONSTANT:
    case PYFFIPAR_CARRY:
        std::memcpy(slot, &argument.value, is_complex(argument.type) ? size_of(argument.type) : sizeof(word));
        find_extend(argument.type)(slot);
        break;
    case PYFFIPAR_LENGTH:
        set_length(index, plan_->cut.longest());
        break;
    case PYFFIPAR_WORKER:
        load_handle(index, participant);
        break;
    default:
        break;
    }
}

void worker_frame::set_length(std::size_t index, std::int64_t length) noexcept {
    const std::int32_t type = plan_->job->arguments[index].type;
    word *slot = words_ + plan_->target->slot(index);
    find_gather(PYFFIPAR_I64, false, type)(reinterpret_cast<char *>(slot), 0,
                                           reinterpret_cast<const char *>(&length), 0, 1, 0);
    find_extend(type)(slot);
}

void worker_frame::set_task_handles(std::int64_t task) noexcept {
    for (std::size_t i = 0; i < plan_->target->types().size(); ++i) {
        const pyffipar_argument &argument = plan_->job->arguments[i];
        if (argument.kind == PYFFIPAR_TASK) {
            load_handle(i, task);
        }
    }
}

void worker_frame::load_handle(std::size_t index, std::int64_t number) noexcept {
    const auto *handles = static_cast<const char *>(plan_->job->arguments[index].base);
    find_load(PYFFIPAR_POINTER)(words_ + plan_->target->slot(index),
                                handles + number * static_cast<std::int64_t>(sizeof(void *)));
}

call_run worker_frame::position(std::int64_t call, std::int64_t last) noexcept {
    if (plan_->has_task_handles) {
        const std::int64_t task = call / plan_->declared_tasks.grain;
        last = std::min(last, plan_->declared_tasks.last(task));
        set_task_handles(task);
    }
    std::int64_t rest = call;
    for (std::int64_t d = plan_->dimensions - 1; d > 0; --d) {
        indices_[d] = rest % plan_->extents[d];
        rest /= plan_->extents[d];
    }
    indices_[0] = rest;
    place_lanes();
    const std::int64_t inner = plan_->dimensions - 1;
    const std::int64_t row = plan_->extents[inner] - indices_[inner];
    call_run run{call, std::min(row, last - call), 0, plan_->cut.length};
    if (plan_->cut.is_cut()) {
        // The last chunk has a length of its own, and the first may have a value of its own.
        const std::int64_t chunk = indices_[inner];
        run.start = plan_->cut.start(chunk);
        run.length = plan_->cut.extent(chunk);
        const std::int64_t alike = chunk == 0 && plan_->carries ? 1 : std::max<std::int64_t>(1, row - 1);
        run.count = std::min(run.count, alike);
        set_of_chunk(run, chunk);
    }
    ended = 0;
    return run;
}

void worker_frame::place_lanes() noexcept {
    const std::int64_t inner = plan_->dimensions - 1;
    for (std::size_t i = 0; i < plan_->moving_count; ++i) {
        const moving_argument &argument = plan_->moving[i];
        auto address = reinterpret_cast<std::uintptr_t>(argument.origin);
        for (std::int64_t d = 0; d <= inner; ++d) {
            address +=
                static_cast<std::uintptr_t>(indices_[d]) * static_cast<std::uintptr_t>(argument.strides[d]);
        }
        lanes_[i].address = reinterpret_cast<char *>(address);
        lanes_[i].step = static_cast<std::ptrdiff_t>(argument.strides[inner]);
    }
}

void worker_frame::set_of_chunk(const call_run &run, std::int64_t chunk) noexcept {
    for (std::size_t i = 0; i < plan_->target->types().size(); ++i) {
        const pyffipar_argument &argument = plan_->job->arguments[i];
        if (argument.kind == PYFFIPAR_LENGTH) {
            set_length(i, run.length);
        } else if (argument.kind == PYFFIPAR_CARRY && chunk != 0) {
            set_constant(i, 0);
        } else if (argument.kind == PYFFIPAR_CARRY) {
            word *slot = words_ + plan_->target->slot(i);
            const bool swapped = (argument.flags & PYFFIPAR_SWAPPED) != 0;
            find_gather(argument.element, swapped, argument.type)(reinterpret_cast<char *>(slot), 0,
                                                                  address_of(argument, run.first), 0, 1, 0);
            find_extend(argument.type)(slot);
        }
    }
}

// Of chunk 0 of the current item, so without `step`.
const char *worker_frame::address_of(const pyffipar_argument &argument, std::int64_t call) const noexcept {
    auto address = reinterpret_cast<std::uintptr_t>(argument.base) +
                   static_cast<std::uintptr_t>(call) * static_cast<std::uintptr_t>(argument.slot);
    std::int64_t item = call / plan_->cut.chunks;
    for (std::int64_t d = plan_->job->loop_ndim - 1; d >= 0 && argument.loop_strides != nullptr; --d) {
        const std::int64_t extent = plan_->job->loop_shape[d];
        address += static_cast<std::uintptr_t>(item % extent) *
                   static_cast<std::uintptr_t>(argument.loop_strides[d]);
        item /= extent;
    }
    return reinterpret_cast<const char *>(address);
}

} // namespace pyffipar
