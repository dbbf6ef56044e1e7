// What is known of the Python that calls: its functions, and how its objects lie in memory.
#pragma once

#include <cstdint>

#include "pyffipar.h"

namespace pyffipar {

// There is one for the process, told before anything is called by it.
const pyffipar_interpreter &interpreter() noexcept;
void set_interpreter(const pyffipar_interpreter *told) noexcept;

// What NumPy's ABI puts behind the head of an array.
struct array_members {
    char *data;
    int ndim;
    const std::int64_t *shape;
    const std::int64_t *strides;
    void *base;
    void *dtype;
    int flags;
};

const array_members &members_of(void *array, const pyffipar_interpreter &python) noexcept;
void *type_of(void *object, const pyffipar_interpreter &python) noexcept;

// The object itself, to be handed out.
void *new_reference(void *object, const pyffipar_interpreter &python);

// What a capsule of ours holds; null, with an exception set, for any other object.
void *held_by(void *capsule);

} // namespace pyffipar
